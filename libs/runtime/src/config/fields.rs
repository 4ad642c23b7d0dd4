//! Which fields a configuration has, so that other variables of the environment can be left alone.

use std::cell::Cell;

use serde::de::{DeserializeOwned, Deserializer, Error as _, Visitor, value::Error};

/// The names of `T`'s fields. Empty when `T` is not a plain struct (one with a flattened field is not).
pub(super) fn of<T: DeserializeOwned>() -> &'static [&'static str] {
    let fields: Cell<&'static [&'static str]> = Cell::new(&[]);
    // Always an error: the probe has nothing to give, it only listens to what `T` asks for.
    let _nothing = T::deserialize(Probe(&fields));
    fields.get()
}

struct Probe<'a>(&'a Cell<&'static [&'static str]>);

impl<'de> Deserializer<'de> for Probe<'_> {
    type Error = Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Error> {
        self.0.set(fields);
        Err(Error::custom("a probe holds nothing"))
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(Error::custom("a probe holds nothing"))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}
