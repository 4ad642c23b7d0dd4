//! The settings of a bucket that is watched.

use rusty_s3::{Bucket, Credentials, UrlStyle};
use tripline_kernel::Fault;
use tripline_outbound::Guard;
use tripline_source::{Fields, Settings};
use url::Url;

use crate::events;
use crate::progress::Scope;

/// Longest prefix or suffix, in bytes: that of a key.
const AFFIX_BYTES_MAX: usize = 1024;
/// Most event names: more than there are would repeat some.
const EVENTS_MAX: usize = events::ALLOWED.len();

/// Settings without faults.
pub(crate) struct Watched {
    pub(crate) bucket: Bucket,
    pub(crate) credentials: Credentials,
    /// The notifications that are told.
    pub(crate) asked: Vec<&'static str>,
    /// Those that are listened to. Sorted, each once.
    pub(crate) listened: Vec<&'static str>,
    pub(crate) scope: Scope,
}

impl Watched {
    /// The server and the bucket, which the inventory stands for.
    pub(crate) fn origin(&self) -> (String, String) {
        (self.bucket.base_url().to_string(), self.bucket.name().to_owned())
    }
}

/// Reads the settings, or names every fault in them.
pub(crate) fn read(settings: &Settings, guard: &Guard) -> Result<Watched, Vec<Fault>> {
    let mut fields = Fields::new(settings);
    let endpoint = endpoint(&mut fields, guard);
    let name = bucket_name(&mut fields);
    let access_key = fields.text("access_key");
    let secret_key = fields.text("secret_key");
    let asked = event_names(&mut fields);
    let prefix = affix(&mut fields, "prefix");
    let suffix = affix(&mut fields, "suffix");
    let region = region(&mut fields);
    let (Some(endpoint), Some(name), Some(access_key), Some(secret_key)) =
        (endpoint, name, access_key, secret_key)
    else {
        return Err(fields.finish());
    };
    let bucket = match Bucket::new(endpoint, UrlStyle::Path, name, region) {
        Ok(bucket) => Some(bucket),
        Err(error) => {
            fields.fault(
                "endpoint",
                "invalid-url",
                format!("the endpoint cannot be used: {error}"),
            );
            None
        }
    };
    match (bucket, fields.finish()) {
        (Some(bucket), faults) if faults.is_empty() => {
            let credentials = Credentials::new(access_key, secret_key);
            let mut listened = [&asked[..], &events::ALWAYS].concat();
            listened.sort_unstable();
            listened.dedup();
            let scope = Scope { prefix, suffix };
            Ok(Watched { bucket, credentials, asked, listened, scope })
        }
        (_, faults) => Err(faults),
    }
}

fn endpoint(fields: &mut Fields<'_>, guard: &Guard) -> Option<Url> {
    let text = fields.text("endpoint")?;
    match guard.check_url(text) {
        Ok(url) if url.query().is_none() && url.fragment().is_none() => return Some(url),
        Ok(_) => {
            fields.fault("endpoint", "invalid-url", "the endpoint has no query and no fragment");
        }
        Err(refused) => fields.push(refused.into_fault("/endpoint")),
    }
    None
}

fn bucket_name(fields: &mut Fields<'_>) -> Option<String> {
    let name = fields.text("bucket")?;
    let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-');
    let bytes = name.as_bytes();
    let valid = (3..=63).contains(&bytes.len())
        && bytes.iter().all(|&byte| inner(byte))
        && edge(bytes.first())
        && edge(bytes.last())
        && !name.contains("..");
    if !valid {
        let detail = "a bucket's name has 3 to 63 characters of a-z, 0-9, '.' and '-', \
                      begins and ends with a letter or digit, and has no two full stops in a row";
        fields.fault("bucket", "invalid-bucket", detail);
        return None;
    }
    Some(name.to_owned())
}

fn event_names(fields: &mut Fields<'_>) -> Vec<&'static str> {
    let Some(names) = fields.optional_texts("events") else { return vec![events::DEFAULT] };
    if names.is_empty() || names.len() > EVENTS_MAX {
        let detail = format!("'events' names 1 to {EVENTS_MAX} events");
        fields.fault("events", "invalid-events", detail);
        return Vec::new();
    }
    let mut known = Vec::with_capacity(names.len());
    for (index, name) in names.into_iter().enumerate() {
        match events::ALLOWED.into_iter().find(|allowed| *allowed == name) {
            Some(allowed) => known.push(allowed),
            None => {
                let shown: String = name.chars().take(64).collect();
                let detail = format!(
                    "there is no event '{shown}'; there are {}",
                    events::ALLOWED.join(", ")
                );
                fields.fault(&format!("events/{index}"), "unknown-event", detail);
            }
        }
    }
    known
}

fn affix(fields: &mut Fields<'_>, name: &'static str) -> String {
    let affix = fields.optional_text(name).unwrap_or_default();
    if affix.len() > AFFIX_BYTES_MAX {
        let detail = format!("'{name}' has at most {AFFIX_BYTES_MAX} bytes, as a key has");
        fields.fault(name, "too-long", detail);
    }
    affix.to_owned()
}

fn region(fields: &mut Fields<'_>) -> String {
    let region = fields.optional_text("region").unwrap_or("us-east-1");
    let clean = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    if region.is_empty() || region.len() > 63 || !region.bytes().all(clean) {
        let detail = "a region has 1 to 63 letters, digits and '-'";
        fields.fault("region", "invalid-region", detail);
    }
    region.to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use tripline_outbound::Guard;

    use super::read;
    use crate::progress::Scope;

    fn faults(settings: &Value) -> Vec<(String, String)> {
        let read = read(settings.as_object().unwrap(), &Guard::default());
        let faults = read.err().unwrap_or_default();
        faults.into_iter().map(|fault| (fault.pointer, fault.code.into_owned())).collect()
    }

    fn pair(pointer: &str, code: &str) -> (String, String) {
        (pointer.to_owned(), code.to_owned())
    }

    #[test]
    fn the_least_is_enough() {
        let settings = json!({"endpoint": "https://minio.example.com", "bucket": "photos",
            "access_key": "a", "secret_key": "s"});
        let watched = read(settings.as_object().unwrap(), &Guard::default()).ok().unwrap();
        assert_eq!(watched.asked, ["s3:ObjectCreated:*"]);
        assert_eq!(watched.listened, ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]);
        assert_eq!(watched.bucket.region(), "us-east-1");
        assert_eq!(watched.scope, Scope::default());
    }

    #[test]
    fn every_fault_is_told_at_once() {
        let settings = json!({"endpoint": "ftp://x", "bucket": "A", "access_key": "", "secret_key": 1,
            "events": ["s3:ObjectCreated:*", "s3:Nothing"], "prefix": 1, "suffix": "x".repeat(1025),
            "region": "a b", "sufix": "x"});
        assert_eq!(
            faults(&settings),
            [
                pair("/endpoint", "invalid-url"),
                pair("/bucket", "invalid-bucket"),
                pair("/access_key", "wrong-type"),
                pair("/secret_key", "wrong-type"),
                pair("/events/1", "unknown-event"),
                pair("/prefix", "wrong-type"),
                pair("/suffix", "too-long"),
                pair("/region", "invalid-region"),
                pair("/sufix", "unknown-field"),
            ]
        );
    }

    #[test]
    fn the_guard_judges_the_endpoint() {
        let settings = json!({"endpoint": "http://127.0.0.1:9000", "bucket": "photos",
            "access_key": "a", "secret_key": "s"});
        assert_eq!(faults(&settings), [pair("/endpoint", "address-forbidden")]);
    }
}
