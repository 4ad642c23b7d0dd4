//! What waits for each lane, and what is under way.
//!
//! A lane has at most one unconfirmed frame; what comes meanwhile gathers for the next. That keeps its order whatever
//! happens to a frame, and makes frames large exactly when there is much to send.

use std::collections::VecDeque;
use std::time::Instant;

use bytes::Bytes;
use tripline_bus::Lane;
use tripline_event::Frame;
use tripline_kernel::Uid;
use twox_hash::XxHash3_64;

use super::progress::Seq;

/// Most bytes of lane entries that one router holds; one event may go beyond it once.
const BYTES_MAX: usize = 16 << 20;

/// The lanes of one router.
pub(crate) struct Lanes {
    queues: Vec<Queue>,
    entries_max: usize,
    entries: usize,
    bytes: usize,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Bytes>,
    /// Which frames of the log the waiting entries are of, in order.
    waiting_of: VecDeque<Run>,
    under_way: Option<UnderWay>,
}

/// Successive lane entries made of one frame of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) seq: Seq,
    pub(crate) entries: usize,
}

struct UnderWay {
    runs: Vec<Run>,
    bytes: usize,
    since: Instant,
}

/// A lane frame that was confirmed.
pub(crate) struct Confirmed {
    pub(crate) runs: Vec<Run>,
    pub(crate) sent_at: Instant,
}

impl Lanes {
    /// `lanes` lanes that hold about `entries_max` entries at most.
    pub(crate) fn new(lanes: u16, entries_max: usize) -> Self {
        let queues = (0..lanes.max(1)).map(|_| Queue::default()).collect();
        Self { queues, entries_max, entries: 0, bytes: 0 }
    }

    /// Whether another entry may be put in.
    pub(crate) fn has_room(&self) -> bool {
        self.entries < self.entries_max && self.bytes < BYTES_MAX
    }

    /// The lane of what `trigger` gets of events with this key.
    pub(crate) fn lane_of(&self, trigger: Uid, key_hash: u64) -> usize {
        let mut key = [0; 24];
        key[..16].copy_from_slice(trigger.as_bytes());
        key[16..].copy_from_slice(&key_hash.to_le_bytes());
        let lane = XxHash3_64::oneshot(&key) % self.queues.len() as u64;
        usize::try_from(lane).expect("there are at most 65,535 lanes")
    }

    /// Puts an entry, made of the log frame `seq`, at the end of its lane.
    pub(crate) fn push(&mut self, lane: usize, entry: Bytes, seq: Seq) {
        self.entries += 1;
        self.bytes += entry.len();
        let queue = &mut self.queues[lane];
        queue.waiting.push_back(entry);
        match queue.waiting_of.back_mut() {
            Some(run) if run.seq == seq => run.entries += 1,
            _ => queue.waiting_of.push_back(Run { seq, entries: 1 }),
        }
    }

    /// The frames that may go out now. Each is to be published until it is [`Self::confirmed`].
    pub(crate) fn take_ready(&mut self, now: Instant) -> Vec<(Lane, Frame)> {
        let mut ready = Vec::new();
        for (lane, queue) in (0..).map(Lane).zip(&mut self.queues) {
            if queue.under_way.is_none() && !queue.waiting.is_empty() {
                ready.push((lane, queue.take(now)));
            }
        }
        ready
    }

    /// The lane's frame was confirmed.
    pub(crate) fn confirmed(&mut self, lane: Lane) -> Option<Confirmed> {
        let UnderWay { runs, bytes, since } =
            self.queues.get_mut(usize::from(lane.0))?.under_way.take()?;
        self.entries -= runs.iter().map(|run| run.entries).sum::<usize>();
        self.bytes -= bytes;
        Some(Confirmed { runs, sent_at: since })
    }
}

impl Queue {
    fn take(&mut self, now: Instant) -> Frame {
        let (mut entries, mut bytes) = (0, 0);
        for entry in self.waiting.iter().take(Frame::ENTRIES_MAX) {
            if entries > 0 && bytes + entry.len() > Frame::BYTES_SOFT_MAX {
                break;
            }
            entries += 1;
            bytes += entry.len();
        }
        let frame = Frame::new(self.waiting.drain(..entries).collect());
        let mut runs = Vec::new();
        while entries > 0 {
            let run = self.waiting_of.front_mut().expect("each waiting entry is of some frame");
            let taken = run.entries.min(entries);
            runs.push(Run { seq: run.seq, entries: taken });
            run.entries -= taken;
            entries -= taken;
            if run.entries == 0 {
                self.waiting_of.pop_front();
            }
        }
        self.under_way = Some(UnderWay { runs, bytes, since: now });
        frame
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use bytes::Bytes;
    use tripline_bus::Lane;
    use tripline_event::Frame;

    use super::{Lanes, Run};

    #[test]
    fn a_lane_has_one_frame_under_way_and_gathers_the_next() {
        let now = Instant::now();
        let mut lanes = Lanes::new(2, 1000);
        for seq in 0..3 {
            lanes.push(1, Bytes::from(vec![0]), seq);
            lanes.push(1, Bytes::from(vec![1]), seq);
        }
        let ready = lanes.take_ready(now);
        assert_eq!(ready.len(), 1);
        assert_eq!((ready[0].0, ready[0].1.entries().len()), (Lane(1), 6));
        lanes.push(1, Bytes::from_static(b"next"), 3);
        assert!(lanes.take_ready(now).is_empty());
        let runs = [0, 1, 2].map(|seq| Run { seq, entries: 2 });
        assert_eq!(lanes.confirmed(Lane(1)).unwrap().runs, runs);
        assert_eq!(lanes.take_ready(now).len(), 1);
        assert_eq!(lanes.confirmed(Lane(1)).unwrap().runs, [Run { seq: 3, entries: 1 }]);
        assert_eq!((lanes.entries, lanes.bytes), (0, 0));
        assert!(lanes.confirmed(Lane(1)).is_none());
    }

    #[test]
    fn frames_keep_to_their_limits() {
        let now = Instant::now();
        let mut lanes = Lanes::new(1, 10_000);
        for seq in 0..300 {
            lanes.push(0, Bytes::from_static(b"x"), seq / 200);
        }
        assert_eq!(lanes.take_ready(now)[0].1.entries().len(), Frame::ENTRIES_MAX);
        let runs = lanes.confirmed(Lane(0)).unwrap().runs;
        assert_eq!(runs, [Run { seq: 0, entries: 200 }, Run { seq: 1, entries: 56 }]);
        assert_eq!(lanes.take_ready(now)[0].1.entries().len(), 44);
        lanes.confirmed(Lane(0));
        for size in [Frame::BYTES_SOFT_MAX - 1, 1, 1, 2 * Frame::BYTES_SOFT_MAX] {
            lanes.push(0, Bytes::from(vec![0; size]), 2);
        }
        for entries in [2, 1, 1] {
            assert_eq!(lanes.take_ready(now)[0].1.entries().len(), entries);
            lanes.confirmed(Lane(0));
        }
    }
}
