//! The context attributes of an event.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::error::Category;
use serde_json::value::RawValue;

use crate::{EventError, Value};

/// Members of an event in JSON that are its data, not its context.
const DATA: [&str; 2] = ["data", "data_base64"];

/// The context attributes of an event: what an expression can see of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attributes<'a> {
    // Few, so looked through.
    values: Vec<(Cow<'a, str>, Value<'a>)>,
}

impl<'a> Attributes<'a> {
    /// None.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// All context attributes of a CloudEvent in structured JSON. A member that is `null` is none.
    ///
    /// # Errors
    /// The text is not an object in JSON. Nothing else of a CloudEvent is checked.
    pub fn read(event_json: &'a [u8]) -> Result<Self, EventError> {
        Self::read_those(event_json, |_| true)
    }

    /// Those of the attributes that are wanted.
    pub(crate) fn read_those(
        event_json: &'a [u8],
        wanted: impl Fn(&str) -> bool,
    ) -> Result<Self, EventError> {
        let mut reader = serde_json::Deserializer::from_slice(event_json);
        reader
            .deserialize_map(Members(wanted))
            .and_then(|attributes| reader.end().map(|()| attributes))
            .map_err(|error| match error.classify() {
                Category::Data => EventError::NotAnObject,
                Category::Io | Category::Syntax | Category::Eof => {
                    EventError::Malformed { line: error.line(), column: error.column() }
                }
            })
    }

    /// Sets an attribute, whose name is in lower case in CloudEvents, to a value. One that was set before is replaced.
    pub fn set(&mut self, name: impl Into<Cow<'a, str>>, value: Value<'a>) {
        let name = name.into();
        match self.values.iter_mut().find(|(other, _)| *other == name) {
            Some((_, place)) => *place = value,
            None => self.values.push((name, value)),
        }
    }

    /// The value of an attribute, if the event has it.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value<'a>> {
        self.values.iter().find(|(other, _)| other == name).map(|(_, value)| value)
    }
}

struct Members<Wanted>(Wanted);

impl<'de, Wanted: Fn(&str) -> bool> Visitor<'de> for Members<Wanted> {
    type Value = Attributes<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event")
    }

    fn visit_map<Map: MapAccess<'de>>(self, mut members: Map) -> Result<Self::Value, Map::Error> {
        let mut attributes = Attributes::new();
        while let Some(Text(name)) = members.next_key()? {
            if DATA.contains(&&*name) || !(self.0)(&name) {
                members.next_value::<IgnoredAny>()?;
            } else if let Some(value) = value(members.next_value()?) {
                attributes.set(name, value);
            }
        }
        Ok(attributes)
    }
}

/// A string of JSON, borrowed where it has no escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// What is neither an integer nor a boolean is a string: its text.
fn value(json: &RawValue) -> Option<Value<'_>> {
    let text = json.get();
    Some(match text {
        "null" => return None,
        "true" => Value::Boolean(true),
        "false" => Value::Boolean(false),
        _ => match (text.parse(), serde_json::from_str(text)) {
            (Ok(number), _) => Value::Integer(number),
            (_, Ok(Text(text))) => Value::String(text),
            _ => Value::String(text.into()),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_of_the_types_of_their_json() {
        let event = br#"{"id": "a\u0062", "n": -5, "big": 3000000000, "yes": true, "none": null,
            "odd": [1], "data": {"x": [1, {}]}, "data_base64": "AA=="}"#;
        let attributes = Attributes::read(event).unwrap();
        let text = |text: &'static str| Value::String(text.into());
        assert_eq!(attributes.get("id"), Some(&text("ab")));
        assert_eq!(attributes.get("n"), Some(&Value::Integer(-5)));
        assert_eq!(attributes.get("big"), Some(&text("3000000000")));
        assert_eq!(attributes.get("yes"), Some(&Value::Boolean(true)));
        assert_eq!(attributes.get("odd"), Some(&text("[1]")));
        for none in ["none", "data", "data_base64", "other"] {
            assert_eq!(attributes.get(none), None, "{none}");
        }
    }

    #[test]
    fn strings_without_escapes_are_not_copied() {
        let attributes = Attributes::read(br#"{"id": "as it is"}"#).unwrap();
        assert!(matches!(attributes.get("id"), Some(Value::String(Cow::Borrowed("as it is")))));
    }

    #[test]
    fn what_is_no_object_is_no_event() {
        assert_eq!(Attributes::read(b"[1]"), Err(EventError::NotAnObject));
        assert_eq!(Attributes::read(b"5"), Err(EventError::NotAnObject));
        for text in [&b""[..], b"{", b"{\"id\": }", b"{} {}", b"{\"id\": \"\xff\"}"] {
            let read = Attributes::read(text);
            assert!(matches!(read, Err(EventError::Malformed { .. })), "{text:?}: {read:?}");
        }
    }
}
