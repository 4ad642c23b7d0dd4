//! Where rows stand in their table.
//!
//! A sequence number is the millisecond of admission, a counter, and the slot of the epoch that gave it, so it is known
//! before the row is written, needs no round trip, is unique among replicas, and orders rows by time: what is new is
//! appended at the end of every index that has it, lists go backwards by it, and a time range is a range of it.

use tripline_kernel::Timestamp;

/// 2025-01-01T00:00:00Z. 41 bits of milliseconds last from there until 2094.
const BASE_MS: i64 = 1_735_689_600_000;
const COUNTER_BITS: u32 = 12;
const SLOT_BITS: u32 = 10;
/// Epochs that can live at the same time.
pub(super) const SLOTS: i16 = 1 << SLOT_BITS;

/// Gives out sequence numbers, rising even when the clock is set back.
#[derive(Debug)]
pub(crate) struct Sequence {
    slot: i64,
    last_tick: i64,
}

impl Sequence {
    /// Numbers of the epoch in `slot`, all above `after`.
    pub(crate) fn new(slot: i16, after: i64) -> Self {
        Self { slot: slot.into(), last_tick: after >> SLOT_BITS }
    }

    /// The next number.
    pub(crate) fn next(&mut self, now: Timestamp) -> i64 {
        let millis = (now.as_micros() / 1000 - BASE_MS).max(0);
        self.last_tick = (self.last_tick + 1).max(millis << COUNTER_BITS);
        self.last_tick << SLOT_BITS | self.slot
    }
}

/// When the row with this number was admitted, to the millisecond.
pub(super) fn admitted_at(seq: i64) -> Timestamp {
    let millis = (seq >> (SLOT_BITS + COUNTER_BITS)) + BASE_MS;
    Timestamp::from_micros(millis.saturating_mul(1000))
}

/// The lowest number of a row admitted at `time` or later.
pub(super) fn first_at(time: Timestamp) -> i64 {
    let micros = time.as_micros();
    let millis = micros.div_euclid(1000) + i64::from(micros.rem_euclid(1000) != 0);
    let millis = (millis - BASE_MS).clamp(0, i64::MAX >> (SLOT_BITS + COUNTER_BITS));
    millis << (SLOT_BITS + COUNTER_BITS)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tripline_kernel::Timestamp;

    use super::{Sequence, admitted_at, first_at};

    #[test]
    fn numbers_rise_tell_their_time_and_never_meet_those_of_another_slot() {
        let now: Timestamp = "2026-01-31T12:00:00.123Z".parse().unwrap();
        let (mut one, mut other) = (Sequence::new(1, 0), Sequence::new(2, 0));
        let mut last = 0;
        for step in [0, 0, 0, 5, 5, 3] {
            let at = now.after(Duration::from_millis(step));
            let number = one.next(at);
            assert!(number > last);
            assert_ne!(number, other.next(at));
            last = number;
        }
        let number = Sequence::new(1023, 0).next(now);
        assert_eq!(admitted_at(number), now);
        assert!(first_at(now) <= number && number < first_at(now.after(Duration::from_millis(1))));
        assert!(Sequence::new(3, last).next(Timestamp::from_micros(0)) > last);
        assert_eq!(first_at(Timestamp::from_micros(0)), 0);
        assert!(first_at(Timestamp::from_micros(i64::MAX)) > last);
    }
}
