//! The JSON event format (CloudEvents JSON format 1.0.2), one pass over the text.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use serde::de::{Deserializer as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use tripline_kernel::{Fault, Timestamp, pointer_token};

use crate::event::{Error, Event, limits};

pub(crate) fn parse(json: Bytes) -> Result<Event, Error> {
    let mut reader = serde_json::Deserializer::from_slice(&json);
    let found = reader.deserialize_any(AttributesVisitor).map_err(|e| malformed(&e))?;
    reader.end().map_err(|e| malformed(&e))?;
    let Found { id, source, partition_key } = found.map_err(refuse)?;
    Ok(Event { id, source, partition_key, json })
}

/// Reads a batch (CloudEvents JSON format, section 4). A bad entry is refused, not the batch.
///
/// # Errors
/// When the text is not a JSON array, or holds more than [`limits::BATCH_EVENTS_MAX`] entries.
pub fn parse_batch(json: &Bytes) -> Result<Vec<Result<Event, Error>>, Error> {
    let mut reader = serde_json::Deserializer::from_slice(json);
    let entries = reader.deserialize_any(BatchVisitor).map_err(|e| malformed(&e))?;
    reader.end().map_err(|e| malformed(&e))?;
    let Some(entries) = entries else {
        return Err(Error::Invalid(vec![Fault::new(
            "",
            "not-an-array",
            "a batch is a JSON array of events",
        )]));
    };
    if entries.len() > limits::BATCH_EVENTS_MAX {
        let max = limits::BATCH_EVENTS_MAX;
        return Err(Error::TooLarge(format!("a batch has at most {max} events")));
    }
    Ok(entries.into_iter().map(|entry| parse(json.slice_ref(entry.get().as_bytes()))).collect())
}

fn malformed(error: &serde_json::Error) -> Error {
    Error::Malformed(error.to_string())
}

fn refuse(mut faults: Vec<Fault>) -> Error {
    faults.truncate(limits::ATTRIBUTES_MAX);
    Error::Invalid(faults)
}

/// What the way of an event needs to know of its attributes.
struct Found {
    id: Box<str>,
    source: Box<str>,
    partition_key: Option<Box<str>>,
}

struct BatchVisitor;

impl<'de> Visitor<'de> for BatchVisitor {
    type Value = Option<Vec<&'de RawValue>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON array of events")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = seq.next_element::<&RawValue>()? {
            // One more than allowed is enough to refuse; the rest is only checked for syntax.
            if entries.len() <= limits::BATCH_EVENTS_MAX {
                entries.push(entry);
            }
        }
        Ok(Some(entries))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<serde::de::IgnoredAny, serde::de::IgnoredAny>()?.is_some() {}
        Ok(None)
    }
}

struct AttributesVisitor;

impl<'de> Visitor<'de> for AttributesVisitor {
    type Value = Result<Found, Vec<Fault>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a CloudEvent, which is a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut attributes = Attributes::default();
        while let Some(name) = map.next_key::<Cow<'de, str>>()? {
            let value = map.next_value::<&'de RawValue>()?;
            attributes.take(&name, value.get());
        }
        Ok(attributes.finish())
    }
}

#[derive(Default)]
struct Attributes<'de> {
    seen: Vec<Box<str>>,
    specversion: bool,
    id: Option<Cow<'de, str>>,
    source: Option<Cow<'de, str>>,
    kind: bool,
    partition_key: Option<Cow<'de, str>>,
    faults: Vec<Fault>,
}

impl<'de> Attributes<'de> {
    fn take(&mut self, name: &str, raw: &'de str) {
        if self.seen.len() > limits::ATTRIBUTES_MAX {
            return;
        }
        if self.seen.len() == limits::ATTRIBUTES_MAX {
            let detail = format!("an event has at most {} attributes", limits::ATTRIBUTES_MAX);
            self.faults.push(Fault::new("", "too-many-attributes", detail));
            self.seen.push(name.into());
            return;
        }
        if self.seen.iter().any(|known| &**known == name) {
            self.fault(name, "duplicate-attribute", format!("attribute '{name}' stands twice"));
            return;
        }
        self.seen.push(name.into());
        match name {
            "data" => {}
            "data_base64" => self.base64(raw),
            _ if raw == "null" => {} // An attribute with the value null counts as left out.
            "specversion" => {
                self.specversion = true;
                if self.text(name, raw, 16).is_some_and(|version| version != "1.0") {
                    self.fault(name, "unsupported-specversion", "specversion must be '1.0'".into());
                }
            }
            "id" => self.id = self.text(name, raw, limits::ID_BYTES_MAX),
            "source" => {
                self.source = self.text(name, raw, limits::ATTRIBUTE_BYTES_MAX);
                if self
                    .source
                    .as_deref()
                    .is_some_and(|source| source.contains([' ', '"', '<', '>']))
                {
                    self.fault(name, "invalid-attribute", "source must be a URI reference".into());
                }
            }
            "type" => self.kind = self.text(name, raw, limits::ATTRIBUTE_BYTES_MAX).is_some(),
            "partitionkey" => {
                self.partition_key = self.text(name, raw, limits::ATTRIBUTE_BYTES_MAX);
            }
            "time" => {
                let time = self.text(name, raw, 64);
                if time.is_some_and(|time| time.parse::<Timestamp>().is_err()) {
                    self.fault(name, "invalid-attribute", "time must be as in RFC 3339".into());
                }
            }
            "subject" | "datacontenttype" | "dataschema" => {
                self.text(name, raw, usize::MAX);
            }
            _ => self.extension(name, raw),
        }
    }

    fn finish(mut self) -> Result<Found, Vec<Fault>> {
        let has = |name: &str| self.seen.iter().any(|seen| &**seen == name);
        if has("data") && has("data_base64") {
            let detail = "an event has data or data_base64, not both".to_owned();
            self.fault("data_base64", "invalid-attribute", detail);
        }
        let required = [
            ("specversion", self.specversion),
            ("id", self.id.is_some()),
            ("source", self.source.is_some()),
            ("type", self.kind),
        ];
        for (name, present) in required {
            let told = self.faults.iter().any(|fault| fault.pointer == pointer_to(name));
            if !present && !told {
                self.fault(name, "missing-attribute", format!("attribute '{name}' is required"));
            }
        }
        match (self.id, self.source) {
            (Some(id), Some(source)) if self.faults.is_empty() => Ok(Found {
                id: id.into(),
                source: source.into(),
                partition_key: self.partition_key.map(Into::into),
            }),
            _ => Err(self.faults),
        }
    }

    /// A non-empty string without control characters (CloudEvents 1.0.2, section 2.4).
    fn text(&mut self, name: &str, raw: &'de str, bytes_max: usize) -> Option<Cow<'de, str>> {
        let Ok(Text(text)) = serde_json::from_str::<Text<'de>>(raw) else {
            self.fault(name, "invalid-attribute", format!("attribute '{name}' must be a string"));
            return None;
        };
        let wrong = if text.is_empty() {
            "must not be empty".to_owned()
        } else if text.len() > bytes_max {
            format!("must have at most {bytes_max} bytes")
        } else if text.chars().any(char::is_control) {
            "must not hold control characters".to_owned()
        } else {
            return Some(text);
        };
        self.fault(name, "invalid-attribute", format!("attribute '{name}' {wrong}"));
        None
    }

    fn extension(&mut self, name: &str, raw: &'de str) {
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()) {
            let detail = format!("'{name}' is no attribute name: only a-z and 0-9 are allowed");
            self.fault(name, "invalid-attribute-name", detail);
            return;
        }
        let fits = match raw.as_bytes().first() {
            Some(b'"') => {
                // Unlike the required attributes, an extension may be empty.
                serde_json::from_str::<Text<'_>>(raw)
                    .is_ok_and(|t| !t.0.chars().any(char::is_control))
            }
            Some(b't' | b'f') => true,
            Some(_) => raw.parse::<i32>().is_ok(),
            None => false,
        };
        if !fits {
            let detail =
                format!("attribute '{name}' must be a string, a boolean or a 32-bit integer");
            self.fault(name, "invalid-attribute", detail);
        }
    }

    fn base64(&mut self, raw: &'de str) {
        let decodes = serde_json::from_str::<Text<'de>>(raw).is_ok_and(|text| {
            data_encoding::BASE64.decode_len(text.0.len()).is_ok()
                && data_encoding::BASE64.decode(text.0.as_bytes()).is_ok()
        });
        if !decodes {
            self.fault(
                "data_base64",
                "invalid-attribute",
                "data_base64 must be a base64 string".into(),
            );
        }
    }

    fn fault(&mut self, name: &str, code: &'static str, detail: String) {
        self.faults.push(Fault::new(pointer_to(name), code, detail));
    }
}

fn pointer_to(name: &str) -> String {
    format!("/{}", pointer_token(name))
}

/// A JSON string, borrowed where it holds no escapes.
#[derive(serde::Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
