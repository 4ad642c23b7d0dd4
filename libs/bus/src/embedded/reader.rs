//! Reads a stream: from memory where it is new, else from the segments.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tripline_event::Frame;

use super::disk::{Disk, DiskFile};
use super::record::{Found, Kind, Payloads, Scan};
use super::segment::{self, SegmentHeader};
use super::view::{End, Extent, Place, Plan, View};
use crate::{Error, Offset, Record, Stream};

/// A reader takes records from a segment until it has this many bytes of them.
const FETCH_BYTES_MAX: u64 = 256 << 10;

/// Reads one stream.
pub(super) struct Reader {
    disk: Arc<dyn Disk>,
    stream: Stream,
    view: Arc<View>,
    end: watch::Receiver<End>,
    /// The offset after those that are ready.
    next: Offset,
    /// Where the record at `next` stands, if that is known.
    place: Option<Place>,
    ready: VecDeque<Record>,
    segment: Option<OpenSegment>,
    /// Kept here and not in the call, so that a dropped call loses nothing.
    fetching: Option<JoinHandle<Result<Fetched, Error>>>,
    /// Whether the last fetch found its segment gone.
    missed: bool,
}

impl Reader {
    pub(super) fn new(disk: Arc<dyn Disk>, stream: Stream, view: Arc<View>, from: Offset) -> Self {
        Self {
            disk,
            stream,
            end: view.follow(),
            view,
            next: from,
            place: None,
            ready: VecDeque::new(),
            segment: None,
            fetching: None,
            missed: false,
        }
    }

    /// Gets more records, or waits until there may be some.
    async fn advance(&mut self) -> Result<(), Error> {
        if let Some(fetching) = &mut self.fetching {
            let fetched = fetching.await;
            self.fetching = None;
            return self.receive(fetched.map_err(|_| closed())??);
        }
        // Looked at before the plan is made, so that no change in between is missed.
        let end = *self.end.borrow_and_update();
        match self.view.plan(self.next) {
            Plan::Take(records, place) => self.take(records, place),
            Plan::Read(extent) => {
                let fetch = Fetch {
                    disk: Arc::clone(&self.disk),
                    stream: self.stream,
                    extent,
                    at: self.place.filter(|place| place.base == extent.base).map(|place| place.at),
                    from: self.next,
                    segment: self.segment.take().filter(|segment| segment.base == extent.base),
                };
                self.fetching = Some(tokio::task::spawn_blocking(move || fetch.run()));
            }
            Plan::Gap(first) => return Err(Error::Gap { asked: self.next, first }),
            Plan::Wait if end.closed => return Err(closed()),
            Plan::Wait => self.end.changed().await.map_err(|_| closed())?,
        }
        Ok(())
    }

    fn receive(&mut self, fetched: Fetched) -> Result<(), Error> {
        match fetched {
            Fetched::Records(records, place, segment) => {
                self.missed = false;
                self.segment = Some(segment);
                self.take(records, place);
                Ok(())
            }
            // Retention may have been faster; the next plan then says so.
            Fetched::Gone if !self.missed => {
                self.missed = true;
                Ok(())
            }
            // The stream was deleted.
            Fetched::Gone if self.end.borrow().closed => Err(closed()),
            Fetched::Gone => {
                Err(Error::Corrupt(format!("a segment of stream {} is missing", self.stream)))
            }
        }
    }

    fn take(&mut self, records: Vec<Record>, place: Place) {
        if let Some(last) = records.last() {
            self.next = last.offset + 1;
            self.place = Some(place);
        }
        self.ready.extend(records);
    }
}

#[async_trait::async_trait]
impl crate::Reader for Reader {
    async fn next(&mut self) -> Result<Record, Error> {
        loop {
            if let Some(record) = self.ready.pop_front() {
                return Ok(record);
            }
            self.advance().await?;
        }
    }
}

fn closed() -> Error {
    Error::Unavailable("the log is closed, or the stream deleted".to_owned())
}

/// A segment that a reader is in.
struct OpenSegment {
    base: Offset,
    file: Arc<dyn DiskFile>,
    seed: u32,
}

/// One trip to the disk.
struct Fetch {
    disk: Arc<dyn Disk>,
    stream: Stream,
    extent: Extent,
    /// Where the record at `from` stands, if that is known.
    at: Option<u64>,
    from: Offset,
    segment: Option<OpenSegment>,
}

enum Fetched {
    /// One record at least, and the place after them.
    Records(Vec<Record>, Place, OpenSegment),
    /// The segment is not there.
    Gone,
}

impl Fetch {
    fn run(mut self) -> Result<Fetched, Error> {
        let segment = match self.segment.take() {
            Some(segment) => segment,
            None => match self.open() {
                Ok(Some(segment)) => segment,
                Ok(None) => return Err(self.corrupt(0, "the segment has no header")),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Fetched::Gone),
                Err(error) => return Err(self.unreadable(&error)),
            },
        };
        let (records, at) = self.records(&segment)?;
        Ok(Fetched::Records(records, Place { base: self.extent.base, at }, segment))
    }

    fn open(&self) -> io::Result<Option<OpenSegment>> {
        let file = self.disk.open(&segment::name(self.stream, self.extent.base))?;
        let mut start = [0; SegmentHeader::BYTES];
        let read = file.read_at(0, &mut start)?;
        let header = SegmentHeader::decode(&start[..read]);
        let (base, stream) = (self.extent.base, self.stream);
        let header = header.filter(|header| header.base == base && header.stream == stream);
        Ok(header.map(|header| OpenSegment { base, file, seed: header.seed() }))
    }

    fn records(&self, segment: &OpenSegment) -> Result<(Vec<Record>, u64), Error> {
        let mut scan = Scan::new(&*segment.file, segment.seed, self.extent.bytes);
        let mut at = self.at.unwrap_or(SegmentHeader::BYTES as u64);
        let (mut records, mut bytes) = (Vec::new(), 0);
        while bytes < FETCH_BYTES_MAX {
            let found = scan.record(at, Payloads::From(self.from));
            let (header, payload, after) = match found.map_err(|error| self.unreadable(&error))? {
                Found::Record { header, payload, after } => (header, payload, after),
                Found::End => break,
                Found::Bad => return Err(self.corrupt(at, "a record cannot be read")),
            };
            if header.kind == Kind::Frame && header.offset >= self.from {
                let due = self.from + records.len() as u64;
                let frame = Frame::decode(payload).ok().filter(|_| header.offset == due);
                let Some(frame) = frame else {
                    return Err(self.corrupt(at, "a record is not the frame that belongs there"));
                };
                bytes += after - at;
                records.push(Record { offset: header.offset, frame });
            }
            at = after;
        }
        if records.is_empty() {
            return Err(self.corrupt(at, "a frame is missing"));
        }
        Ok((records, at))
    }

    fn corrupt(&self, at: u64, why: &str) -> Error {
        let name = segment::name(self.stream, self.extent.base);
        Error::Corrupt(format!("{name} at byte {at}, on the way to frame {}: {why}", self.from))
    }

    fn unreadable(&self, error: &io::Error) -> Error {
        let name = segment::name(self.stream, self.extent.base);
        Error::Unavailable(format!("could not read {name}: {error}"))
    }
}
