//! The dedupe window: which events have been seen lately.
//!
//! It slides with the events' own times of acceptance, so that reading the same stretch of the log again gives the same
//! window, whenever that is. An event is a copy while the first one of its identity is inside the window.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use tripline_bus::Offset;
use tripline_kernel::Timestamp;

/// Sets of at least this many identities are shrunk when they have become mostly empty.
const SHRINK_FROM: usize = 4096;

/// The identities of the events seen within the window.
pub(crate) struct Window {
    identities_max: usize,
    seen: HashSet<u128>,
    order: VecDeque<Seen>,
    newest: Timestamp,
}

struct Seen {
    identity: u128,
    accepted_at: Timestamp,
    frame: Offset,
}

impl Window {
    /// An empty window that holds at most `identities_max` identities; the oldest leave first.
    pub(crate) fn new(identities_max: usize) -> Self {
        Self {
            identities_max,
            seen: HashSet::new(),
            order: VecDeque::new(),
            newest: Timestamp::from_micros(i64::MIN),
        }
    }

    /// Takes an event of the frame at offset `frame` in and answers whether it is a copy of an earlier one.
    pub(crate) fn is_copy(
        &mut self,
        identity: u128,
        accepted_at: Timestamp,
        frame: Offset,
        span: Duration,
    ) -> bool {
        if span.is_zero() {
            self.clear();
            return false;
        }
        self.expire(self.newest.max(accepted_at).before(span));
        if !self.seen.insert(identity) {
            return true;
        }
        self.newest = self.newest.max(accepted_at);
        self.order.push_back(Seen { identity, accepted_at, frame });
        if self.order.len() > self.identities_max {
            self.forget_oldest();
        }
        false
    }

    /// The frame from which on the log must be read to fill the window as it is now, were `next` read after it.
    pub(crate) fn start(&self, next: Offset) -> Offset {
        self.order.front().map_or(next, |oldest| oldest.frame)
    }

    fn expire(&mut self, until: Timestamp) {
        while self.order.front().is_some_and(|oldest| oldest.accepted_at <= until) {
            self.forget_oldest();
        }
        let capacity = self.order.capacity();
        if capacity >= SHRINK_FROM && self.order.len() < capacity / 8 {
            self.order.shrink_to(self.order.len() * 2);
            self.seen.shrink_to(self.order.len() * 2);
        }
    }

    fn forget_oldest(&mut self) {
        if let Some(oldest) = self.order.pop_front() {
            self.seen.remove(&oldest.identity);
        }
    }

    fn clear(&mut self) {
        if !self.order.is_empty() {
            *self = Self::new(self.identities_max);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;
    use tripline_kernel::Timestamp;

    use super::Window;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    const SPAN: Duration = Duration::from_secs(10);

    #[test]
    fn a_copy_is_one_within_the_window_of_the_first() {
        let mut window = Window::new(100);
        assert!(!window.is_copy(1, at(0), 0, SPAN));
        assert!(window.is_copy(1, at(9), 1, SPAN));
        assert!(!window.is_copy(1, at(10), 2, SPAN), "a copy does not prolong the window");
        assert!(!window.is_copy(1, at(10), 3, Duration::ZERO), "no window, no copies");
    }

    #[test]
    fn the_window_is_bounded_and_its_oldest_leave_first() {
        let mut window = Window::new(2);
        for identity in 0..3 {
            assert!(!window.is_copy(identity, at(0), u64::try_from(identity).unwrap(), SPAN));
        }
        assert!(window.is_copy(2, at(0), 3, SPAN));
        assert!(window.is_copy(1, at(0), 3, SPAN));
        assert_eq!(window.start(9), 1);
        assert!(!window.is_copy(0, at(0), 3, SPAN));
    }

    proptest! {
        #[test]
        fn reading_again_from_the_start_gives_the_same_answers(
            events in prop::collection::vec((0_u128..12, 0_i64..3), 1..80),
            cut in 0_usize..80,
        ) {
            let cut = cut.min(events.len());
            let mut time = 0;
            let events: Vec<_> = events.into_iter().map(|(identity, step)| { time += step; (identity, at(time)) }).collect();
            let mut whole = Window::new(8);
            let mut start = 0;
            let mut answers = Vec::new();
            for (offset, (identity, accepted_at)) in (0_u64..).zip(&events) {
                if usize::try_from(offset).unwrap() == cut {
                    start = whole.start(offset);
                }
                answers.push(whole.is_copy(*identity, *accepted_at, offset, SPAN));
            }
            let start = usize::try_from(start).unwrap();
            let mut again = Window::new(8);
            for (index, (identity, accepted_at)) in events.iter().enumerate().skip(start) {
                let answer = again.is_copy(*identity, *accepted_at, index as u64, SPAN);
                if index >= cut && cut < events.len() {
                    prop_assert_eq!(answer, answers[index]);
                }
            }
        }
    }
}
