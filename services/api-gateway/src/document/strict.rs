//! JSON into a tree, as `serde_json` does it, but without losing one of two equal keys in silence.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use tripline_kernel::{Fault, pointer_token};

use super::FAULTS_MAX;

/// Reads `text`, nested no deeper than `serde_json` allows (128 levels). Duplicate keys go into `faults`.
pub(super) fn parse(text: &[u8], faults: &mut Vec<Fault>) -> Result<Value, serde_json::Error> {
    let mut reader = serde_json::Deserializer::from_slice(text);
    let value = Strict { pointer: &mut String::new(), faults }.deserialize(&mut reader)?;
    reader.end()?;
    Ok(value)
}

/// Reads one value, which stands at `pointer`.
struct Strict<'a> {
    pointer: &'a mut String,
    faults: &'a mut Vec<Fault>,
}

impl Strict<'_> {
    /// Reads the value that stands at `key` below this one.
    fn below<T>(&mut self, key: &str, read: impl FnOnce(Strict<'_>) -> T) -> T {
        let len = self.pointer.len();
        push(self.pointer, key);
        let value = read(Strict { pointer: self.pointer, faults: self.faults });
        self.pointer.truncate(len);
        value
    }
}

/// Lengthens a JSON Pointer by one step.
pub(super) fn push(pointer: &mut String, key: &str) {
    pointer.push('/');
    pointer.push_str(&pointer_token(key));
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) =
            self.below(&items.len().to_string(), |item| seq.next_element_seed(item))?
        {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Value, A::Error> {
        let mut fields = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            let value = self.below(&key, |field| map.next_value_seed(field))?;
            if fields.contains_key(&key) && self.faults.len() < FAULTS_MAX {
                let mut pointer = self.pointer.clone();
                push(&mut pointer, &key);
                let detail = format!("field '{key}' stands twice");
                self.faults.push(Fault::new(pointer, "duplicate-field", detail));
            }
            fields.insert(key, value);
        }
        Ok(Value::Object(fields))
    }
}
