//! Binary content mode of the HTTP protocol binding (CloudEvents HTTP binding 1.0.2, section 3.1).
//!
//! An event that came as headers and a body becomes the same JSON text that structured mode would have brought, so
//! that nothing behind the edge knows of modes.

use bytes::Bytes;
use serde::ser::{SerializeMap as _, Serializer as _};
use serde_json::value::RawValue;
use tripline_kernel::{Fault, pointer_token};

use crate::event::limits;
use crate::{Error, Event};

/// What every header that holds an attribute begins with.
const PREFIX: &str = "ce-";
/// Room for the attributes of a usual event, in bytes.
const ATTRIBUTES_BYTES_USUAL: usize = 512;

impl Event {
    /// Whether a request with these header names carries an event in binary mode.
    pub fn is_binary_mode<'a>(header_names: impl IntoIterator<Item = &'a str>) -> bool {
        header_names.into_iter().any(|name| attribute_name(name).is_some())
    }

    /// Reads a binary-mode event: attributes from `ce-` headers, `datacontenttype` from `content-type`, data from
    /// `body`. Header names may be in any case; other headers are left alone.
    ///
    /// Data of a JSON media type becomes a JSON value, written as it came; text in UTF-8 becomes a JSON string; anything
    /// else becomes `data_base64`. An empty body is no data. Without a content type, JSON is what parses as JSON.
    ///
    /// # Errors
    /// [`Error::Invalid`] with every fault: of a header's encoding, of data that is not the JSON it claims to be, or of
    /// the attributes as in [`Event::from_json`].
    pub fn from_http<'a>(
        headers: impl IntoIterator<Item = (&'a str, &'a [u8])>,
        body: &[u8],
    ) -> Result<Self, Error> {
        let (mut attributes, mut faults) = (Vec::with_capacity(8), Vec::new());
        for (name, value) in headers {
            if name.eq_ignore_ascii_case("content-type") {
                match text(value) {
                    Ok(value) if value.is_empty() => {}
                    Ok(value) => attributes.push(("datacontenttype".to_owned(), value)),
                    Err(problem) => faults.push(wrong("datacontenttype", problem)),
                }
            } else if let Some(name) = attribute_name(name) {
                if attributes.len() > limits::ATTRIBUTES_MAX {
                    break; // One more than allowed is enough for the reader to refuse the event.
                }
                match decode(value) {
                    Ok(value) => attributes.push((name, value)),
                    Err(problem) => faults.push(wrong(&name, problem)),
                }
            }
        }
        // Headers come in any order. The same request makes the same bytes.
        attributes.sort_unstable();
        faults.extend(attributes.iter().filter_map(|(name, _)| misplaced(name)));
        let content_type = attributes.iter().find(|(name, _)| name == "datacontenttype");
        let data = match Data::of(content_type.map(|(_, value)| value.as_str()), body) {
            Ok(data) => data,
            Err(fault) => {
                faults.push(fault);
                Data::None
            }
        };
        if faults.is_empty() {
            return Self::from_json(write(&attributes, &data, body.len()));
        }
        // The attributes that could be read may be wrong as well: all faults are told at once.
        let readable = |name: &str| !faults.iter().any(|fault| fault.pointer[1..] == *name);
        attributes.retain(|(name, _)| readable(name));
        if let Err(Error::Invalid(more)) = Self::from_json(write(&attributes, &Data::None, 0)) {
            let more: Vec<_> = more
                .into_iter()
                .filter(|fault| fault.pointer.is_empty() || readable(&fault.pointer[1..]))
                .collect();
            faults.extend(more);
        }
        Err(Error::Invalid(faults))
    }
}

/// The attribute that a header holds, in lower case.
fn attribute_name(header: &str) -> Option<String> {
    let (prefix, name) = header.split_at_checked(PREFIX.len())?;
    prefix.eq_ignore_ascii_case(PREFIX).then(|| name.to_ascii_lowercase())
}

fn wrong(attribute: &str, problem: &str) -> Fault {
    let pointer = format!("/{}", pointer_token(attribute));
    Fault::new(pointer, "invalid-attribute", format!("attribute '{attribute}' {problem}"))
}

/// What has a place of its own in a request must not come as an attribute.
fn misplaced(name: &str) -> Option<Fault> {
    let place = match name {
        "data" | "data_base64" => "goes into the body",
        _ => return None,
    };
    Some(wrong(name, place))
}

fn text(value: &[u8]) -> Result<String, &'static str> {
    let text = std::str::from_utf8(value).map_err(|_| "is not UTF-8")?;
    Ok(text.trim_matches([' ', '\t']).to_owned())
}

/// Takes off the quotes that older senders use, then one round of percent-encoding.
fn decode(value: &[u8]) -> Result<String, &'static str> {
    let value = text(value)?;
    let value = match value.strip_prefix('"') {
        Some(quoted) => unquote(quoted)?,
        None => value,
    };
    if !value.contains('%') {
        return Ok(value);
    }
    let (mut decoded, mut rest) = (Vec::with_capacity(value.len()), value.as_bytes());
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let digits = rest.split_at_checked(2).and_then(|(digits, after)| {
            rest = after;
            let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|d| u8::try_from(d).ok());
            Some(digit(digits[0])? << 4 | digit(digits[1])?)
        });
        decoded.push(digits.ok_or("has a '%' without two hexadecimal digits after it")?);
    }
    String::from_utf8(decoded).map_err(|_| "is not UTF-8 once its percent-encoding is undone")
}

/// The content of a quoted string (RFC 9110, section 5.6.4) whose opening quote is gone.
fn unquote(quoted: &str) -> Result<String, &'static str> {
    const PROBLEM: &str = "has a quote that does not end";
    let (mut content, mut chars) = (String::with_capacity(quoted.len()), quoted.chars());
    loop {
        match chars.next().ok_or(PROBLEM)? {
            '"' if chars.as_str().is_empty() => return Ok(content),
            '"' => return Err("has something after its closing quote"),
            '\\' => content.push(chars.next().ok_or(PROBLEM)?),
            other => content.push(other),
        }
    }
}

enum Data<'a> {
    None,
    Json(&'a RawValue),
    Text(&'a str),
    Base64(String),
}

impl<'a> Data<'a> {
    fn of(content_type: Option<&str>, body: &'a [u8]) -> Result<Self, Fault> {
        if body.is_empty() {
            return Ok(Self::None);
        }
        let base64 = || Self::Base64(data_encoding::BASE64.encode(body));
        let json = serde_json::from_slice::<&RawValue>;
        let Some(content_type) = content_type else {
            return Ok(json(body).map_or_else(|_| base64(), Self::Json));
        };
        let media_type = content_type.split(';').next().unwrap_or_default().trim();
        if is_json(media_type) {
            return json(body).map(Self::Json).map_err(|error| {
                Fault::new("/data", "invalid-data", format!("the body is not JSON: {error}"))
            });
        }
        let is_text = media_type
            .split_at_checked(5)
            .is_some_and(|(start, _)| start.eq_ignore_ascii_case("text/"));
        let utf8 =
            if is_text && is_utf8(content_type) { std::str::from_utf8(body).ok() } else { None };
        Ok(utf8.map_or_else(base64, Self::Text))
    }
}

/// Whether a media type's data is a JSON value in the JSON format (CloudEvents JSON format 1.0.2, section 3.1).
fn is_json(media_type: &str) -> bool {
    let subtype = media_type.split_once('/').map(|(_, subtype)| subtype.to_ascii_lowercase());
    subtype.is_some_and(|subtype| subtype == "json" || subtype.ends_with("+json"))
}

/// Whether a content type leaves its charset open or names one whose bytes are UTF-8.
fn is_utf8(content_type: &str) -> bool {
    content_type.split(';').skip(1).all(|parameter| {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let value = value.trim().trim_matches('"');
        !name.trim().eq_ignore_ascii_case("charset")
            || value.eq_ignore_ascii_case("utf-8")
            || value.eq_ignore_ascii_case("us-ascii")
    })
}

fn write(attributes: &[(String, String)], data: &Data<'_>, data_bytes: usize) -> Bytes {
    let mut json = Vec::with_capacity(ATTRIBUTES_BYTES_USUAL + data_bytes);
    let mut serializer = serde_json::Serializer::new(&mut json);
    let mut write = || {
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in attributes {
            map.serialize_entry(name, value)?;
        }
        match data {
            Data::None => {}
            Data::Json(raw) => map.serialize_entry("data", raw)?,
            Data::Text(text) => map.serialize_entry("data", text)?,
            Data::Base64(text) => map.serialize_entry("data_base64", text)?,
        }
        map.end()
    };
    let written: Result<(), serde_json::Error> = write();
    written.expect("memory takes what is written to it, and every key is text");
    json.into()
}

#[cfg(test)]
mod tests;
