//! What waits for each lane, and what is under way.
//!
//! A lane has at most one unconfirmed frame; what comes meanwhile gathers for the next. That keeps its order whatever
//! happens to a frame, and makes frames large when there is much to send. A frame costs a broker about as much as the
//! entries in it, so one that is not full waits a moment longer when the router is behind anyway.
//!
//! Without a backlog, a trigger's events are spread over all lanes, so that few wait behind another's frame. With one,
//! those of a partition share a lane, so that frames do not scatter. Either way a key has one lane, and the one way ends
//! before the other begins: so a key's order holds.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tripline_bus::Lane;
use tripline_event::Frame;
use tripline_kernel::Uid;
use twox_hash::XxHash3_64;

use super::progress::Seq;

/// Most bytes of lane entries that one router holds; one event may go beyond it once.
const BYTES_MAX: usize = 16 << 20;
/// Least time between two frames of a lane that are not full, while the router is behind.
const GATHER_FOR: Duration = Duration::from_millis(25);

/// The lanes of one router.
pub(crate) struct Lanes {
    partition: u16,
    queues: Vec<Queue>,
    entries_max: usize,
    entries: usize,
    bytes: usize,
    /// Whether the router is behind.
    behind: bool,
    /// Whether the entries that are in were spread as for a router that is behind.
    gathers: bool,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Bytes>,
    /// Which frames of the log the waiting entries are of, in order.
    waiting_of: VecDeque<Run>,
    waiting_bytes: usize,
    under_way: Option<UnderWay>,
    sent_at: Option<Instant>,
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
    /// `lanes` lanes that hold about `entries_max` entries of this partition at most.
    pub(crate) fn new(partition: u16, lanes: u16, entries_max: usize) -> Self {
        let queues = (0..lanes.max(1)).map(|_| Queue::default()).collect();
        let (behind, gathers) = (false, false);
        Self { partition, queues, entries_max, entries: 0, bytes: 0, behind, gathers }
    }

    /// Whether another entry may be put in.
    pub(crate) fn has_room(&self) -> bool {
        self.gathers == self.behind && self.entries < self.entries_max && self.bytes < BYTES_MAX
    }

    /// Says whether the router is behind, which decides how entries are spread once all that were put in are confirmed.
    pub(crate) fn aim(&mut self, behind: bool) {
        self.behind = behind;
        self.settle();
    }

    fn settle(&mut self) {
        if self.entries == 0 {
            self.gathers = self.behind;
        }
    }

    /// The lane of what `trigger` gets of events with this key.
    pub(crate) fn lane_of(&self, trigger: Uid, key_hash: u64) -> usize {
        let first = XxHash3_64::oneshot(trigger.as_bytes());
        let step = if self.gathers { self.partition.into() } else { key_hash };
        let lane = first.wrapping_add(step) % self.queues.len() as u64;
        usize::try_from(lane).expect("there are at most 65,535 lanes")
    }

    /// Puts an entry, made of the log frame `seq`, at the end of its lane.
    pub(crate) fn push(&mut self, lane: usize, entry: Bytes, seq: Seq) {
        self.entries += 1;
        self.bytes += entry.len();
        let queue = &mut self.queues[lane];
        queue.waiting_bytes += entry.len();
        queue.waiting.push_back(entry);
        match queue.waiting_of.back_mut() {
            Some(run) if run.seq == seq => run.entries += 1,
            _ => queue.waiting_of.push_back(Run { seq, entries: 1 }),
        }
    }

    /// The frames that may go out now. Each is to be published until it is [`Self::confirmed`].
    pub(crate) fn take_ready(&mut self, now: Instant) -> Vec<(Lane, Frame)> {
        let (mut ready, gathers) = (Vec::new(), self.gathers);
        for (lane, queue) in (0..).map(Lane).zip(&mut self.queues) {
            if queue.ready_at(gathers).is_some_and(|at| at.is_none_or(|at| at <= now)) {
                ready.push((lane, queue.take(now)));
            }
        }
        ready
    }

    /// When a frame that gathers may go out; `None` when none does, or only a confirmation helps.
    pub(crate) fn next_ready(&self) -> Option<Instant> {
        self.queues.iter().filter_map(|queue| queue.ready_at(self.gathers).flatten()).min()
    }

    /// The lane's frame was confirmed.
    pub(crate) fn confirmed(&mut self, lane: Lane) -> Option<Confirmed> {
        let UnderWay { runs, bytes, since } =
            self.queues.get_mut(usize::from(lane.0))?.under_way.take()?;
        self.entries -= runs.iter().map(|run| run.entries).sum::<usize>();
        self.bytes -= bytes;
        self.settle();
        Some(Confirmed { runs, sent_at: since })
    }
}

impl Queue {
    /// When the next frame may go out: at once, or at that time; `None` while there is none, or one is under way.
    fn ready_at(&self, gathers: bool) -> Option<Option<Instant>> {
        if self.under_way.is_some() || self.waiting.is_empty() {
            return None;
        }
        let full =
            self.waiting.len() >= Frame::ENTRIES_MAX || self.waiting_bytes >= Frame::BYTES_SOFT_MAX;
        let gathers = gathers && !full;
        Some(self.sent_at.filter(|_| gathers).map(|sent_at| sent_at + GATHER_FOR))
    }

    fn take(&mut self, now: Instant) -> Frame {
        let (mut entries, mut bytes) = (0, 0);
        for entry in self.waiting.iter().take(Frame::ENTRIES_MAX) {
            if entries > 0 && bytes + entry.len() > Frame::BYTES_SOFT_MAX {
                break;
            }
            entries += 1;
            bytes += entry.len();
        }
        self.waiting_bytes -= bytes;
        self.sent_at = Some(now);
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
    use std::collections::HashSet;
    use std::time::Instant;

    use bytes::Bytes;
    use tripline_bus::Lane;
    use tripline_event::Frame;
    use tripline_kernel::Uid;

    use super::{GATHER_FOR, Lanes, Run};

    #[test]
    fn a_router_that_is_behind_gathers_until_a_frame_is_full_or_a_moment_has_passed() {
        let start = Instant::now();
        let mut lanes = Lanes::new(0, 1, 1000);
        lanes.aim(true);
        let sent = |lanes: &mut Lanes, now| -> Vec<usize> {
            let ready = lanes.take_ready(now).into_iter();
            ready.map(|(_, frame)| frame.entries().len()).collect()
        };
        lanes.push(0, Bytes::from_static(b"1"), 0);
        assert_eq!(sent(&mut lanes, start), [1], "nothing went before it");
        lanes.push(0, Bytes::from_static(b"2"), 1);
        assert_eq!(lanes.next_ready(), None, "one is under way");
        lanes.confirmed(Lane(0));
        assert!(sent(&mut lanes, start).is_empty());
        assert_eq!(lanes.next_ready(), Some(start + GATHER_FOR));
        lanes.push(0, Bytes::from_static(b"3"), 2);
        assert_eq!(sent(&mut lanes, start + GATHER_FOR), [2]);
        lanes.confirmed(Lane(0));
        for seq in 0..Frame::ENTRIES_MAX as u64 {
            lanes.push(0, Bytes::from_static(b"x"), seq);
        }
        assert_eq!(sent(&mut lanes, start + GATHER_FOR), [Frame::ENTRIES_MAX]);
    }

    #[test]
    fn how_entries_are_spread_changes_only_when_none_is_in() {
        let (trigger, now) = (Uid::from_bytes([7; 16]), Instant::now());
        let all = |lanes: &Lanes| -> HashSet<usize> {
            (0..16).map(|key| lanes.lane_of(trigger, key)).collect()
        };
        let mut lanes = Lanes::new(3, 16, 1000);
        assert_eq!(all(&lanes).len(), 16);
        lanes.push(5, Bytes::from_static(b"1"), 0);
        lanes.aim(true);
        assert_eq!((all(&lanes).len(), lanes.has_room()), (16, false));
        lanes.take_ready(now);
        lanes.confirmed(Lane(5));
        assert_eq!((all(&lanes).len(), lanes.has_room()), (1, true));
        let mut other = Lanes::new(2, 16, 1000);
        other.aim(true);
        assert!(all(&other).is_disjoint(&all(&lanes)), "each partition has a lane of its own");
    }

    #[test]
    fn a_lane_has_one_frame_under_way_and_gathers_the_next() {
        let now = Instant::now();
        let mut lanes = Lanes::new(0, 2, 1000);
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
        let mut lanes = Lanes::new(0, 1, 10_000);
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
