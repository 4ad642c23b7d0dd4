//! How far a partition is done with: everything below a place is confirmed, so the checkpoint may move there.
//!
//! Frames are opened in the order of the log, and end in any. What a frame changed (definitions, counts, the dedupe
//! window) counts only once the frame and all before it are done, so that what is stored with a checkpoint is what was
//! in force exactly there.

use std::collections::VecDeque;

use tripline_bus::Offset;

use super::definitions::{Change, Definitions};
use crate::store::Checkpoint;

/// Identifies an open frame; rises by one with each.
pub(crate) type Seq = u64;

/// The frames that are not done with, and the place below them.
pub(crate) struct Progress {
    checkpoint: Checkpoint,
    definitions: Definitions,
    definitions_changed: bool,
    first: Seq,
    frames: VecDeque<OpenFrame>,
}

/// A frame of the log that is being routed.
#[derive(Default)]
pub(crate) struct OpenFrame {
    /// Lane entries made of it that are not confirmed.
    unconfirmed: usize,
    end: Option<End>,
    pub(crate) accepted: u64,
    pub(crate) deduplicated: u64,
    pub(crate) changes: Vec<Change>,
}

/// The place behind a frame that has been read to its end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End {
    pub(crate) next: Offset,
    pub(crate) dedupe_start: Offset,
}

impl Progress {
    pub(crate) fn new(checkpoint: Checkpoint, definitions: Definitions) -> Self {
        let frames = VecDeque::new();
        Self { checkpoint, definitions, definitions_changed: false, first: 0, frames }
    }

    /// Opens the next frame.
    pub(crate) fn open(&mut self) -> Seq {
        self.frames.push_back(OpenFrame::default());
        self.first + self.frames.len() as u64 - 1
    }

    /// The frame that was opened last and is still being read.
    pub(crate) fn current(&mut self) -> &mut OpenFrame {
        self.frames.back_mut().expect("a frame that is being read was opened and cannot be done")
    }

    /// A lane entry was made of the frame that was opened last.
    pub(crate) fn sent(&mut self) {
        self.current().unconfirmed += 1;
    }

    /// The frame that was opened last has been read to its end.
    pub(crate) fn close(&mut self, end: End) {
        self.current().end = Some(end);
        self.settle();
    }

    /// That many lane entries of this frame have been confirmed. [`Self::settle`] then moves the checkpoint.
    pub(crate) fn confirmed(&mut self, seq: Seq, entries: usize) {
        let index = usize::try_from(seq - self.first).expect("open frames are few");
        self.frames[index].unconfirmed -= entries;
    }

    /// Moves the checkpoint past the frames that are done with.
    pub(crate) fn settle(&mut self) {
        while let Some(OpenFrame { unconfirmed: 0, end: Some(end), .. }) = self.frames.front() {
            let end = *end;
            let frame = self.frames.pop_front().expect("it was there a line ago");
            self.first += 1;
            self.checkpoint.next = end.next;
            self.checkpoint.dedupe_start = end.dedupe_start;
            self.checkpoint.accepted += frame.accepted;
            self.checkpoint.deduplicated += frame.deduplicated;
            self.definitions_changed |= !frame.changes.is_empty();
            for change in frame.changes {
                self.definitions.apply(change);
            }
        }
    }

    /// How many frames are open.
    pub(crate) fn open_frames(&self) -> usize {
        self.frames.len()
    }

    pub(crate) fn checkpoint(&self) -> Checkpoint {
        self.checkpoint
    }

    /// The definitions in force at the checkpoint, if they have changed since this was last asked.
    pub(crate) fn take_changed_definitions(&mut self) -> Option<String> {
        std::mem::take(&mut self.definitions_changed).then(|| self.definitions.to_json())
    }

    /// What [`Self::take_changed_definitions`] gave could not be stored.
    pub(crate) fn give_back_definitions(&mut self) {
        self.definitions_changed = true;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tripline_event::TriggerDefinition;
    use tripline_kernel::Uid;

    use super::{Change, Definitions, End, Progress};
    use crate::store::Checkpoint;

    #[test]
    fn the_checkpoint_waits_for_the_oldest_frame_and_holds_what_was_in_force_there() {
        let mut progress = Progress::new(Checkpoint::default(), Definitions::default());
        let first = progress.open();
        progress.current().accepted = 2;
        progress.sent();
        progress.sent();
        progress.close(End { next: 1, dedupe_start: 0 });
        let second = progress.open();
        let definition = TriggerDefinition { source: None, pattern: None, function: Uid::NIL };
        let change = Change::Trigger {
            trigger: Uid::NIL,
            revision: 1,
            definition: Some(Arc::new(definition)),
        };
        progress.current().changes.push(change);
        progress.sent();
        progress.close(End { next: 2, dedupe_start: 0 });
        progress.confirmed(second, 1);
        progress.confirmed(first, 1);
        progress.settle();
        assert_eq!(progress.checkpoint().next, 0, "one entry of the first frame is not confirmed");
        assert_eq!(progress.take_changed_definitions(), None);
        progress.confirmed(first, 1);
        progress.settle();
        assert_eq!(progress.checkpoint().next, 2);
        assert_eq!(progress.checkpoint().accepted, 2);
        assert!(progress.take_changed_definitions().is_some());
        assert_eq!(progress.open_frames(), 0);
    }
}
