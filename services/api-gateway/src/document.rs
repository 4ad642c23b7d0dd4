//! Documents: JSON objects that describe a resource, read strictly. All faults are found before any is told.

mod fields;
mod merge;
mod strict;

use std::borrow::Cow;
use std::collections::HashMap;

use bytes::Bytes;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use tripline_kernel::{Fault, Name};

pub(crate) use fields::Fields;
pub(crate) use merge::merge;

use crate::refusal::Refusal;

/// Most faults that are told of one document.
const FAULTS_MAX: usize = 64;

/// A JSON object without duplicate keys, and what is wrong with it so far.
#[derive(Debug)]
pub(crate) struct Document {
    text: Bytes,
    root: Map<String, Value>,
    faults: Vec<Fault>,
}

impl Document {
    /// Reads a document. Duplicate keys are remembered as faults.
    pub(crate) fn parse(text: Bytes) -> Result<Self, Refusal> {
        let mut faults = Vec::new();
        let value = strict::parse(&text, &mut faults)
            .map_err(|error| Refusal::MalformedJson(error.to_string()))?;
        match value {
            Value::Object(root) => Ok(Self { text, root, faults }),
            other => {
                let detail = format!("the body must be a JSON object, not {}", kind_of(&other));
                let faults = vec![Fault::new("", "wrong-type", detail)];
                Err(Refusal::Document(faults))
            }
        }
    }

    /// Reads the fields of a document that is no resource.
    pub(crate) fn read_fields<T>(
        mut self,
        read: impl FnOnce(&mut Fields<'_>) -> Option<T>,
    ) -> Result<(T, Raw), Refusal> {
        let mut fields = Fields::new(&self.root, String::new(), &mut self.faults);
        let read = read(&mut fields);
        fields.finish();
        self.done(read)
    }

    /// Reads the fields of the whole document; `name` is the name that its path gives it.
    pub(crate) fn read<T>(
        mut self,
        name: &str,
        read: impl FnOnce(&mut Fields<'_>) -> Option<T>,
    ) -> Result<(T, Raw), Refusal> {
        let mut fields = Fields::new(&self.root, String::new(), &mut self.faults);
        fields.same("name", name);
        fields.read_only(&["uid", "revision", "created_at", "updated_at"]);
        let read = read(&mut fields);
        fields.finish();
        self.done(read)
    }

    fn done<T>(mut self, read: Option<T>) -> Result<(T, Raw), Refusal> {
        self.faults.truncate(FAULTS_MAX);
        match read {
            Some(read) if self.faults.is_empty() => Ok((read, Raw(self.text))),
            Some(_) | None => Err(Refusal::Document(self.faults)),
        }
    }

    /// The text of a document in which no key stands twice.
    pub(crate) fn faultless(self) -> Result<Bytes, Refusal> {
        if self.faults.is_empty() { Ok(self.text) } else { Err(Refusal::Document(self.faults)) }
    }
}

/// The text of a document that has been read.
#[derive(Debug)]
pub(crate) struct Raw(Bytes);

impl Raw {
    /// The text of a top-level field, as it was given.
    pub(crate) fn field(&self, name: &str) -> Option<String> {
        let fields: HashMap<Cow<'_, str>, &RawValue> = serde_json::from_slice(&self.0).ok()?;
        fields.get(name).map(|raw| raw.get().to_owned())
    }
}

/// Says that something is not known, and what it might have been meant to be.
pub(crate) fn unknown(what: &str, name: &str, known: &[&str]) -> String {
    let meant = known
        .iter()
        .map(|known| (strsim::damerau_levenshtein(known, name), known))
        .filter(|(distance, known)| *distance <= known.len().div_ceil(3))
        .min();
    let shown: String = name.chars().take(Name::BYTES_MAX).collect();
    match meant {
        Some((_, meant)) => format!("unknown {what} '{shown}'; did you mean '{meant}'?"),
        None => format!("unknown {what} '{shown}'"),
    }
}

/// The JSON type of a value, with its article.
fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests;
