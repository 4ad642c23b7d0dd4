//! Making events, for sources.

use bytes::Bytes;
use serde::ser::{SerializeMap as _, Serializer as _};
use serde_json::value::RawValue;
use tripline_kernel::Timestamp;

use crate::{Error, Event};

/// Puts an event together. What is given is escaped as JSON needs it; [`Builder::build`] checks the whole.
#[derive(Debug)]
pub struct Builder<'a> {
    attributes: Vec<(&'a str, String)>,
    data: Option<Data<'a>>,
}

#[derive(Debug)]
enum Data<'a> {
    Json(&'a RawValue),
    Text(&'a str),
    Base64(String),
}

impl<'a> Builder<'a> {
    /// An event with this identity and type.
    pub fn new(id: impl Into<String>, source: impl Into<String>, kind: impl Into<String>) -> Self {
        let attributes = vec![
            ("specversion", "1.0".to_owned()),
            ("id", id.into()),
            ("source", source.into()),
            ("type", kind.into()),
        ];
        Self { attributes, data: None }
    }

    /// Sets an attribute or extension to a text.
    #[must_use]
    pub fn attribute(mut self, name: &'a str, value: impl Into<String>) -> Self {
        self.attributes.push((name, value.into()));
        self
    }

    /// Sets `time`.
    #[must_use]
    pub fn time(self, time: Timestamp) -> Self {
        self.attribute("time", time.to_string())
    }

    /// Sets the data to a JSON value, written as it is.
    #[must_use]
    pub fn json_data(mut self, data: &'a RawValue) -> Self {
        self.data = Some(Data::Json(data));
        self
    }

    /// Sets the data to a text.
    #[must_use]
    pub fn text_data(mut self, data: &'a str) -> Self {
        self.data = Some(Data::Text(data));
        self
    }

    /// Sets the data to bytes, which travel as base64.
    #[must_use]
    pub fn binary_data(mut self, data: &[u8]) -> Self {
        self.data = Some(Data::Base64(data_encoding::BASE64.encode(data)));
        self
    }

    /// The event.
    ///
    /// # Errors
    /// As [`Event::from_json`].
    pub fn build(self) -> Result<Event, Error> {
        let mut json = Vec::with_capacity(512);
        self.write(&mut json).expect("memory takes what is written to it, and every key is text");
        Event::from_json(Bytes::from(json))
    }

    fn write(&self, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
        let mut serializer = serde_json::Serializer::new(out);
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in &self.attributes {
            map.serialize_entry(name, value)?;
        }
        match &self.data {
            None => {}
            Some(Data::Json(raw)) => map.serialize_entry("data", raw)?,
            Some(Data::Text(text)) => map.serialize_entry("data", text)?,
            Some(Data::Base64(text)) => map.serialize_entry("data_base64", text)?,
        }
        map.end()
    }
}
