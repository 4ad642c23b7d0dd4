//! The one thread that writes.
//!
//! It takes whatever waits, of all streams, writes it with one write per segment, waits for the disk once for all
//! segments, and only then shows the records and answers. What arrives meanwhile makes up the next round.
//!
//! A write or a sync that failed is never tried again: after a failed sync nobody knows what is on the disk. The
//! log stops for good, and the process should too; recovery sorts it out.

use std::collections::HashMap;
use std::io;
use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tripline_kernel::Clock;

use super::disk::{Disk, SyncPoint};
use super::inbox::{Answer, Command, Work};
use super::log::Shared;
use super::options::Options;
use super::record::Header;
use super::segment;
use super::syncs::Syncs;
use super::writing::{Desk, Writing};
use crate::{Error, Stream};

/// How often old segments are looked for in streams that have not grown by one.
const SWEEP_INTERVAL: Duration = Duration::from_secs(60 * 60);
/// What a round may write besides its frames: segment headers and marks.
const ROUND_EXTRA_BYTES: u64 = 64 << 10;

/// Writes everything that the log writes.
pub(super) struct Writer {
    disk: Arc<dyn Disk>,
    syncs: Syncs,
    clock: Arc<dyn Clock>,
    shared: Arc<Shared>,
    segment_bytes: u64,
    reserve_bytes: u64,
    streams: HashMap<Stream, Writing>,
    /// Streams with something staged, in the order in which it came.
    touched: Vec<Stream>,
    /// Streams that have begun a segment in this round.
    rolled: Vec<Stream>,
}

impl Writer {
    /// A writer of no streams, with its threads.
    pub(super) fn new(
        options: &Options,
        disk: Arc<dyn Disk>,
        clock: Arc<dyn Clock>,
        shared: Arc<Shared>,
    ) -> io::Result<Self> {
        Ok(Self {
            disk,
            syncs: Syncs::start()?,
            clock,
            shared,
            segment_bytes: options.segment_bytes,
            reserve_bytes: options.reserve_bytes,
            streams: HashMap::new(),
            touched: Vec::new(),
            rolled: Vec::new(),
        })
    }

    /// Shows a stream to the callers.
    pub(super) fn add(&mut self, stream: Stream, writing: Writing) {
        self.shared.add(stream, Arc::clone(&writing.view));
        self.streams.insert(stream, writing);
    }

    /// Writes until the log is closed and everything taken is done, or until the disk fails.
    pub(super) fn run(mut self) {
        let mut sweep_due = Instant::now();
        loop {
            let done = match self.shared.inbox.take(sweep_due) {
                Work::Round(commands) => self.round(commands),
                Work::Due => {
                    sweep_due = Instant::now() + SWEEP_INTERVAL;
                    self.sweep()
                }
                Work::Closed => return,
            };
            if let Err(error) = done {
                return self.fail(&error);
            }
        }
    }

    fn round(&mut self, mut commands: Vec<Command>) -> io::Result<()> {
        if let Err(refusal) = self.check_room(&commands) {
            // What makes room needs none.
            let needs_room = |command: &mut Command| !matches!(command, Command::Delete { .. });
            for command in commands.extract_if(.., needs_room) {
                command.refuse(refusal.clone());
            }
        }
        let mut failed = None;
        for command in commands {
            match failed {
                None => failed = self.stage(command).err(),
                // Whoever waits for `fail` waits in a stream; these have not got that far.
                Some(_) => command.refuse(stopped()),
            }
        }
        failed.map_or(Ok(()), Err)?;
        self.commit()
    }

    /// Refuses a round that would leave less than the reserve on the disk.
    fn check_room(&self, commands: &[Command]) -> Result<(), Error> {
        let unavailable = |text: String| Error::Unavailable(text);
        let free = self.disk.free_bytes();
        let free =
            free.map_err(|error| unavailable(format!("the disk does not answer: {error}")))?;
        let bytes = |command: &Command| (Header::BYTES + command.payload_bytes()) as u64;
        let needed = commands.iter().map(bytes).sum::<u64>() + ROUND_EXTRA_BYTES;
        if free < needed.saturating_add(self.reserve_bytes) {
            let reserve = self.reserve_bytes;
            return Err(unavailable(format!(
                "the disk is full: {free} bytes are free, of which {reserve} are kept in reserve"
            )));
        }
        Ok(())
    }

    fn stage(&mut self, command: Command) -> io::Result<()> {
        let disk = Arc::clone(&self.disk);
        let desk = Desk { disk: &*disk, segment_bytes: self.segment_bytes, now: self.clock.now() };
        let stream = match command {
            Command::Delete { stream, answer } => return self.delete(stream, answer),
            Command::Append(submission) => {
                let stream = submission.stream;
                let Some(writing) = self.streams.get_mut(&stream) else {
                    Command::Append(submission).refuse(Error::NoStream(stream.to_string()));
                    return Ok(());
                };
                let first = !writing.is_touched();
                if writing.stage(&desk, submission)? {
                    self.rolled.push(stream);
                }
                first.then_some(stream)
            }
            Command::Create { stream, retention, answer } => match self.streams.get_mut(&stream) {
                Some(writing) => {
                    let first = !writing.is_touched();
                    writing.set_retention(&desk, retention, answer);
                    first.then_some(stream)
                }
                None => match Writing::create(&desk, stream, retention) {
                    Ok(writing) => {
                        self.add(stream, writing);
                        let _ = answer.send(Ok(()));
                        None
                    }
                    Err(error) => {
                        let _ = answer.send(Err(stopped()));
                        return Err(error);
                    }
                },
            },
        };
        self.touched.extend(stream);
        Ok(())
    }

    /// Forgets a stream, and removes its segments: the oldest first, so that what is left after a crash is a stream.
    ///
    /// Looks for them on the disk: an attempt before this one may have left some.
    fn delete(&mut self, stream: Stream, answer: Answer) -> io::Result<()> {
        self.shared.remove(stream);
        if let Some(mut writing) = self.streams.remove(&stream) {
            writing.refuse("the stream was deleted");
        }
        self.touched.retain(|touched| *touched != stream);
        self.rolled.retain(|rolled| *rolled != stream);
        let (told, outcome) = match self.remove_segments(stream) {
            Ok(removed) => (removed, Ok(())),
            Err(error) => (Err(stopped()), Err(error)),
        };
        // A caller that has left does not mind.
        let _ = answer.send(told);
        outcome
    }

    /// Fails as a whole when a sync does; that a segment cannot be removed is only told to who asked.
    fn remove_segments(&self, stream: Stream) -> io::Result<Result<(), Error>> {
        let refused =
            |error: io::Error| Error::Unavailable(format!("could not remove {stream}: {error}"));
        let names = match self.disk.list() {
            Ok(names) => names,
            Err(error) => return Ok(Err(refused(error))),
        };
        let segments = names.iter().filter_map(|name| segment::parse_name(name));
        let mut bases: Vec<_> =
            segments.filter(|(of, _)| *of == stream).map(|(_, base)| base).collect();
        bases.sort_unstable();
        for base in bases {
            if let Err(error) = self.disk.remove(&segment::name(stream, base)) {
                return Ok(Err(refused(error)));
            }
            // After each: a power loss must not bring back an older one without the newer.
            self.disk.sync_directory(SyncPoint::Removal)?;
        }
        Ok(Ok(()))
    }

    fn commit(&mut self) -> io::Result<()> {
        let (touched, rolled) = (mem::take(&mut self.touched), mem::take(&mut self.rolled));
        let mut files = Vec::with_capacity(touched.len());
        for stream in &touched {
            let writing = self.writing(*stream);
            writing.flush()?;
            files.push(writing.file());
        }
        self.syncs.sync(&files)?;
        for stream in &touched {
            self.writing(*stream).synced();
        }
        let now = self.clock.now();
        if self.shared.inbox.is_idle() {
            // Otherwise the records of the next round say the same.
            for stream in &touched {
                self.writing(*stream).mark(now)?;
            }
        }
        let disk = Arc::clone(&self.disk);
        let desk = Desk { disk: &*disk, segment_bytes: self.segment_bytes, now };
        for stream in &rolled {
            self.writing(*stream).sweep(&desk)?;
        }
        Ok(())
    }

    fn writing(&mut self, stream: Stream) -> &mut Writing {
        self.streams.get_mut(&stream).expect("a stream that was touched is there")
    }

    fn sweep(&mut self) -> io::Result<()> {
        let desk =
            Desk { disk: &*self.disk, segment_bytes: self.segment_bytes, now: self.clock.now() };
        for writing in self.streams.values_mut() {
            writing.sweep(&desk)?;
        }
        Ok(())
    }

    fn fail(&mut self, error: &io::Error) {
        tracing::error!(%error, "the event log has stopped: the disk failed");
        for writing in self.streams.values_mut() {
            writing.refuse(STOPPED);
        }
        self.shared.inbox.refuse_all(STOPPED);
        self.shared.failed.cancel();
    }
}

/// What every caller hears after the disk has failed.
const STOPPED: &str = "the log has stopped after a failed sync or write";

fn stopped() -> Error {
    Error::Unavailable(STOPPED.to_owned())
}
