//! The dedupe window: which events have been seen lately.
//!
//! It slides with the events' own times of acceptance, so that reading the same stretch of the log again gives the same
//! window, whenever that is. An event is a copy while the latest one of its identity is inside the window: a copy
//! prolongs it. Counted from the first one, the window could not be rebuilt from the log, which does not say which of
//! several copies was taken for the first.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use tripline_bus::Offset;
use tripline_kernel::Timestamp;

/// Windows of at least this many events are shrunk when they have become mostly empty.
const SHRINK_FROM: usize = 4096;

/// The identities of the events seen within the window.
pub(crate) struct Window {
    events_max: usize,
    /// The number of the latest event of each identity.
    latest: HashMap<u128, u64>,
    order: VecDeque<Seen>,
    /// The number of the first in `order`.
    first: u64,
    newest: Timestamp,
}

struct Seen {
    identity: u128,
    accepted_at: Timestamp,
    frame: Offset,
}

impl Window {
    /// An empty window that holds at most `events_max` events; the oldest leave first.
    pub(crate) fn new(events_max: usize) -> Self {
        Self {
            events_max,
            latest: HashMap::new(),
            order: VecDeque::new(),
            first: 0,
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
        self.newest = self.newest.max(accepted_at);
        self.expire(self.newest.before(span));
        let number = self.first + self.order.len() as u64;
        let copy = self.latest.insert(identity, number).is_some();
        self.order.push_back(Seen { identity, accepted_at, frame });
        if self.order.len() > self.events_max {
            self.forget_oldest();
        }
        copy
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
            self.latest.shrink_to(self.order.len() * 2);
        }
    }

    fn forget_oldest(&mut self) {
        let Some(oldest) = self.order.pop_front() else { return };
        if self.latest.get(&oldest.identity) == Some(&self.first) {
            self.latest.remove(&oldest.identity);
        }
        self.first += 1;
    }

    fn clear(&mut self) {
        if !self.order.is_empty() {
            *self = Self::new(self.events_max);
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
    fn a_copy_is_one_within_the_window_of_the_one_before() {
        let mut window = Window::new(100);
        assert!(!window.is_copy(1, at(0), 0, SPAN));
        assert!(window.is_copy(1, at(9), 1, SPAN));
        assert!(window.is_copy(1, at(18), 2, SPAN), "a copy prolongs the window");
        assert_eq!(window.start(3), 1, "what left the window need not be read again");
        assert!(!window.is_copy(1, at(28), 3, SPAN));
        assert!(!window.is_copy(1, at(28), 4, Duration::ZERO), "no window, no copies");
    }

    #[test]
    fn the_window_is_bounded_and_its_oldest_leave_first() {
        let mut window = Window::new(2);
        for identity in 0..3 {
            assert!(!window.is_copy(identity, at(0), u64::try_from(identity).unwrap(), SPAN));
        }
        assert_eq!(window.start(9), 1);
        assert!(window.is_copy(1, at(0), 3, SPAN));
        assert_eq!(window.start(9), 2);
        assert!(!window.is_copy(0, at(0), 4, SPAN));
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
