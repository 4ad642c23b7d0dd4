//! One stream, as the writer has it.

use std::collections::VecDeque;
use std::io;
use std::mem;
use std::sync::Arc;

use tripline_kernel::Timestamp;

use super::disk::{Disk, DiskFile, SyncPoint};
use super::inbox::{Answer, Submission};
use super::options::SEGMENT_BYTES_MIN;
use super::record::{Header, Kind};
use super::recover::{Active, Recovered, Sealed};
use super::segment::{self, SegmentHeader, encode_retention};
use super::view::{Extent, Place, Tailed, View};
use crate::{Error, Offset, Record, Retention, Stream};

/// A stream's retention is kept to by dropping about one part in this many at a time.
const SEGMENTS_PER_RETENTION_MIN: u64 = 4;
/// How much of the write buffer is kept between rounds.
const BUFFER_BYTES_KEPT: usize = 64 << 10;

/// What a stream needs of its log to write.
pub(super) struct Desk<'l> {
    pub(super) disk: &'l dyn Disk,
    /// Size of a segment, where the stream's retention does not ask for smaller ones.
    pub(super) segment_bytes: u64,
    pub(super) now: Timestamp,
}

/// A stream with its records on the way to the disk.
pub(super) struct Writing {
    pub(super) view: Arc<View>,
    stream: Stream,
    retention: Retention,
    sealed: VecDeque<Sealed>,
    active: Active,
    /// The offset of the next frame.
    next: Offset,
    /// All frames before this offset are synced.
    settled: Offset,
    /// Encoded and not yet written.
    buffer: Vec<u8>,
    /// Not yet synced.
    staged: Vec<(Tailed, Answer)>,
    /// Callers who wait for a change of the stream itself to be synced.
    changed: Vec<Answer>,
}

impl Writing {
    /// Goes on where an earlier process stopped.
    pub(super) fn recovered(recovered: Recovered) -> Self {
        let Recovered { stream, retention, sealed, active, next } = recovered;
        let extents = sealed.iter().map(|sealed| Extent { base: sealed.base, bytes: sealed.bytes });
        let extents = extents.chain([Extent { base: active.base, bytes: active.bytes }]);
        Self {
            view: Arc::new(View::new(extents.collect(), next)),
            stream,
            retention,
            sealed,
            active,
            next,
            settled: next,
            buffer: Vec::new(),
            staged: Vec::new(),
            changed: Vec::new(),
        }
    }

    /// Makes a new stream, durably.
    pub(super) fn create(
        desk: &Desk<'_>,
        stream: Stream,
        retention: Retention,
    ) -> io::Result<Self> {
        let header = SegmentHeader { stream, base: 0, retention, made_at: desk.now };
        let active = make_segment(desk.disk, &header)?;
        let sealed = VecDeque::new();
        Ok(Self::recovered(Recovered { stream, retention, sealed, active, next: 0 }))
    }

    /// Whether something waits for [`Writing::commit`].
    pub(super) fn is_touched(&self) -> bool {
        !(self.staged.is_empty() && self.changed.is_empty())
    }

    /// Puts a frame behind the others. Whether a new segment was begun for it.
    pub(super) fn stage(&mut self, desk: &Desk<'_>, submission: Submission) -> io::Result<bool> {
        let Submission { frame, payload, payload_crc, answer, .. } = submission;
        let offset = self.next;
        let place = Place { base: self.active.base, at: 0 };
        let record = Record { offset, frame };
        // Staged first, so that the caller hears of whatever goes wrong from here on.
        self.staged.push((Tailed { record, place }, answer));
        let full = self.bytes() + (Header::BYTES + payload.len()) as u64 > self.segment_limit(desk);
        let rolls = full && self.active.oldest.is_some();
        if rolls {
            self.roll(desk)?;
        }
        self.encode(Kind::Frame, &payload, payload_crc, desk.now);
        self.next += 1;
        let place = Place { base: self.active.base, at: self.bytes() };
        let (staged, _) = self.staged.last_mut().expect("pushed above");
        staged.place = place;
        self.active.oldest.get_or_insert(desk.now);
        self.active.newest = self.active.newest.max(desk.now);
        Ok(rolls)
    }

    /// Sets another retention.
    pub(super) fn set_retention(&mut self, desk: &Desk<'_>, retention: Retention, answer: Answer) {
        self.changed.push(answer);
        if retention != self.retention {
            self.retention = retention;
            let payload = encode_retention(retention);
            self.encode(Kind::Retention, &payload, crc32fast::hash(&payload), desk.now);
        }
    }

    /// Writes what is staged, without waiting for the disk.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        if !self.buffer.is_empty() {
            self.active.file.write_at(self.active.bytes, &self.buffer)?;
            self.active.bytes += self.buffer.len() as u64;
            self.buffer.clear();
            self.buffer.shrink_to(BUFFER_BYTES_KEPT);
        }
        Ok(())
    }

    /// The file that holds what was flushed.
    pub(super) fn file(&self) -> Arc<dyn DiskFile> {
        Arc::clone(&self.active.file)
    }

    /// Shows what was flushed, and is durable now, to the readers, and answers its callers.
    pub(super) fn synced(&mut self) {
        self.settled = self.next;
        let (records, mut answers): (Vec<Tailed>, Vec<Answer>) =
            mem::take(&mut self.staged).into_iter().unzip();
        self.view.publish(self.extents(), records.into_iter());
        answers.append(&mut self.changed);
        for answer in answers {
            // A caller that has left does not mind.
            let _ = answer.send(Ok(()));
        }
    }

    /// Notes that everything so far is durable, for a recovery to know. Needs no sync itself.
    pub(super) fn mark(&mut self, now: Timestamp) -> io::Result<()> {
        self.encode(Kind::Mark, &[], crc32fast::hash(&[]), now);
        self.flush()
    }

    /// Tells everyone who waits that nothing is promised.
    pub(super) fn refuse(&mut self, why: &str) {
        let staged = mem::take(&mut self.staged).into_iter().map(|(_, answer)| answer);
        for answer in staged.chain(mem::take(&mut self.changed)) {
            let _ = answer.send(Err(Error::Unavailable(why.to_owned())));
        }
    }

    /// Drops what retention has passed. Nothing may be staged.
    pub(super) fn sweep(&mut self, desk: &Desk<'_>) -> io::Result<()> {
        let horizon = desk.now.before(self.retention.time);
        if self.active.oldest.is_some_and(|oldest| oldest < horizon) {
            // So that a stream at rest does not keep its last segment for ever.
            self.roll(desk)?;
            self.view.publish(self.extents(), std::iter::empty());
        }
        let mut bytes = self.extents().map(|extent| extent.bytes).sum::<u64>();
        while let Some(first) = self.sealed.front().copied() {
            if bytes <= self.retention.bytes && first.newest >= horizon {
                return Ok(());
            }
            bytes -= first.bytes;
            self.sealed.pop_front();
            self.view.set_extents(self.extents());
            let name = segment::name(self.stream, first.base);
            if let Err(error) = desk.disk.remove(&name) {
                // It is found again at the next open; until then only its bytes are lost.
                tracing::warn!(segment = name, %error, "could not remove a segment");
                return Ok(());
            }
            // After each: a power loss must not bring back an older one without the newer.
            desk.disk.sync_directory(SyncPoint::Removal)?;
        }
        Ok(())
    }

    /// Ends the active segment and begins the next.
    ///
    /// The old one is synced first, so that a torn record can only be in the last segment of a stream.
    fn roll(&mut self, desk: &Desk<'_>) -> io::Result<()> {
        self.encode(Kind::Mark, &[], crc32fast::hash(&[]), self.active.newest);
        self.flush()?;
        self.active.file.sync_data(SyncPoint::SegmentSeal)?;
        self.settled = self.next;
        let Active { base, bytes, newest, .. } = self.active;
        let header = SegmentHeader {
            stream: self.stream,
            base: self.next,
            retention: self.retention,
            made_at: desk.now,
        };
        self.active = make_segment(desk.disk, &header)?;
        self.sealed.push_back(Sealed { base, bytes, newest });
        Ok(())
    }

    /// The size of the active segment once the buffer is written.
    fn bytes(&self) -> u64 {
        self.active.bytes + self.buffer.len() as u64
    }

    fn segment_limit(&self, desk: &Desk<'_>) -> u64 {
        let part = self.retention.bytes / SEGMENTS_PER_RETENTION_MIN;
        desk.segment_bytes.min(part.max(SEGMENT_BYTES_MIN))
    }

    fn extents(&self) -> impl Iterator<Item = Extent> {
        let sealed =
            self.sealed.iter().map(|sealed| Extent { base: sealed.base, bytes: sealed.bytes });
        sealed.chain([Extent { base: self.active.base, bytes: self.active.bytes }])
    }

    fn encode(&mut self, kind: Kind, payload: &[u8], payload_crc: u32, at: Timestamp) {
        let header = Header {
            kind,
            payload_bytes: u32::try_from(payload.len()).expect("a frame has fewer than 4 GiB"),
            offset: self.next,
            settled: self.settled,
            appended_at: at,
            payload_crc,
        };
        header.encode(self.active.seed, &mut self.buffer);
        self.buffer.extend_from_slice(payload);
    }
}

/// Makes a segment that is there, and known as one, whatever happens next.
fn make_segment(disk: &dyn Disk, header: &SegmentHeader) -> io::Result<Active> {
    let file = disk.create(&segment::name(header.stream, header.base))?;
    file.write_at(0, &header.encode())?;
    file.sync_data(SyncPoint::SegmentHeader)?;
    disk.sync_directory(SyncPoint::SegmentEntry)?;
    Ok(Active {
        file,
        base: header.base,
        bytes: SegmentHeader::BYTES as u64,
        seed: header.seed(),
        oldest: None,
        newest: header.made_at,
    })
}
