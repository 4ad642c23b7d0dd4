//! Segment files: their names and what stands at their beginning.

use std::time::Duration;

use tripline_kernel::{Timestamp, Uid};

use super::record::{u16_at, u32_at, u64_at};
use crate::{Offset, Retention, Stream};

const MAGIC: &[u8; 8] = b"tripline";
const VERSION: u16 = 1;
const SUFFIX: &str = ".segment";

/// The name of the segment of `stream` that begins with the frame at `base`.
pub(super) fn name(stream: Stream, base: Offset) -> String {
    format!("{}.{:05}.{base:020}{SUFFIX}", stream.bus, stream.partition)
}

/// What a segment's name says; `None` for a file that is not a segment.
pub(super) fn parse_name(file: &str) -> Option<(Stream, Offset)> {
    let mut parts = file.strip_suffix(SUFFIX)?.split('.');
    let (bus, partition, base) = (parts.next()?, parts.next()?, parts.next()?);
    let stream = Stream { bus: bus.parse().ok()?, partition: partition.parse().ok()? };
    let base = base.parse().ok()?;
    (name(stream, base) == file).then_some((stream, base))
}

/// What stands at the beginning of a segment.
///
/// Magic (8 bytes), version (u16), bus uid (16 bytes), partition (u16), base offset (u64), retention in µs (u64) and
/// in bytes (u64), the time it was made (i64, µs), CRC-32 of all that (u32); little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    pub(super) stream: Stream,
    pub(super) base: Offset,
    /// The stream's retention when the segment was made.
    pub(super) retention: Retention,
    pub(super) made_at: Timestamp,
}

impl SegmentHeader {
    pub(super) const BYTES: usize = 64;

    pub(super) fn encode(&self) -> [u8; Self::BYTES] {
        let mut out = [0; Self::BYTES];
        out[..8].copy_from_slice(MAGIC);
        out[8..10].copy_from_slice(&VERSION.to_le_bytes());
        out[10..26].copy_from_slice(self.stream.bus.as_bytes());
        out[26..28].copy_from_slice(&self.stream.partition.to_le_bytes());
        out[28..36].copy_from_slice(&self.base.to_le_bytes());
        out[36..52].copy_from_slice(&encode_retention(self.retention));
        out[52..60].copy_from_slice(&self.made_at.as_micros().to_le_bytes());
        let crc = crc32fast::hash(&out[..60]);
        out[60..].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// The header that these bytes begin with; `None` when it is torn, damaged or of another version.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.get(..Self::BYTES)?;
        let known = bytes.starts_with(MAGIC) && u16_at(bytes, 8) == VERSION;
        if !known || u32_at(bytes, 60) != crc32fast::hash(&bytes[..60]) {
            return None;
        }
        let bus = Uid::from_bytes(bytes[10..26].try_into().ok()?);
        Some(Self {
            stream: Stream { bus, partition: u16_at(bytes, 26) },
            base: u64_at(bytes, 28),
            retention: decode_retention(&bytes[36..52])?,
            made_at: Timestamp::from_micros(u64_at(bytes, 52).cast_signed()),
        })
    }

    /// What the CRCs of this segment's record headers begin with.
    pub(super) fn seed(&self) -> u32 {
        crc32fast::hash(&self.encode())
    }
}

/// A retention as it stands in segments.
pub(super) fn encode_retention(retention: Retention) -> [u8; 16] {
    let micros = u64::try_from(retention.time.as_micros()).unwrap_or(u64::MAX);
    let mut out = [0; 16];
    out[..8].copy_from_slice(&micros.to_le_bytes());
    out[8..].copy_from_slice(&retention.bytes.to_le_bytes());
    out
}

/// The retention that these bytes hold.
pub(super) fn decode_retention(bytes: &[u8]) -> Option<Retention> {
    (bytes.len() == 16).then(|| Retention {
        time: Duration::from_micros(u64_at(bytes, 0)),
        bytes: u64_at(bytes, 8),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tripline_kernel::DEFAULT_TENANT;

    use super::*;

    proptest! {
        #[test]
        fn names_and_headers_cross_unchanged(partition: u16, base: u64, seconds: u32, bytes: u64, micros: i64) {
            let stream = Stream { bus: DEFAULT_TENANT, partition };
            prop_assert_eq!(parse_name(&name(stream, base)), Some((stream, base)));
            let retention = Retention { time: Duration::from_secs(seconds.into()), bytes };
            let header = SegmentHeader { stream, base, retention, made_at: Timestamp::from_micros(micros) };
            prop_assert_eq!(SegmentHeader::decode(&header.encode()), Some(header));
        }

        #[test]
        fn a_header_with_any_bit_flipped_is_refused(byte in 0..SegmentHeader::BYTES, bit in 0..8_u8) {
            let stream = Stream { bus: DEFAULT_TENANT, partition: 3 };
            let retention = Retention { time: Duration::from_secs(1), bytes: 2 };
            let header = SegmentHeader { stream, base: 7, retention, made_at: Timestamp::from_micros(9) };
            let mut bytes = header.encode();
            bytes[byte] ^= 1_u8 << bit;
            prop_assert_eq!(SegmentHeader::decode(&bytes), None);
        }
    }

    #[test]
    fn files_that_are_not_segments_are_left_alone() {
        for file in ["lock", ".segment", "a.b.c.segment", "x", "00000.segment"] {
            assert_eq!(parse_name(file), None, "{file}");
        }
    }
}
