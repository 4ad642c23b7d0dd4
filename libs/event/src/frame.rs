//! Frames: how entries travel together.

use bytes::{BufMut as _, Bytes, BytesMut};

use crate::codec::{Corrupt, Reader};

/// One log record or one lane message: 1 to 256 entries. Acks and checkpoints are per frame.
///
/// Version byte 1, number of entries (u16), then each entry with its length (u32) before it; little-endian.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    entries: Vec<Bytes>,
}

impl Frame {
    /// Most entries in one frame.
    pub const ENTRIES_MAX: usize = 256;
    /// A frame is closed once its entries have this many bytes. One entry alone may be larger.
    pub const BYTES_SOFT_MAX: usize = 1 << 20;
    const VERSION: u8 = 1;

    /// A frame of these entries, in this order.
    ///
    /// # Panics
    /// When there are none, or more than [`Frame::ENTRIES_MAX`].
    #[must_use]
    pub fn new(entries: Vec<Bytes>) -> Self {
        assert!((1..=Self::ENTRIES_MAX).contains(&entries.len()), "a frame has 1 to 256 entries");
        Self { entries }
    }

    /// The entries, in the order in which they were put in.
    #[must_use]
    pub fn entries(&self) -> &[Bytes] {
        &self.entries
    }

    /// Gives up the frame for its entries.
    #[must_use]
    pub fn into_entries(self) -> Vec<Bytes> {
        self.entries
    }

    /// The frame as bytes.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let size = 3 + self.entries.iter().map(|entry| 4 + entry.len()).sum::<usize>();
        let mut out = BytesMut::with_capacity(size);
        out.put_u8(Self::VERSION);
        out.put_u16_le(u16::try_from(self.entries.len()).expect("at most 256"));
        for entry in &self.entries {
            out.put_u32_le(u32::try_from(entry.len()).expect("an entry is smaller than 4 GiB"));
            out.put_slice(entry);
        }
        out.freeze()
    }

    /// The frame that these bytes hold. The entries share the memory of `bytes`.
    ///
    /// # Errors
    /// When the bytes are not a frame of a known version.
    pub fn decode(bytes: Bytes) -> Result<Self, Corrupt> {
        let mut reader = Reader::new(bytes, "frame");
        if reader.u8()? != Self::VERSION {
            return Err(Corrupt("frame: unknown version"));
        }
        let count = usize::from(reader.u16()?);
        if !(1..=Self::ENTRIES_MAX).contains(&count) {
            return reader.corrupt();
        }
        let mut entries = Vec::with_capacity(count);
        for _ in 0..count {
            let len = reader.u32()? as usize;
            entries.push(reader.bytes(len)?);
        }
        if reader.is_empty() { Ok(Self { entries }) } else { reader.corrupt() }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::Frame;

    proptest! {
        #[test]
        fn a_frame_crosses_bytes_unchanged(entries in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..64), 1..=256)) {
            let frame = Frame::new(entries.into_iter().map(Bytes::from).collect());
            prop_assert_eq!(Frame::decode(frame.encode()).unwrap(), frame);
        }

        #[test]
        fn bytes_that_are_no_frame_are_refused_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(frame) = Frame::decode(Bytes::from(bytes.clone())) {
                prop_assert_eq!(frame.encode(), Bytes::from(bytes));
            }
        }

        #[test]
        fn a_cut_frame_is_refused(entries in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..16), 1..8), cut in 1_usize..8) {
            let encoded = Frame::new(entries.into_iter().map(Bytes::from).collect()).encode();
            prop_assert!(Frame::decode(encoded.slice(..encoded.len() - cut)).is_err());
        }
    }
}
