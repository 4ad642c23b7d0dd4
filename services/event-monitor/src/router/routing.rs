//! The routing of one partition as a state machine: frames of the log go in, frames for the lanes and a checkpoint
//! come out. It does no IO and waits for nothing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tripline_bus::{Lane, Offset, Record, Stream};
use tripline_event::{
    Accepted, Frame, InvocationId, LaneEntry, LogEntry, Marker, Occurrence, Subject,
    TriggerDefinition,
};
use tripline_kernel::{Timestamp, Uid};
use tripline_trace::{Kind, Span, Tracer};

use super::definitions::{Change, Definitions};
use super::lanes::{Confirmed, Lanes};
use super::matching::{Hit, Matching};
use super::progress::{End, Progress, Seq};
use super::window::Window;
use crate::store::{Checkpoint, Partition};

/// Most frames of the log that are open at once. A lane that stands still thus stops the partition even if nothing
/// that follows wants to go there.
const OPEN_FRAMES_MAX: usize = 4096;

/// What the routing is bounded by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) lanes: u16,
    /// Most lane entries in flight.
    pub(crate) entries_max: usize,
    /// Most identities in the dedupe window.
    pub(crate) dedupe_identities_max: usize,
}

/// What holds for a frame when it is read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    /// Events accepted before this are past the bus's retention.
    pub(crate) retained_from: Timestamp,
    pub(crate) dedupe_window: Duration,
    /// Whether what is read has waited.
    pub(crate) behind: bool,
}

/// An entry of the log that this version cannot read.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the entry {index} of the frame at offset {offset} cannot be read")]
pub(crate) struct Unreadable {
    offset: Offset,
    index: usize,
}

/// The routing of one partition.
pub(crate) struct Routing {
    partition: Partition,
    /// Frames below this are read for the dedupe window only.
    resume_at: Offset,
    /// The next frame to read.
    reading: Offset,
    window: Window,
    matching: Matching,
    /// What is in force where the log is being read.
    in_force: Definitions,
    progress: Progress,
    lanes: Lanes,
    cursor: Option<Cursor>,
    hits: Vec<Hit>,
    expired: u64,
    newest: Option<Timestamp>,
    tracer: Tracer,
}

/// A frame that is being routed.
struct Cursor {
    seq: Seq,
    offset: Offset,
    index: usize,
    entries: std::vec::IntoIter<Bytes>,
    /// The event that still has to go to the triggers in `Routing::hits`.
    fanning: Option<Fanning>,
    /// Ends when that event has gone to all of them.
    span: Option<Span>,
}

struct Fanning {
    entry: LaneEntry,
    key_hash: u64,
}

impl Routing {
    /// Goes on from a checkpoint.
    pub(crate) fn new(
        partition: Partition,
        checkpoint: Checkpoint,
        definitions: Definitions,
        limits: Limits,
    ) -> Self {
        let mut routing = Self {
            partition,
            resume_at: checkpoint.next,
            reading: checkpoint.next.min(checkpoint.dedupe_start),
            window: Window::new(limits.dedupe_identities_max),
            matching: Matching::default(),
            in_force: Definitions::default(),
            progress: Progress::new(checkpoint, definitions.clone()),
            lanes: Lanes::new(partition.stream.partition, limits.lanes, limits.entries_max),
            cursor: None,
            hits: Vec::new(),
            expired: 0,
            newest: None,
            tracer: Tracer::default(),
        };
        routing.put_in_force(definitions);
        routing
    }

    /// Makes a span for each event of a sampled trace from here on.
    pub(crate) fn traced(self, tracer: Tracer) -> Self {
        Self { tracer, ..self }
    }

    /// Where the log is to be read from.
    pub(crate) fn reading(&self) -> Offset {
        self.reading
    }

    /// The first frame whose loss would lose events.
    pub(crate) fn needed_from(&self) -> Offset {
        self.reading.max(self.resume_at)
    }

    /// Whether the next frame of the log may come.
    pub(crate) fn wants_more(&self) -> bool {
        self.cursor.is_none() && self.progress.open_frames() < OPEN_FRAMES_MAX
    }

    /// Takes a frame of the log in, and routes what there is room for.
    pub(crate) fn take(&mut self, record: Record, terms: &Terms) -> Result<(), Unreadable> {
        debug_assert!(self.cursor.is_none(), "one frame at a time");
        let offset = record.offset;
        self.reading = offset + 1;
        let entries = record.frame.into_entries();
        if offset < self.resume_at {
            return self.look_back(offset, entries, terms);
        }
        let seq = self.progress.open();
        let entries = entries.into_iter();
        self.cursor = Some(Cursor { seq, offset, index: 0, entries, fanning: None, span: None });
        self.advance(terms)
    }

    /// Goes on with the frame at hand as far as there is room.
    pub(crate) fn advance(&mut self, terms: &Terms) -> Result<(), Unreadable> {
        self.lanes.aim(terms.behind);
        let Some(mut cursor) = self.cursor.take() else { return Ok(()) };
        loop {
            self.fan_out(&mut cursor);
            if !self.lanes.has_room() {
                self.cursor = Some(cursor);
                return Ok(());
            }
            let Some(entry) = cursor.entries.next() else {
                let next = cursor.offset + 1;
                self.progress.close(End { next, dedupe_start: self.window.start(next) });
                return Ok(());
            };
            let unreadable = Unreadable { offset: cursor.offset, index: cursor.index };
            cursor.index += 1;
            match LogEntry::decode(entry).map_err(|_| unreadable)? {
                LogEntry::Event(accepted) => self.meet(accepted, &mut cursor, terms),
                LogEntry::Marker(marker) => self.obey(marker),
            }
        }
    }

    /// The frames that may go into the lanes now.
    pub(crate) fn take_ready(&mut self, now: Instant) -> Vec<(Lane, Frame)> {
        self.lanes.take_ready(now)
    }

    /// As [`Lanes::next_ready`].
    pub(crate) fn next_ready(&self) -> Option<Instant> {
        self.lanes.next_ready()
    }

    /// A lane has confirmed its frame. Answers when that frame was sent, and how many entries it had.
    pub(crate) fn confirmed(&mut self, lane: Lane) -> Option<(Instant, u64)> {
        let Confirmed { runs, sent_at } = self.lanes.confirmed(lane)?;
        let mut entries = 0;
        for run in runs {
            self.progress.confirmed(run.seq, run.entries);
            entries += run.entries as u64;
        }
        self.progress.settle();
        Some((sent_at, entries))
    }

    /// The log lost what should have been read before `first`: goes on from there, with these definitions.
    pub(crate) fn jump(&mut self, first: Offset, definitions: Definitions) {
        debug_assert!(self.cursor.is_none(), "a frame at hand is not lost");
        self.reading = first;
        self.resume_at = first;
        self.progress.open();
        let change = Change::Everything(Arc::new(definitions.clone()));
        self.progress.current().changes.push(change);
        self.progress.close(End { next: first, dedupe_start: self.window.start(first) });
        self.put_in_force(definitions);
    }

    /// The log lost frames that only the dedupe window needed.
    pub(crate) fn look_back_from(&mut self, first: Offset) {
        self.reading = first;
    }

    /// The place that everything before it is done with.
    pub(crate) fn checkpoint(&self) -> Checkpoint {
        self.progress.checkpoint()
    }

    /// As [`Progress::take_changed_definitions`].
    pub(crate) fn take_changed_definitions(&mut self) -> Option<String> {
        self.progress.take_changed_definitions()
    }

    /// As [`Progress::give_back_definitions`].
    pub(crate) fn give_back_definitions(&mut self) {
        self.progress.give_back_definitions();
    }

    /// How many events were past retention since this was last asked.
    pub(crate) fn take_expired(&mut self) -> u64 {
        std::mem::take(&mut self.expired)
    }

    /// When the event read last was accepted, if one was read since this was last asked.
    pub(crate) fn take_newest(&mut self) -> Option<Timestamp> {
        self.newest.take()
    }

    fn look_back(
        &mut self,
        offset: Offset,
        entries: Vec<Bytes>,
        terms: &Terms,
    ) -> Result<(), Unreadable> {
        for (index, entry) in entries.into_iter().enumerate() {
            let entry = LogEntry::decode(entry).map_err(|_| Unreadable { offset, index })?;
            // One past retention may not have been routed, so that no other may count as its copy.
            if let LogEntry::Event(accepted) = entry
                && accepted.accepted_at >= terms.retained_from
            {
                let (identity, at) = (accepted.identity(), accepted.accepted_at);
                self.window.is_copy(identity, at, offset, terms.dedupe_window);
            }
        }
        Ok(())
    }

    fn meet(&mut self, mut accepted: Accepted, cursor: &mut Cursor, terms: &Terms) {
        if accepted.accepted_at < terms.retained_from {
            self.expired += 1;
            return;
        }
        let (identity, at) = (accepted.identity(), accepted.accepted_at);
        if self.window.is_copy(identity, at, cursor.offset, terms.dedupe_window) {
            self.progress.current().deduplicated += 1;
            return;
        }
        self.progress.current().accepted += 1;
        self.newest = Some(at);
        let bus = self.partition.stream.bus;
        let key_hash = accepted.event.key_hash();
        let span = self.begin_span(&accepted);
        self.matching.ask(bus, &accepted, &mut self.hits);
        if let Some(mut span) = span {
            accepted.traceparent = Some(span.context().to_string().into());
            let triggers = i64::try_from(self.hits.len()).unwrap_or(i64::MAX);
            span.set("tripline.triggers", triggers);
            cursor.span = Some(span);
        }
        if self.hits.is_empty() {
            cursor.span = None;
            return;
        }
        // What differs from trigger to trigger is filled in for each.
        let entry = LaneEntry {
            invocation: InvocationId::from_bytes([0; 20]),
            tenant: self.partition.tenant,
            bus,
            trigger: Uid::NIL,
            revision: 0,
            function: Uid::NIL,
            subject: Subject::Bus(bus),
            accepted,
        };
        cursor.fanning = Some(Fanning { entry, key_hash });
    }

    fn begin_span(&self, accepted: &Accepted) -> Option<Span> {
        let traceparent = accepted.traceparent.as_deref();
        let mut span = self.tracer.continued(traceparent, Kind::Consumer, "process")?;
        span.set("messaging.system", "tripline");
        span.set("messaging.operation.name", "process");
        span.set("messaging.operation.type", "process");
        span.set("messaging.message.id", accepted.event.id().to_owned());
        let Stream { bus, partition } = self.partition.stream;
        span.set("messaging.destination.name", bus.to_string());
        span.set("messaging.destination.partition.id", partition.to_string());
        Some(span)
    }

    fn fan_out(&mut self, cursor: &mut Cursor) {
        let Some(Fanning { entry, key_hash }) = &mut cursor.fanning else { return };
        while self.lanes.has_room() {
            let Some(hit) = self.hits.pop() else {
                (cursor.fanning, cursor.span) = (None, None);
                return;
            };
            let Hit { trigger, revision, function, subject } = hit;
            let occurrence =
                Occurrence { tenant: entry.tenant, bus: entry.bus, trigger, replay: None };
            entry.invocation = InvocationId::of(&occurrence, &entry.accepted.event);
            (entry.trigger, entry.revision, entry.function) = (trigger, revision, function);
            entry.subject = subject;
            let lane = self.lanes.lane_of(trigger, *key_hash);
            self.lanes.push(lane, entry.encode(), cursor.seq);
            self.progress.sent();
        }
    }

    fn obey(&mut self, marker: Marker) {
        let Marker::Trigger { trigger, revision, definition } = marker else { return };
        if !self.in_force.is_news(trigger, revision) {
            return;
        }
        match &definition {
            Some(definition) => self.set(trigger, revision, definition),
            None => self.matching.remove(trigger),
        }
        let change = Change::Trigger { trigger, revision, definition: definition.map(Arc::new) };
        self.in_force.apply(change.clone());
        self.progress.current().changes.push(change);
    }

    fn put_in_force(&mut self, definitions: Definitions) {
        self.matching = Matching::default();
        for (trigger, revision, definition) in definitions.iter() {
            self.set(trigger, revision, definition);
        }
        self.in_force = definitions;
    }

    fn set(&mut self, trigger: Uid, revision: u64, definition: &TriggerDefinition) {
        if let Err(error) = self.matching.set(trigger, revision, definition) {
            tracing::error!(
                trigger.uid = %trigger, trigger.revision = revision, %error,
                "a trigger matches nothing on this replica: its pattern cannot be read; is it of a newer version?"
            );
        }
    }
}
