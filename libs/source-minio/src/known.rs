//! What the inventory holds under a place.

use bytes::Bytes;

use crate::id::{self, Id};

/// The version of what is written.
const FORMAT: u8 = 1;
/// Format, state, run, time and id.
const LENGTH: usize = 1 + 1 + 8 + 8 + id::BYTES;

/// What is known of a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) state: State,
    /// Who wrote this down.
    pub(crate) by: By,
    /// The run that did.
    pub(crate) run: u64,
    /// When the state came to be, in milliseconds since the epoch.
    pub(crate) millis: i64,
    /// The id of the event that told it; of what is gone, the one that told what it was, if that was known.
    pub(crate) id: Id,
}

/// What stands at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Object,
    DeleteMarker,
    /// Nothing any more. Kept while a listing that was begun earlier may still show what stood here, or the stream may still
    /// tell that it went; the next look through the bucket sweeps it away.
    Gone,
}

/// How the state was learnt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    Stream,
    Listing,
}

impl Known {
    pub(crate) fn to_bytes(self) -> Bytes {
        let state = match self.state {
            State::Object => 0,
            State::DeleteMarker => 1,
            State::Gone => 2,
        };
        let by = match self.by {
            By::Stream => 0,
            By::Listing => 0x10,
        };
        let mut bytes = Vec::with_capacity(LENGTH);
        bytes.extend_from_slice(&[FORMAT, state | by]);
        bytes.extend_from_slice(&self.run.to_be_bytes());
        bytes.extend_from_slice(&self.millis.to_be_bytes());
        bytes.extend_from_slice(&self.id.0);
        bytes.into()
    }

    /// `None` for what this version cannot read, which then counts as unknown.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let (&[FORMAT, state], rest) = bytes.split_first_chunk()? else { return None };
        let (run, rest) = rest.split_first_chunk()?;
        let (millis, id) = rest.split_first_chunk()?;
        Some(Self {
            state: match state & 0x0f {
                0 => State::Object,
                1 => State::DeleteMarker,
                2 => State::Gone,
                _ => return None,
            },
            by: if state & 0x10 == 0 { By::Stream } else { By::Listing },
            run: u64::from_be_bytes(*run),
            millis: i64::from_be_bytes(*millis),
            id: Id(id.try_into().ok()?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{By, Known, State};
    use crate::id::Id;

    #[test]
    fn what_is_written_is_read() {
        for state in [State::Object, State::DeleteMarker, State::Gone] {
            for by in [By::Stream, By::Listing] {
                let known = Known { state, by, run: u64::MAX - 1, millis: -2, id: Id([7; 20]) };
                assert_eq!(Known::read(&known.to_bytes()), Some(known));
            }
        }
    }

    #[test]
    fn what_cannot_be_read_is_unknown() {
        let known =
            Known { state: State::Object, by: By::Stream, run: 1, millis: 1, id: Id([7; 20]) };
        let bytes = known.to_bytes();
        let mut other = bytes.to_vec();
        other[0] = 9;
        for bad in [&b""[..], &bytes[..37], &[&bytes[..], b"x"].concat(), &other] {
            assert_eq!(Known::read(bad), None);
        }
    }
}
