//! What the readers of a stream share with its writer: where the synced records are, and the newest of them.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard};

use tokio::sync::watch;

use crate::{Offset, Record};

/// Newest records of a stream that are kept in memory, in bytes, so that live readers need no disk.
const TAIL_BYTES_MAX: usize = 2 << 20;
/// What one entry costs besides its bytes, about.
const ENTRY_COST_BYTES: usize = 64;
/// Most records that a reader takes from memory at once.
const TAIL_TAKE_MAX: usize = 64;

/// A segment as readers may see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    /// The offset of its first frame.
    pub(super) base: Offset,
    /// How many of its bytes are synced.
    pub(super) bytes: u64,
}

/// The place right after a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The base of its segment.
    pub(super) base: Offset,
    /// The byte in the segment.
    pub(super) at: u64,
}

/// How far a stream has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct End {
    /// The offset of the next frame to come.
    pub(super) offset: Offset,
    /// Whether none will come any more, because the log is closed.
    pub(super) closed: bool,
}

/// A synced record, in memory.
pub(super) struct Tailed {
    pub(super) record: Record,
    pub(super) place: Place,
}

/// What a reader has to do to get the next records.
pub(super) enum Plan {
    /// Nothing: here they are, and the place after them.
    Take(Vec<Record>, Place),
    /// Read this segment.
    Read(Extent),
    /// Wait for the stream to grow.
    Wait,
    /// Give up: the stream starts here now.
    Gap(Offset),
}

/// The synced part of a stream.
pub(super) struct View {
    state: Mutex<State>,
    end: watch::Sender<End>,
}

struct State {
    /// Never empty; the last one is being written.
    extents: VecDeque<Extent>,
    end: Offset,
    tail: VecDeque<Tailed>,
    tail_bytes: usize,
}

impl View {
    /// A stream with these segments, one at least, whose next frame will stand at `end`.
    pub(super) fn new(extents: VecDeque<Extent>, end: Offset) -> Self {
        debug_assert!(!extents.is_empty(), "a stream has a segment");
        let state = State { extents, end, tail: VecDeque::new(), tail_bytes: 0 };
        let (end, _) = watch::channel(End { offset: end, closed: false });
        Self { state: Mutex::new(state), end }
    }

    /// Shows records that have just been synced. `extents` are all segments.
    pub(super) fn publish(
        &self,
        extents: impl Iterator<Item = Extent>,
        records: impl Iterator<Item = Tailed>,
    ) {
        let mut state = self.state();
        state.set_extents(extents);
        for tailed in records {
            state.end = tailed.record.offset + 1;
            state.tail_bytes += cost(&tailed.record);
            state.tail.push_back(tailed);
            while state.tail_bytes > TAIL_BYTES_MAX
                && let Some(oldest) = state.tail.pop_front()
            {
                state.tail_bytes -= cost(&oldest.record);
            }
        }
        let offset = state.end;
        drop(state);
        self.end.send_modify(|end| end.offset = offset);
    }

    /// Shows which segments are left.
    pub(super) fn set_extents(&self, extents: impl Iterator<Item = Extent>) {
        self.state().set_extents(extents);
    }

    /// Tells the readers that nothing more will come.
    pub(super) fn close(&self) {
        self.end.send_modify(|end| end.closed = true);
    }

    /// Follows the end of the stream.
    pub(super) fn follow(&self) -> watch::Receiver<End> {
        self.end.subscribe()
    }

    /// The offset of the first frame that is left.
    pub(super) fn first(&self) -> Offset {
        self.state().first()
    }

    /// How to read on from `from`.
    pub(super) fn plan(&self, from: Offset) -> Plan {
        let state = self.state();
        let first = state.first();
        if from < first {
            return Plan::Gap(first);
        }
        if from >= state.end {
            return Plan::Wait;
        }
        if let Some((records, place)) = state.tail_from(from) {
            return Plan::Take(records, place);
        }
        let after = state.extents.partition_point(|extent| extent.base <= from);
        Plan::Read(state.extents[after - 1])
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it holds this lock")
    }
}

impl State {
    fn first(&self) -> Offset {
        self.extents.front().map_or(self.end, |extent| extent.base)
    }

    fn set_extents(&mut self, extents: impl Iterator<Item = Extent>) {
        self.extents.clear();
        self.extents.extend(extents);
        let first = self.first();
        while self.tail.front().is_some_and(|oldest| oldest.record.offset < first)
            && let Some(oldest) = self.tail.pop_front()
        {
            self.tail_bytes -= cost(&oldest.record);
        }
    }

    /// Some records from `from` on, if the tail has that one. Offsets in the tail are dense.
    fn tail_from(&self, from: Offset) -> Option<(Vec<Record>, Place)> {
        let skip = usize::try_from(from.checked_sub(self.tail.front()?.record.offset)?).ok()?;
        let taken = self.tail.iter().skip(skip).take(TAIL_TAKE_MAX);
        let place = taken.clone().next_back()?.place;
        Some((taken.map(|tailed| tailed.record.clone()).collect(), place))
    }
}

fn cost(record: &Record) -> usize {
    record.frame.entries().iter().map(|entry| entry.len() + ENTRY_COST_BYTES).sum()
}
