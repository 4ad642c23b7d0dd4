//! The id of an event: made of what happened to the object, not of how it was learnt.
//!
//! So whoever learns of a change (the live stream, the server's webhook, a look at the bucket's listing) gives it the
//! same id, and a copy is recognised. It is the first 20 bytes of a SHA-256, as hexadecimal digits, over these parts, each
//! with its length (64 bits, little-endian) before it:
//!
//! | what happened | parts |
//! | --- | --- |
//! | written, versioned | `created`, bucket, key, version id |
//! | written, not versioned | `created`, bucket, key, milliseconds of the sequencer, eTag |
//! | removed | `removed`, bucket, key, version id, else sequencer |
//! | all else: read, tagged, retained, held | `other`, bucket, key, version id, event name, request id, sequencer |
//!
//! The sequencer is the time of the change in nanoseconds, in hexadecimal digits; a listing tells only its milliseconds.
//! A removal has no trace in a listing, and its sequencer is its own. All else leaves the object as it is, so only the
//! request tells one from another.

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

/// Bytes of the hash that make the id.
const BYTES: usize = 20;

/// What a notification says of a change. Texts are empty where it says nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Change<'a> {
    /// Such as `s3:ObjectCreated:Put`.
    pub event_name: &'a str,
    /// The bucket.
    pub bucket: &'a str,
    /// The object's key, as the user knows it: not encoded in any way.
    pub key: &'a str,
    /// The version; `null` is what a bucket says that does not keep versions any more.
    pub version_id: &'a str,
    /// The time of the change in nanoseconds, in hexadecimal digits.
    pub sequencer: &'a str,
    /// The hash of the content, with or without quotes.
    pub etag: &'a str,
    /// The id of the request that made the change.
    pub request_id: &'a str,
}

impl Change<'_> {
    /// The id of the event.
    #[must_use]
    pub fn id(&self) -> String {
        let Self { event_name, bucket, key, sequencer, request_id, .. } = *self;
        let version = if self.version_id == "null" { "" } else { self.version_id };
        if is_write(event_name) {
            if version.is_empty() {
                return written(bucket, key, &milliseconds(sequencer), self.etag);
            }
            return hash(&["created", bucket, key, version]);
        }
        if event_name.starts_with("s3:ObjectRemoved:") {
            let which = if version.is_empty() { sequencer } else { version };
            return hash(&["removed", bucket, key, which]);
        }
        hash(&["other", bucket, key, version, event_name, request_id, sequencer])
    }
}

fn written(bucket: &str, key: &str, milliseconds: &str, etag: &str) -> String {
    hash(&["created", bucket, key, milliseconds, etag.trim_matches('"')])
}

/// Whether the object's content was written; tagging and the like also go by the name of creation.
fn is_write(event_name: &str) -> bool {
    matches!(
        event_name.strip_prefix("s3:ObjectCreated:"),
        Some("Put" | "Post" | "Copy" | "CompleteMultipartUpload")
    )
}

/// The milliseconds of a sequencer, in decimal digits; one that is no number stands for itself.
fn milliseconds(sequencer: &str) -> String {
    match u64::from_str_radix(sequencer, 16) {
        Ok(nanoseconds) => (nanoseconds / 1_000_000).to_string(),
        Err(_) => sequencer.to_owned(),
    }
}

fn hash(parts: &[&str]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    HEXLOWER.encode(&hasher.finalize()[..BYTES])
}

#[cfg(test)]
mod tests {
    use super::Change;

    const PUT: Change<'static> = Change {
        event_name: "s3:ObjectCreated:Put",
        bucket: "photos",
        key: "a b.jpg",
        version_id: "",
        sequencer: "18E9F4EF82A6F315",
        etag: "d41d8cd98f00b204e9800998ecf8427e",
        request_id: "r1",
    };

    #[test]
    fn the_rule_does_not_change() {
        assert_eq!(PUT.id(), "afff1459d6669b86d40b898cb97bd9e0ae8da99e");
        assert_eq!(
            Change { version_id: "v1", ..PUT }.id(),
            "6f2fbbbc0c97ef655e49614d6f7c81d2d7769ba2"
        );
        let removed = Change { event_name: "s3:ObjectRemoved:Delete", etag: "", ..PUT };
        assert_eq!(removed.id(), "2220c30610d733712400b4a2988142e2516d3bcb");
        assert_eq!(
            Change { event_name: "s3:ObjectAccessed:Get", ..PUT }.id(),
            "ec6fb023c869cb2836bf2ea21762651d196c0f9f"
        );
    }

    #[test]
    fn a_write_is_the_same_however_it_is_told() {
        let listed = Change {
            sequencer: "18E9F4EF82A3FE80",
            etag: "\"d41d8cd98f00b204e9800998ecf8427e\"",
            ..PUT
        };
        assert_eq!(listed.id(), PUT.id(), "same millisecond, same content");
        assert_eq!(Change { request_id: "r2", ..PUT }.id(), PUT.id());
        assert_eq!(Change { event_name: "s3:ObjectCreated:Copy", ..PUT }.id(), PUT.id());
        assert_eq!(Change { version_id: "null", ..PUT }.id(), PUT.id());
    }

    #[test]
    fn different_changes_differ() {
        let versioned = Change { version_id: "v1", ..PUT };
        let removed = Change { event_name: "s3:ObjectRemoved:Delete", etag: "", ..PUT };
        let read = Change { event_name: "s3:ObjectAccessed:Get", ..PUT };
        let all = [
            PUT,
            Change { key: "a b.jp", ..PUT },
            Change { bucket: "photosa", key: " b.jpg", ..PUT },
            Change { sequencer: "18E9F4EF83A6F315", ..PUT },
            Change { etag: "0cc175b9c0f1b6a831c399e269772661", ..PUT },
            versioned,
            Change { version_id: "v2", ..PUT },
            removed,
            Change { sequencer: "18E9F4EF82A6F316", ..removed },
            Change { version_id: "v1", ..removed },
            read,
            Change { request_id: "r2", ..read },
            Change { event_name: "s3:ObjectAccessed:Head", ..PUT },
            Change { event_name: "s3:ObjectCreated:PutTagging", ..versioned },
            Change { event_name: "s3:ObjectCreated:PutTagging", request_id: "r2", ..versioned },
        ];
        let mut ids: Vec<_> = all.iter().map(Change::id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), all.len());
    }

    #[test]
    fn what_a_version_id_settles_is_not_asked_of_anything_else() {
        let versioned = Change { version_id: "v1", ..PUT };
        assert_eq!(Change { sequencer: "1", etag: "x", ..versioned }.id(), versioned.id());
    }
}
