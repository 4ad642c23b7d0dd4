//! The id of an event: made of what happened to the object, not of how it was learnt.
//!
//! So whoever learns of a change (the live stream, the server's webhook, a look at the bucket's listing) gives it the
//! same id, and a copy is recognised. It is the first 20 bytes of a SHA-256, as hexadecimal digits, over these parts, each
//! with its length (64 bits, little-endian) before it:
//!
//! | what happened | parts |
//! | --- | --- |
//! | version made, a delete marker too | `created`, bucket, key, version id |
//! | written, not versioned | `created`, bucket, key, milliseconds of the change, eTag |
//! | removed, and it is known what | `removed`, the digits of the id with which that was made |
//! | removed, and it is not known what | `removed`, bucket, key, sequencer (of a delete marker its milliseconds) |
//! | all else: read, tagged, retained, held | `other`, bucket, key, version id, event name, request id, sequencer |
//!
//! The sequencer is the time of the change in nanoseconds, in hexadecimal digits; a listing tells only its milliseconds.
//! A removal has no trace in a listing, so it goes by what it removed. All else leaves the object as it is, so only the
//! request tells one from another.

use std::fmt;

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

/// Bytes of the hash that make the id.
pub const BYTES: usize = 20;

/// The id of an event. Shown as hexadecimal digits, which is how it stands in the event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(pub [u8; BYTES]);

impl Id {
    /// A version, or a delete marker, came to be.
    #[must_use]
    pub fn version(bucket: &str, key: &str, version: &str) -> Self {
        Self::of(&["created", bucket, key, version])
    }

    /// An object was written that has no version: this many milliseconds after the epoch, with this eTag (with or
    /// without its quotes).
    #[must_use]
    pub fn written(bucket: &str, key: &str, millis: i64, etag: &str) -> Self {
        Self::of(&["created", bucket, key, &millis.to_string(), etag.trim_matches('"')])
    }

    /// That which was made under this id was removed.
    #[must_use]
    pub fn removal(self) -> Self {
        Self::of(&["removed", &self.to_string()])
    }

    /// Something was removed at this time, and nobody knows what it was.
    #[must_use]
    pub fn unknown_removal(bucket: &str, key: &str, when: &str) -> Self {
        Self::of(&["removed", bucket, key, when])
    }

    /// Something happened that left the object's content as it was.
    #[must_use]
    pub fn other(change: &Other<'_>) -> Self {
        let Other { bucket, key, version, event_name, request_id, sequencer } = *change;
        Self::of(&["other", bucket, key, version, event_name, request_id, sequencer])
    }

    fn of(parts: &[&str]) -> Self {
        let mut hasher = Sha256::new();
        for part in parts {
            hasher.update((part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        let mut id = [0; BYTES];
        id.copy_from_slice(&hasher.finalize()[..BYTES]);
        Self(id)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

/// What a notification says of a change that left the content as it was. Texts are empty where it says nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Other<'a> {
    /// The bucket.
    pub bucket: &'a str,
    /// The object's key, as the user knows it: not encoded in any way.
    pub key: &'a str,
    /// The version; empty for the one without a version id.
    pub version: &'a str,
    /// Such as `s3:ObjectAccessed:Get`.
    pub event_name: &'a str,
    /// The id of the request that made the change.
    pub request_id: &'a str,
    /// The time of the change in nanoseconds, in hexadecimal digits.
    pub sequencer: &'a str,
}

#[cfg(test)]
mod tests {
    use super::{Id, Other};

    const READ: Other<'static> = Other {
        bucket: "photos",
        key: "a b.jpg",
        version: "",
        event_name: "s3:ObjectAccessed:Get",
        request_id: "r1",
        sequencer: "18E9F4EF82A6F315",
    };

    #[test]
    fn the_rule_does_not_change() {
        let etag = "d41d8cd98f00b204e9800998ecf8427e";
        let written = Id::written("photos", "a b.jpg", 1_795_235_236_010, etag);
        assert_eq!(written.to_string(), "afff1459d6669b86d40b898cb97bd9e0ae8da99e");
        let version = Id::version("photos", "a b.jpg", "v1");
        assert_eq!(version.to_string(), "6f2fbbbc0c97ef655e49614d6f7c81d2d7769ba2");
        assert_eq!(written.removal().to_string(), "ade6d2c50e9d5a45c94ea14c3c5b474710761f03");
        let unknown = Id::unknown_removal("photos", "a b.jpg", READ.sequencer);
        assert_eq!(unknown.to_string(), "2220c30610d733712400b4a2988142e2516d3bcb");
        assert_eq!(Id::other(&READ).to_string(), "ec6fb023c869cb2836bf2ea21762651d196c0f9f");
    }

    #[test]
    fn an_etag_is_the_same_with_its_quotes() {
        assert_eq!(Id::written("b", "k", 1, "\"e\""), Id::written("b", "k", 1, "e"));
    }

    #[test]
    fn different_changes_differ() {
        let written = Id::written("photos", "a", 1, "e");
        let mut ids = [
            written,
            Id::written("photos", "b", 1, "e"),
            Id::written("photosa", "", 1, "e"),
            Id::written("photos", "a", 2, "e"),
            Id::written("photos", "a", 1, "f"),
            Id::version("photos", "a", "v1"),
            Id::version("photos", "a", "v2"),
            written.removal(),
            Id::version("photos", "a", "v1").removal(),
            Id::unknown_removal("photos", "a", "1"),
            Id::unknown_removal("photos", "a", "2"),
            Id::other(&READ),
            Id::other(&Other { request_id: "r2", ..READ }),
            Id::other(&Other { event_name: "s3:ObjectAccessed:Head", ..READ }),
            Id::other(&Other { version: "v1", ..READ }),
        ];
        ids.sort_unstable();
        assert!(ids.windows(2).all(|pair| pair[0] != pair[1]));
    }
}
