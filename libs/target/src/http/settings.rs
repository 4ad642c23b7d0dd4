//! The settings of an HTTP function.

use ::http::Uri;
use ::http::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value};
use tripline_kernel::{Fault, pointer_token};
use tripline_outbound::Guard;
use url::Url;

use crate::Settings;

/// Most headers that a function can set.
const HEADERS_MAX: usize = 32;
/// Longest value of one, in bytes.
const HEADER_BYTES_MAX: usize = 4096;
/// Longest URL, in bytes.
const URL_BYTES_MAX: usize = 2048;

/// Headers that belong to the protocol or to the call itself.
const RESERVED: [&str; 13] = [
    "connection",
    "content-length",
    "content-type",
    "expect",
    "host",
    "idempotency-key",
    "keep-alive",
    "te",
    "traceparent",
    "tracestate",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
const RESERVED_PREFIXES: [&str; 3] = ["proxy-", "tripline-", "webhook-"];

/// Settings without faults.
pub(super) struct Checked {
    pub(super) uri: Uri,
    pub(super) address: String,
    pub(super) headers: HeaderMap,
}

/// Where the values of the headers stand.
pub(super) fn secrets(settings: &Settings) -> Vec<String> {
    let headers = settings.get("headers").and_then(Value::as_object);
    let names = headers.into_iter().flat_map(Map::keys);
    names.map(|name| pointer(&["/headers", name])).collect()
}

/// Reads the settings, or names every fault in them.
pub(super) fn read(settings: &Settings, guard: &Guard) -> Result<Checked, Vec<Fault>> {
    let mut faults = Vec::new();
    for name in settings.keys().filter(|name| !matches!(name.as_str(), "url" | "headers")) {
        let detail = format!("an http function has no setting '{name}'; it has url and headers");
        faults.push(Fault::new(pointer(&["", name]), "unknown-field", detail));
    }
    let url = read_url(settings.get("url"), guard).map_err(|fault| faults.push(fault)).ok();
    let headers = match settings.get("headers") {
        None | Some(Value::Null) => HeaderMap::new(),
        Some(Value::Object(headers)) => read_headers(headers, &mut faults),
        Some(_) => {
            let detail = "headers must be an object of texts";
            faults.push(Fault::new("/headers", "wrong-type", detail));
            HeaderMap::new()
        }
    };
    match url {
        Some((uri, address)) if faults.is_empty() => Ok(Checked { uri, address, headers }),
        Some(_) | None => Err(faults),
    }
}

fn read_url(value: Option<&Value>, guard: &Guard) -> Result<(Uri, String), Fault> {
    let text = match value {
        Some(Value::String(text)) => text,
        Some(_) => return Err(Fault::new("/url", "wrong-type", "url must be a text")),
        None => return Err(Fault::new("/url", "required", "an http function needs a url")),
    };
    if text.len() > URL_BYTES_MAX {
        let detail = format!("a url has at most {URL_BYTES_MAX} bytes");
        return Err(Fault::new("/url", "too-long", detail));
    }
    let mut url = guard.check_url(text).map_err(|refused| refused.into_fault("/url"))?;
    url.set_fragment(None);
    let uri = Uri::try_from(url.as_str())
        .map_err(|error| Fault::new("/url", "invalid-url", error.to_string()))?;
    Ok((uri, address(url)))
}

/// Where calls go, for the record. A query may hold a secret, so only its presence is shown.
fn address(mut url: Url) -> String {
    if url.query().is_some() {
        url.set_query(None);
        return format!("{url}?…");
    }
    url.into()
}

fn read_headers(headers: &Map<String, Value>, faults: &mut Vec<Fault>) -> HeaderMap {
    let mut read = HeaderMap::new();
    if headers.len() > HEADERS_MAX {
        let detail = format!("a function sets at most {HEADERS_MAX} headers");
        faults.push(Fault::new("/headers", "too-many", detail));
        return read;
    }
    for (name, value) in headers {
        match read_header(name, value) {
            Ok((name, value)) => {
                read.insert(name, value);
            }
            Err((code, detail)) => {
                faults.push(Fault::new(pointer(&["/headers", name]), code, detail));
            }
        }
    }
    read
}

type HeaderFault = (&'static str, String);

fn read_header(name: &str, value: &Value) -> Result<(HeaderName, HeaderValue), HeaderFault> {
    let parsed = HeaderName::try_from(name)
        .map_err(|_| ("invalid-header", format!("'{name}' is not the name of a header")))?;
    let text = parsed.as_str();
    if RESERVED.contains(&text) || RESERVED_PREFIXES.iter().any(|prefix| text.starts_with(prefix)) {
        return Err(("reserved-header", format!("the header '{text}' is set by each call itself")));
    }
    let Value::String(value) = value else {
        return Err(("wrong-type", "the value of a header must be a text".to_owned()));
    };
    if value.len() > HEADER_BYTES_MAX {
        let detail = format!("the value of a header has at most {HEADER_BYTES_MAX} bytes");
        return Err(("too-long", detail));
    }
    let mut value = HeaderValue::try_from(value.as_str())
        .map_err(|_| ("invalid-header", "the value holds a character that no header can".into()))?;
    // These are where credentials stand.
    value.set_sensitive(true);
    Ok((parsed, value))
}

/// A JSON Pointer to `field` inside the object at `parent`.
fn pointer([parent, field]: &[&str; 2]) -> String {
    format!("{parent}/{}", pointer_token(field))
}
