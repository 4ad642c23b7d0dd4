//! How hard a trigger tries.

use tripline_kernel::Fault;

use crate::function::out_of_range;

/// The delivery policy of a trigger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Delivery {
    pub(crate) max_attempts: u32,
    pub(crate) max_age_seconds: u32,
    pub(crate) backoff_base_ms: u32,
    pub(crate) backoff_max_ms: u32,
    /// 0: the function's own.
    pub(crate) timeout_ms: u32,
}

impl Default for Delivery {
    fn default() -> Self {
        Self {
            max_attempts: 8,
            max_age_seconds: 86_400,
            backoff_base_ms: 1_000,
            backoff_max_ms: 600_000,
            timeout_ms: 0,
        }
    }
}

impl Delivery {
    const ATTEMPTS_MAX: u32 = 1_000;
    const AGE_SECONDS_MAX: u32 = 31_536_000;
    const BACKOFF_BASE_MS_MAX: u32 = 3_600_000;
    const BACKOFF_MAX_MS_MAX: u32 = 86_400_000;
    const TIMEOUT_MS_MAX: u32 = 900_000;

    /// Every limit that the policy breaks, with pointers into it as the API shows it.
    pub(crate) fn faults(&self) -> Vec<Fault> {
        let base = self.backoff_base_ms;
        let ranges = [
            ("/max_attempts", self.max_attempts, 1, Self::ATTEMPTS_MAX),
            ("/max_age_seconds", self.max_age_seconds, 1, Self::AGE_SECONDS_MAX),
            ("/backoff/base_ms", base, 1, Self::BACKOFF_BASE_MS_MAX),
            ("/backoff/max_ms", self.backoff_max_ms, 1, Self::BACKOFF_MAX_MS_MAX),
            ("/timeout_ms", self.timeout_ms, 0, Self::TIMEOUT_MS_MAX),
        ];
        let check = |(pointer, value, min, max)| out_of_range(pointer, value, min, max);
        let mut faults: Vec<_> = ranges.into_iter().filter_map(check).collect();
        if (1..base).contains(&self.backoff_max_ms) {
            let detail = "must not be below base_ms";
            faults.push(Fault::new("/backoff/max_ms", "out-of-range", detail));
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::Delivery;

    fn pointers(delivery: Delivery) -> Vec<String> {
        delivery.faults().into_iter().map(|fault| fault.pointer).collect()
    }

    #[test]
    fn each_limit_holds_at_its_edges_and_all_faults_come_at_once() {
        let least = Delivery {
            max_attempts: 1,
            max_age_seconds: 1,
            backoff_base_ms: 1,
            backoff_max_ms: 1,
            timeout_ms: 0,
        };
        let most = Delivery {
            max_attempts: 1_000,
            max_age_seconds: 31_536_000,
            backoff_base_ms: 3_600_000,
            backoff_max_ms: 86_400_000,
            timeout_ms: 900_000,
        };
        for good in [least, most, Delivery::default()] {
            assert_eq!(pointers(good), Vec::<String>::new());
        }
        let over = Delivery {
            max_attempts: 1_001,
            max_age_seconds: 0,
            backoff_base_ms: 3_600_001,
            backoff_max_ms: 86_400_001,
            timeout_ms: 900_001,
        };
        let all = [
            "/max_attempts",
            "/max_age_seconds",
            "/backoff/base_ms",
            "/backoff/max_ms",
            "/timeout_ms",
        ];
        assert_eq!(pointers(over), all);
        let crossed = Delivery { backoff_base_ms: 2_000, backoff_max_ms: 1_999, ..least };
        assert_eq!(pointers(crossed), ["/backoff/max_ms"]);
    }
}
