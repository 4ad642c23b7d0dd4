//! How a record stands in a segment, and how records are found again.
//!
//! A record is a header of fixed size and a payload. Each has a CRC-32 of its own: the header alone shows where the
//! next record is, so that damage can be told from a tail that was never finished. The CRC of the header begins with
//! the seed of its segment, so that bytes of another file, or of an event, do not pass for a header of this one.
//!
//! Little-endian: magic (u32), kind (u32), payload bytes (u32), offset (u64), settled (u64), appended at (i64, µs),
//! CRC of the payload (u32), CRC of the header (u32).

use std::io;

use bytes::Bytes;
use tripline_kernel::Timestamp;

use super::disk::DiskFile;
use crate::Offset;

const MAGIC: u32 = 0x5eed_10c7;
/// How many bytes are read from a segment at once, unless one record is longer.
const READ_BYTES: usize = 256 << 10;

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A frame; the only kind that has an offset of its own.
    Frame,
    /// Says only what its header says. Written when the log falls idle, and at the end of each full segment.
    Mark,
    /// The stream's retention from here on.
    Retention,
}

/// What stands before every payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) kind: Kind,
    pub(super) payload_bytes: u32,
    /// The frame's offset; of another kind, that of the next frame.
    pub(super) offset: Offset,
    /// All frames before this offset were durable when this header was written. This is what tells damage from a
    /// torn write: a power loss may leave holes among records that were never synced, but not before `settled`.
    pub(super) settled: Offset,
    pub(super) appended_at: Timestamp,
    pub(super) payload_crc: u32,
}

impl Header {
    pub(super) const BYTES: usize = 44;

    /// Appends the header to `out`.
    pub(super) fn encode(&self, seed: u32, out: &mut Vec<u8>) {
        let start = out.len();
        let kind: u32 = match self.kind {
            Kind::Frame => 0,
            Kind::Mark => 1,
            Kind::Retention => 2,
        };
        out.extend_from_slice(&MAGIC.to_le_bytes());
        out.extend_from_slice(&kind.to_le_bytes());
        out.extend_from_slice(&self.payload_bytes.to_le_bytes());
        out.extend_from_slice(&self.offset.to_le_bytes());
        out.extend_from_slice(&self.settled.to_le_bytes());
        out.extend_from_slice(&self.appended_at.as_micros().to_le_bytes());
        out.extend_from_slice(&self.payload_crc.to_le_bytes());
        let crc = seeded_crc(seed, &out[start..]);
        out.extend_from_slice(&crc.to_le_bytes());
        debug_assert_eq!(out.len() - start, Self::BYTES, "the layout above adds up");
    }

    /// The header that these bytes begin with, if they begin with one of this segment.
    pub(super) fn decode(bytes: &[u8], seed: u32) -> Option<Self> {
        let (fields, crc) = bytes.get(..Self::BYTES)?.split_at(Self::BYTES - 4);
        if !fields.starts_with(&MAGIC.to_le_bytes()) || u32_at(crc, 0) != seeded_crc(seed, fields) {
            return None;
        }
        let kind = match u32_at(fields, 4) {
            0 => Kind::Frame,
            1 => Kind::Mark,
            2 => Kind::Retention,
            _ => return None,
        };
        Some(Self {
            kind,
            payload_bytes: u32_at(fields, 8),
            offset: u64_at(fields, 12),
            settled: u64_at(fields, 20),
            appended_at: Timestamp::from_micros(u64_at(fields, 28).cast_signed()),
            payload_crc: u32_at(fields, 36),
        })
    }
}

fn seeded_crc(seed: u32, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(seed);
    hasher.update(bytes);
    hasher.finalize()
}

/// The number at this place. The caller has checked the length.
pub(super) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(bytes[at..at + 2].try_into().expect("two bytes"))
}

/// The number at this place. The caller has checked the length.
pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

/// The number at this place. The caller has checked the length.
pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

/// What stands at a position of a segment.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A whole record, and where the next one begins. The payload of a frame is there if it was asked for.
    Record { header: Header, payload: Bytes, after: u64 },
    /// Nothing more.
    End,
    /// Something that is not a whole record.
    Bad,
}

/// Which payloads to read and check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Payloads {
    /// All.
    All,
    /// Those of frames from this offset on, and of what is not a frame.
    From(Offset),
}

/// Reads the records of a segment up to a limit, many at a time.
pub(super) struct Scan<'f> {
    file: &'f dyn DiskFile,
    seed: u32,
    /// Nothing from here on is read.
    limit: u64,
    start: u64,
    bytes: Vec<u8>,
}

impl<'f> Scan<'f> {
    /// Reads the first `limit` bytes of `file`, whose headers have this seed.
    pub(super) fn new(file: &'f dyn DiskFile, seed: u32, limit: u64) -> Self {
        Self { file, seed, limit, start: 0, bytes: Vec::new() }
    }

    /// The record at `at`.
    pub(super) fn record(&mut self, at: u64, payloads: Payloads) -> io::Result<Found> {
        if at == self.limit {
            return Ok(Found::End);
        }
        let seed = self.seed;
        let Some(header) = self.get(at, Header::BYTES)?.and_then(|b| Header::decode(b, seed))
        else {
            return Ok(Found::Bad);
        };
        let payload_at = at + Header::BYTES as u64;
        let after = payload_at + u64::from(header.payload_bytes);
        if after > self.limit {
            return Ok(Found::Bad);
        }
        let skipped = match payloads {
            Payloads::All => false,
            Payloads::From(offset) => header.kind == Kind::Frame && header.offset < offset,
        };
        if skipped {
            return Ok(Found::Record { header, payload: Bytes::new(), after });
        }
        match self.get(payload_at, header.payload_bytes as usize)? {
            Some(payload) if crc32fast::hash(payload) == header.payload_crc => {
                Ok(Found::Record { header, payload: Bytes::copy_from_slice(payload), after })
            }
            Some(_) | None => Ok(Found::Bad),
        }
    }

    /// Whether a header at or after `at` shows that the frame at `offset` was durable once.
    pub(super) fn shows_settled(&mut self, at: u64, offset: Offset) -> io::Result<bool> {
        let (first, seed) = (MAGIC.to_le_bytes()[0], self.seed);
        let mut at = at;
        while at < self.limit {
            let wanted = usize::try_from(self.limit - at).unwrap_or(usize::MAX).min(READ_BYTES);
            let Some(bytes) = self.get(at, wanted)? else {
                return Ok(false);
            };
            let mut starts = (0..bytes.len()).filter(|&start| bytes[start] == first);
            let shows = |header: Header| header.settled > offset;
            if starts.any(|start| Header::decode(&bytes[start..], seed).is_some_and(shows)) {
                return Ok(true);
            }
            // A header may lie across the end of what was read.
            let step = if wanted < READ_BYTES { wanted } else { wanted - (Header::BYTES - 1) };
            at += step as u64;
        }
        Ok(false)
    }

    /// The bytes at `at`; `None` when they are not all below the limit.
    fn get(&mut self, at: u64, bytes: usize) -> io::Result<Option<&[u8]>> {
        if at + bytes as u64 > self.limit {
            return Ok(None);
        }
        let held = self.start..self.start + self.bytes.len() as u64;
        if !(held.start <= at && at + bytes as u64 <= held.end) {
            let left = usize::try_from(self.limit - at).unwrap_or(usize::MAX);
            self.bytes.resize(READ_BYTES.min(left).max(bytes), 0);
            let read = self.file.read_at(at, &mut self.bytes)?;
            self.bytes.truncate(read);
            self.start = at;
        }
        let begin = usize::try_from(at - self.start).expect("what is held fits into memory");
        Ok(self.bytes.get(begin..begin + bytes))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::disk::Disk as _;
    use super::super::lossy_disk::LossyDisk;
    use super::*;

    fn header(offset: Offset, settled: Offset, micros: i64) -> Header {
        let appended_at = Timestamp::from_micros(micros);
        Header { kind: Kind::Frame, payload_bytes: 3, offset, settled, appended_at, payload_crc: 9 }
    }

    fn encoded(header: &Header, seed: u32) -> Vec<u8> {
        let mut out = Vec::new();
        header.encode(seed, &mut out);
        out
    }

    proptest! {
        #[test]
        fn a_header_crosses_unchanged_and_only_in_its_own_segment(offset: u64, settled: u64, micros: i64, seed: u32) {
            let header = header(offset, settled, micros);
            prop_assert_eq!(Header::decode(&encoded(&header, seed), seed), Some(header));
            prop_assert_eq!(Header::decode(&encoded(&header, seed), seed ^ 1), None);
        }

        #[test]
        fn a_header_with_any_bit_flipped_is_none(byte in 0..Header::BYTES, bit in 0..8_u8) {
            let mut bytes = encoded(&header(1, 2, 3), 4);
            bytes[byte] ^= 1_u8 << bit;
            prop_assert_eq!(Header::decode(&bytes, 4), None);
        }
    }

    #[test]
    fn what_was_settled_is_found_wherever_it_lies_and_only_when_it_is_beyond() {
        let lengths =
            [0, 1, READ_BYTES - Header::BYTES, READ_BYTES - 20, READ_BYTES, 2 * READ_BYTES - 60];
        for before in lengths {
            let disk = LossyDisk::new();
            let file = disk.create("a").unwrap();
            // Bytes that look like the beginning of a header, everywhere.
            let mut bytes = vec![MAGIC.to_le_bytes()[0]; before];
            bytes.extend(encoded(&header(7, 5, 0), 1));
            file.write_at(0, &bytes).unwrap();
            let mut scan = Scan::new(&*file, 1, bytes.len() as u64);
            assert!(scan.shows_settled(0, 4).unwrap(), "{before}: frame 4 was durable");
            assert!(!scan.shows_settled(0, 5).unwrap(), "{before}: frame 5 may not have been");
            assert!(!Scan::new(&*file, 2, bytes.len() as u64).shows_settled(0, 4).unwrap());
        }
    }
}
