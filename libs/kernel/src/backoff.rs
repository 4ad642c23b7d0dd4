//! The wait before a retry.

use std::time::Duration;

/// The wait before retry `attempt` (1 is the first): full jitter under a doubling cap.
///
/// `unit_random` is a draw from [0, 1).
#[must_use]
pub fn backoff(attempt: u32, base: Duration, cap: Duration, unit_random: f64) -> Duration {
    debug_assert!(attempt >= 1, "attempt 0 is the first try, which never waits");
    debug_assert!((0.0..1.0).contains(&unit_random), "pass a draw from [0, 1)");
    let ceiling = base.saturating_mul(2_u32.saturating_pow(attempt.saturating_sub(1))).min(cap);
    ceiling.mul_f64(unit_random)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::backoff;

    proptest! {
        #[test]
        fn never_above_the_cap_and_doubles_below_it(attempt in 1_u32..10_000, unit in 0.0..1.0_f64) {
            let (base, cap) = (Duration::from_millis(100), Duration::from_secs(60));
            let wait = backoff(attempt, base, cap, unit);
            prop_assert!(wait <= cap);
            prop_assert!(attempt > 9 || wait <= base * 2_u32.pow(attempt - 1));
        }
    }
}
