//! Identities that are never used again, unlike names.

use std::fmt;

use crate::{Clock, Entropy};

/// The identity of one resource for all time: a `UUIDv7` (RFC 9562), ordered by the time it was made.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(try_from = "String", into = "String")]
pub struct Uid([u8; 16]);

/// The uid of a tenant. Every table, key, stream and lane entry carries one.
pub type TenantUid = Uid;

/// The tenant that every installation begins with.
pub const DEFAULT_TENANT: TenantUid = Uid([0, 0, 0, 0, 0, 0, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, 1]);

/// The text is not a UUID.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a uid is a UUID in its hyphenated form")]
pub struct InvalidUid;

impl Uid {
    /// The uid of nothing, all zeros. No resource has it.
    pub const NIL: Self = Self([0; 16]);

    /// Makes a new identity from the time and ten random bytes.
    pub fn new(clock: &dyn Clock, entropy: &dyn Entropy) -> Self {
        let mut random = [0; 10];
        entropy.fill(&mut random);
        let millis = clock.now().as_micros().max(0).unsigned_abs() / 1000;
        Self(*uuid::Builder::from_unix_timestamp_millis(millis, &random).as_uuid().as_bytes())
    }

    /// The identity whose bytes these are, as stored by [`Uid::as_bytes`].
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The sixteen bytes, in network order.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl std::str::FromStr for Uid {
    type Err = InvalidUid;

    fn from_str(text: &str) -> Result<Self, InvalidUid> {
        let hyphenated = text.len() == 36;
        match uuid::Uuid::try_parse(text) {
            Ok(uuid) if hyphenated => Ok(Self(*uuid.as_bytes())),
            Ok(_) | Err(_) => Err(InvalidUid),
        }
    }
}

impl TryFrom<String> for Uid {
    type Error = InvalidUid;

    fn try_from(text: String) -> Result<Self, InvalidUid> {
        text.parse()
    }
}

impl From<Uid> for String {
    fn from(uid: Uid) -> Self {
        uid.to_string()
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&uuid::Uuid::from_bytes(self.0), f)
    }
}

impl fmt::Debug for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::Uid;
    use crate::{Clock, Entropy, Timestamp};

    struct At(i64);
    impl Clock for At {
        fn now(&self) -> Timestamp {
            Timestamp::from_micros(self.0)
        }
    }
    struct Ones;
    impl Entropy for Ones {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(0xff);
        }
    }

    #[test]
    fn uids_order_by_time_and_cross_text_unchanged() {
        let early = Uid::new(&At(1_700_000_000_000_000), &Ones);
        let late = Uid::new(&At(1_700_000_000_001_000), &Ones);
        assert!(early < late);
        assert_eq!(early.to_string().parse::<Uid>().unwrap(), early);
        assert_eq!(&early.to_string()[14..15], "7", "version 7");
        assert!("0".repeat(32).parse::<Uid>().is_err(), "only the hyphenated form");
    }
}
