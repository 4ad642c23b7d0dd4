//! Which run of which trigger for which event.

use std::fmt;

use sha2::{Digest as _, Sha256};
use tripline_kernel::Uid;

use crate::Event;

/// Identifies one invocation. The same event and trigger give the same id, so a duplicate is recognised everywhere.
///
/// The first 20 bytes of a SHA-256, written as 40 hexadecimal digits.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(try_from = "String", into = "String")]
pub struct InvocationId([u8; 20]);

/// What an invocation id is made of, besides the event.
#[derive(Clone, Copy, Debug)]
pub struct Occurrence {
    /// Whose.
    pub tenant: Uid,
    /// The bus the event came by.
    pub bus: Uid,
    /// The trigger that matched: its uid, so that a trigger made anew under an old name is another one.
    pub trigger: Uid,
    /// The replay that brought the event again, if one did.
    pub replay: Option<Uid>,
}

impl InvocationId {
    /// The id of the invocation that `event` gives rise to.
    #[must_use]
    pub fn of(occurrence: &Occurrence, event: &Event) -> Self {
        let replay = occurrence.replay.map(|uid| *uid.as_bytes());
        let hash = hash_parts([
            occurrence.tenant.as_bytes(),
            occurrence.bus.as_bytes(),
            event.source().as_bytes(),
            event.id().as_bytes(),
            occurrence.trigger.as_bytes(),
            replay.as_ref().map(<[u8; 16]>::as_slice).unwrap_or_default(),
        ]);
        Self::from_slice(&hash)
    }

    /// The id of a direct call of `function`, which no event gave rise to. `nonce` sets it apart from every other call.
    #[must_use]
    pub fn of_direct_call(tenant: Uid, function: Uid, nonce: Uid) -> Self {
        let parts: [&[u8]; 4] =
            [b"direct", tenant.as_bytes(), function.as_bytes(), nonce.as_bytes()];
        Self::from_slice(&hash_parts(parts))
    }

    /// The id whose bytes these are.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }

    /// The twenty bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }

    fn from_slice(hash: &[u8; 32]) -> Self {
        let mut id = [0; 20];
        id.copy_from_slice(&hash[..20]);
        Self(id)
    }
}

/// The text is not an invocation id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an invocation id has 40 hexadecimal digits, in lower case")]
pub struct InvalidInvocationId;

impl std::str::FromStr for InvocationId {
    type Err = InvalidInvocationId;

    fn from_str(text: &str) -> Result<Self, InvalidInvocationId> {
        let bytes =
            data_encoding::HEXLOWER.decode(text.as_bytes()).map_err(|_| InvalidInvocationId)?;
        bytes.try_into().map(Self).map_err(|_| InvalidInvocationId)
    }
}

impl TryFrom<String> for InvocationId {
    type Error = InvalidInvocationId;

    fn try_from(text: String) -> Result<Self, InvalidInvocationId> {
        text.parse()
    }
}

impl From<InvocationId> for String {
    fn from(id: InvocationId) -> Self {
        id.to_string()
    }
}

impl fmt::Display for InvocationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for InvocationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Each part goes in with its length before it, so that no two lists of parts run together into the same bytes.
fn hash_parts<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hasher.finalize().into()
}

pub(crate) fn digest<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> u128 {
    let hash = hash_parts(parts);
    let mut first = [0; 16];
    first.copy_from_slice(&hash[..16]);
    u128::from_le_bytes(first)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tripline_kernel::Uid;

    use super::{InvocationId, Occurrence};
    use crate::Event;

    fn event(source: &str, id: &str) -> Event {
        let json = format!(r#"{{"specversion":"1.0","id":"{id}","source":"{source}","type":"t"}}"#);
        Event::from_json(Bytes::from(json)).unwrap()
    }

    #[test]
    fn every_part_counts_and_parts_do_not_run_together() {
        let occurrence =
            Occurrence { tenant: Uid::NIL, bus: Uid::NIL, trigger: Uid::NIL, replay: None };
        let id = InvocationId::of(&occurrence, &event("ab", "c"));
        assert_eq!(id, InvocationId::of(&occurrence, &event("ab", "c")));
        assert_ne!(id, InvocationId::of(&occurrence, &event("a", "bc")));
        let other = Uid::from_bytes([1; 16]);
        for changed in [
            Occurrence { tenant: other, ..occurrence },
            Occurrence { bus: other, ..occurrence },
            Occurrence { trigger: other, ..occurrence },
            Occurrence { replay: Some(other), ..occurrence },
        ] {
            assert_ne!(id, InvocationId::of(&changed, &event("ab", "c")));
        }
        assert_eq!(id.to_string().parse::<InvocationId>().unwrap(), id);
    }
}
