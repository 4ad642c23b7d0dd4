//! The fields of one object, read by name.

use std::ops::RangeInclusive;

use serde_json::{Map, Value};
use tripline_kernel::{Fault, Name};

use super::strict::push;
use super::{FAULTS_MAX, kind_of, unknown};

/// Longest text field, in bytes.
const TEXT_BYTES_MAX: usize = 2048;

/// The fields of one object. Each field that is read becomes known; [`Fields::finish`] refuses the others by name.
///
/// `null` counts as left out. A field that is wrong is remembered as a fault and read as nothing.
pub(crate) struct Fields<'a> {
    object: &'a Map<String, Value>,
    pointer: String,
    known: Vec<&'static str>,
    /// Whether fields that are not known were taken by [`Fields::rest`].
    open: bool,
    faults: &'a mut Vec<Fault>,
}

impl<'a> Fields<'a> {
    pub(super) fn new(
        object: &'a Map<String, Value>,
        pointer: String,
        faults: &'a mut Vec<Fault>,
    ) -> Self {
        Self { object, pointer, known: Vec::new(), open: false, faults }
    }

    /// A text that must be there.
    pub(crate) fn text(&mut self, name: &'static str) -> Option<String> {
        self.require(name)?;
        self.optional_text(name)
    }

    /// A text that may be left out. An empty one is wrong.
    pub(crate) fn optional_text(&mut self, name: &'static str) -> Option<String> {
        match self.present(name)? {
            Value::String(text) if (1..=TEXT_BYTES_MAX).contains(&text.len()) => Some(text.clone()),
            Value::String(_) => {
                let detail = format!("'{name}' must have 1 to {TEXT_BYTES_MAX} bytes");
                self.fault(name, "out-of-range", detail);
                None
            }
            other => self.wrong_type(name, "a string", other),
        }
    }

    /// The name of another resource, which must be there.
    pub(crate) fn name(&mut self, name: &'static str) -> Option<String> {
        self.require(name)?;
        self.optional_name(name)
    }

    /// The name of another resource, which may be left out.
    pub(crate) fn optional_name(&mut self, name: &'static str) -> Option<String> {
        let text = self.optional_text(name)?;
        if let Err(error) = text.parse::<Name>() {
            self.fault(name, "invalid-name", format!("'{name}': {error}"));
            return None;
        }
        Some(text)
    }

    /// A whole number inside `range`, which may be left out.
    pub(crate) fn optional_u32(
        &mut self,
        name: &'static str,
        range: RangeInclusive<u32>,
    ) -> Option<u32> {
        let range = u64::from(*range.start())..=u64::from(*range.end());
        self.optional_u64(name, range).and_then(|number| u32::try_from(number).ok())
    }

    /// A whole number inside `range`, which may be left out.
    pub(crate) fn optional_u64(
        &mut self,
        name: &'static str,
        range: RangeInclusive<u64>,
    ) -> Option<u64> {
        let value = self.present(name)?;
        let number = value.as_u64();
        if value.is_number() && number.is_none_or(|number| !range.contains(&number)) {
            let (start, end) = (range.start(), range.end());
            let detail = format!("'{name}' must be a whole number from {start} to {end}");
            self.fault(name, "out-of-range", detail);
            return None;
        }
        match number {
            Some(number) => Some(number),
            None => self.wrong_type(name, "a whole number", value),
        }
    }

    /// A value of any type, which is not for the gateway to judge.
    pub(crate) fn any(&mut self, name: &'static str) -> Option<Value> {
        self.present(name).cloned()
    }

    /// An object that must be there, to be read by `read`. What `read` does not read is unknown.
    pub(crate) fn object<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&mut Fields<'_>) -> Option<T>,
    ) -> Option<T> {
        self.require(name)?;
        self.optional_object(name, read)
    }

    /// An object that may be left out, to be read by `read`.
    pub(crate) fn optional_object<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&mut Fields<'_>) -> Option<T>,
    ) -> Option<T> {
        match self.present(name)? {
            Value::Object(object) => {
                let mut pointer = self.pointer.clone();
                push(&mut pointer, name);
                let mut fields = Fields::new(object, pointer, self.faults);
                let read = read(&mut fields);
                fields.finish();
                read
            }
            other => self.wrong_type(name, "an object", other),
        }
    }

    /// Whether there is an object; its fields are not for the gateway to judge.
    pub(crate) fn has_object(&mut self, name: &'static str) -> bool {
        match self.present(name) {
            None => false,
            Some(Value::Object(_)) => true,
            Some(other) => {
                self.wrong_type::<()>(name, "an object", other);
                false
            }
        }
    }

    /// All fields that have not been read, which are not for the gateway to judge.
    pub(crate) fn rest(&mut self) -> Map<String, Value> {
        self.open = true;
        let unread = |(name, _): &(&String, &Value)| !self.known.iter().any(|known| known == name);
        let rest = self.object.iter().filter(unread);
        rest.map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// A text that may stand there but must then be `expected`, such as the name that the path gives.
    pub(crate) fn same(&mut self, name: &'static str, expected: &str) {
        if self.optional_text(name).is_some_and(|text| text != expected) {
            self.fault(name, "mismatch", format!("'{name}' must be '{expected}', or left out"));
        }
    }

    /// Fields that answers have and that a document may carry back; they change nothing.
    pub(crate) fn read_only(&mut self, names: &[&'static str]) {
        self.known.extend(names);
    }

    /// Fields whose meaning is known but not built: to accept one would be to promise it.
    pub(crate) fn unsupported(&mut self, names: &[&'static str]) {
        for name in names {
            if self.present(name).is_some() {
                let detail = format!("'{name}' is not supported by this version");
                self.fault(name, "unsupported-field", detail);
            }
        }
    }

    /// Remembers a fault at a field.
    pub(crate) fn fault(&mut self, name: &str, code: &'static str, detail: String) {
        if self.faults.len() < FAULTS_MAX {
            let mut pointer = self.pointer.clone();
            push(&mut pointer, name);
            self.faults.push(Fault::new(pointer, code, detail));
        }
    }

    pub(super) fn finish(mut self) {
        for name in self.object.keys() {
            if !self.open && !self.known.iter().any(|known| known == name) {
                let detail = unknown("field", name, &self.known);
                self.fault(name, "unknown-field", detail);
            }
        }
    }

    fn require(&mut self, name: &'static str) -> Option<()> {
        if self.present(name).is_some() {
            return Some(());
        }
        self.fault(name, "missing-field", format!("'{name}' is required"));
        None
    }

    fn present(&mut self, name: &'static str) -> Option<&'a Value> {
        if !self.known.contains(&name) {
            self.known.push(name);
        }
        self.object.get(name).filter(|value| !value.is_null())
    }

    fn wrong_type<T>(&mut self, name: &str, wanted: &str, found: &Value) -> Option<T> {
        let detail = format!("'{name}' must be {wanted}, not {}", kind_of(found));
        self.fault(name, "wrong-type", detail);
        None
    }
}
