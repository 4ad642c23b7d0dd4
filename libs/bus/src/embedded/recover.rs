//! Finds again what an earlier process left: the streams, their segments, and where each one ends.
//!
//! Only the last segment of a stream can be unfinished: a segment is synced whole before the next one is made. So a
//! bad record in an earlier one is damage. In the last one it is a torn tail, to be cut, unless something after it
//! shows that it was durable once.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use tripline_kernel::Timestamp;

use super::disk::{Disk, DiskFile, SyncPoint};
use super::options::OpenError;
use super::record::{Found, Header, Kind, Payloads, Scan};
use super::segment::{self, SegmentHeader, decode_retention};
use crate::{Offset, Retention, Stream};

/// How much of the full segments is read whole at open, newest first within each stream. What is beyond is checked
/// when it is read.
const VERIFY_BYTES_MAX: u64 = 128 << 20;

/// A segment that is full and will not change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sealed {
    pub(super) base: Offset,
    pub(super) bytes: u64,
    pub(super) newest: Timestamp,
}

/// The segment that a stream is writing.
pub(super) struct Active {
    pub(super) file: Arc<dyn DiskFile>,
    pub(super) base: Offset,
    /// Where the next record goes.
    pub(super) bytes: u64,
    pub(super) seed: u32,
    /// When its first frame was appended, if it has one.
    pub(super) oldest: Option<Timestamp>,
    /// When its newest frame was appended, or else when it was made.
    pub(super) newest: Timestamp,
}

/// A stream as it was left.
pub(super) struct Recovered {
    pub(super) stream: Stream,
    pub(super) retention: Retention,
    pub(super) sealed: VecDeque<Sealed>,
    pub(super) active: Active,
    /// The offset of the next frame.
    pub(super) next: Offset,
}

/// Recovers every stream. What it returns is durable.
pub(super) fn recover(disk: &dyn Disk) -> Result<Vec<Recovered>, OpenError> {
    let names = disk.list().map_err(OpenError::disk("list the log's directory"))?;
    let mut bases: BTreeMap<Stream, BTreeSet<Offset>> = BTreeMap::new();
    for (stream, base) in names.iter().filter_map(|name| segment::parse_name(name)) {
        bases.entry(stream).or_default().insert(base);
    }
    let mut recovery = Recovery { disk, verify_bytes: VERIFY_BYTES_MAX };
    let mut streams = Vec::with_capacity(bases.len());
    for (stream, bases) in bases {
        streams.extend(recovery.stream(stream, bases)?);
    }
    disk.sync_directory(SyncPoint::DirectoryAtOpen)
        .map_err(OpenError::disk("sync the log's directory"))?;
    Ok(streams)
}

struct Recovery<'d> {
    disk: &'d dyn Disk,
    /// How many bytes of full segments may still be read.
    verify_bytes: u64,
}

/// A segment file that has been opened.
struct OpenFile {
    name: String,
    file: Arc<dyn DiskFile>,
    bytes: u64,
    header: SegmentHeader,
}

impl OpenFile {
    fn corrupt(&self, at: u64, why: impl Into<String>) -> OpenError {
        OpenError::Corrupt { file: self.name.clone(), at, why: why.into() }
    }
}

impl Recovery<'_> {
    /// `None` when the stream was never made in full.
    fn stream(
        &mut self,
        stream: Stream,
        mut bases: BTreeSet<Offset>,
    ) -> Result<Option<Recovered>, OpenError> {
        let Some(mut base) = bases.pop_last() else {
            return Ok(None);
        };
        let mut last = self.open(stream, base)?;
        let torn = last.is_none().then_some(base);
        if torn.is_some() {
            let Some(before) = bases.pop_last() else {
                self.remove_torn(stream, base)?;
                return Ok(None);
            };
            base = before;
            last = self.open(stream, base)?;
        }
        let last = last.ok_or_else(|| headless(stream, base))?;
        let (active, retention, next) = scan_active(&last, torn)?;
        if let Some(torn) = torn {
            self.remove_torn(stream, torn)?;
        }
        let mut sealed = VecDeque::with_capacity(bases.len());
        let mut following = active.base;
        for base in bases.into_iter().rev() {
            sealed.push_front(self.sealed(stream, base, following)?);
            following = base;
        }
        Ok(Some(Recovered { stream, retention, sealed, active, next }))
    }

    /// Opens a segment; `None` when not even its header was finished.
    fn open(&self, stream: Stream, base: Offset) -> Result<Option<OpenFile>, OpenError> {
        let name = segment::name(stream, base);
        let failed = |source| OpenError::Disk { action: format!("open {name}"), source };
        let file = self.disk.open(&name).map_err(failed)?;
        let bytes = file.bytes().map_err(failed)?;
        let mut start = [0; SegmentHeader::BYTES];
        let read = file.read_at(0, &mut start).map_err(failed)?;
        match SegmentHeader::decode(&start[..read]) {
            Some(header) if header.stream == stream && header.base == base => {
                Ok(Some(OpenFile { name, file, bytes, header }))
            }
            // Records are only written once the header is synced.
            None if bytes <= SegmentHeader::BYTES as u64 => Ok(None),
            Some(_) | None => Err(headless(stream, base)),
        }
    }

    fn remove_torn(&self, stream: Stream, base: Offset) -> Result<(), OpenError> {
        let name = segment::name(stream, base);
        tracing::warn!(segment = name, "removing a segment that was never finished");
        self.disk.remove(&name).map_err(OpenError::disk(format!("remove {name}")))
    }

    /// A segment that another one follows, which begins at `following`.
    fn sealed(
        &mut self,
        stream: Stream,
        base: Offset,
        following: Offset,
    ) -> Result<Sealed, OpenError> {
        let open = self.open(stream, base)?.ok_or_else(|| headless(stream, base))?;
        let failed = |source| OpenError::Disk { action: format!("read {}", open.name), source };
        let mut scan = Scan::new(&*open.file, open.header.seed(), open.bytes);
        let mark_at = open.bytes.saturating_sub(Header::BYTES as u64);
        let newest = match scan.record(mark_at, Payloads::All).map_err(failed)? {
            Found::Record { header, .. }
                if header.kind == Kind::Mark && header.offset == following =>
            {
                header.appended_at
            }
            Found::Record { .. } | Found::End | Found::Bad => {
                let why = format!("the segment does not end before frame {following}");
                return Err(open.corrupt(mark_at, why));
            }
        };
        if open.bytes <= self.verify_bytes {
            self.verify_bytes -= open.bytes;
            let walked = walk(&mut scan, base).map_err(failed)?;
            if walked.torn || walked.next != following {
                let why = format!("frame {} cannot be read", walked.next);
                return Err(open.corrupt(walked.at, why));
            }
        }
        Ok(Sealed { base, bytes: open.bytes, newest })
    }
}

/// A segment that another one was made after has its header.
fn headless(stream: Stream, base: Offset) -> OpenError {
    let why = "the segment does not begin with its header".to_owned();
    OpenError::Corrupt { file: segment::name(stream, base), at: 0, why }
}

/// Finds the end of the last segment and makes it durable.
///
/// When the next one was already being made, at `following`, this one had been synced whole.
fn scan_active(
    open: &OpenFile,
    following: Option<Offset>,
) -> Result<(Active, Retention, Offset), OpenError> {
    let failed = |source| OpenError::Disk { action: format!("recover {}", open.name), source };
    let (base, seed) = (open.header.base, open.header.seed());
    let mut scan = Scan::new(&*open.file, seed, open.bytes);
    let walked = walk(&mut scan, base).map_err(failed)?;
    if following.is_some_and(|following| walked.torn || walked.next != following) {
        return Err(open.corrupt(walked.at, format!("frame {} cannot be read", walked.next)));
    }
    if walked.torn {
        if scan.shows_settled(walked.at, walked.next).map_err(failed)? {
            let why = format!("frame {} was confirmed and cannot be read", walked.next);
            return Err(open.corrupt(walked.at, why));
        }
        let cut = open.bytes - walked.at;
        tracing::warn!(segment = open.name, at = walked.at, bytes = cut, "cutting a torn tail");
        open.file.truncate(walked.at).map_err(failed)?;
    }
    // Readers will see these records, so they must not vanish later: the process before may not have synced them.
    open.file.sync_data(SyncPoint::SegmentAtOpen).map_err(failed)?;
    let active = Active {
        file: Arc::clone(&open.file),
        base,
        bytes: walked.at,
        seed,
        oldest: walked.oldest,
        newest: walked.newest.unwrap_or(open.header.made_at),
    };
    Ok((active, walked.retention.unwrap_or(open.header.retention), walked.next))
}

/// What a walk over the records of a segment found.
struct Walked {
    /// The place after the last good record, and the offset of the frame that would stand there.
    at: u64,
    next: Offset,
    /// Whether something stands there that is not the next record.
    torn: bool,
    oldest: Option<Timestamp>,
    newest: Option<Timestamp>,
    /// The retention that was set last.
    retention: Option<Retention>,
}

/// Reads a segment whose first frame has the offset `base`, up to the end or the first bad record.
fn walk(scan: &mut Scan<'_>, base: Offset) -> std::io::Result<Walked> {
    let at = SegmentHeader::BYTES as u64;
    let mut walked =
        Walked { at, next: base, torn: false, oldest: None, newest: None, retention: None };
    loop {
        match scan.record(walked.at, Payloads::All)? {
            Found::Record { header, payload, after } if header.offset == walked.next => {
                match header.kind {
                    Kind::Frame => {
                        walked.next += 1;
                        walked.oldest.get_or_insert(header.appended_at);
                        walked.newest = walked.newest.max(Some(header.appended_at));
                    }
                    Kind::Mark => {}
                    Kind::Retention => walked.retention = decode_retention(&payload),
                }
                walked.at = after;
            }
            Found::End => return Ok(walked),
            Found::Record { .. } | Found::Bad => return Ok(Walked { torn: true, ..walked }),
        }
    }
}
