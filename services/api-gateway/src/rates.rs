//! How many requests an API key may send: a token bucket per key, in the memory of this replica.
//!
//! Publishing has buckets of its own, so that a burst of events does not lock its sender out of the control plane.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use moka::sync::Cache;
use tripline_kernel::Uid;

/// Most keys whose buckets are remembered. A key that is forgotten has a full bucket again.
const KEYS_MAX: u64 = 10_000;
/// How long the bucket of a key that sends nothing is remembered: longer than any bucket needs to fill.
const IDLE: Duration = Duration::from_secs(60);
/// How many seconds' worth of requests a bucket holds.
const BURST_SECONDS: u32 = 2;

/// One of the limits.
pub(crate) struct Rate {
    name: &'static str,
    per_second: u32,
    buckets: Cache<Uid, Arc<Mutex<Bucket>>>,
}

struct Bucket {
    tokens: f64,
    filled_at: Instant,
}

/// What a request met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    name: &'static str,
    per_second: u32,
    /// Requests that the key may still send at once.
    remaining: u32,
    /// Whether this one may go on.
    pub(crate) allowed: bool,
}

impl Rate {
    /// A limit of so many requests a second for each key; 0 for none.
    pub(crate) fn new(name: &'static str, per_second: u32) -> Self {
        let buckets = Cache::builder().max_capacity(KEYS_MAX).time_to_idle(IDLE).build();
        Self { name, per_second, buckets }
    }

    /// Takes a token for a request of this key. Nothing when there is no limit.
    pub(crate) fn take(&self, key: Uid) -> Option<Standing> {
        self.take_at(key, Instant::now())
    }

    fn take_at(&self, key: Uid, now: Instant) -> Option<Standing> {
        if self.per_second == 0 {
            return None;
        }
        let burst = f64::from(self.per_second) * f64::from(BURST_SECONDS);
        let full = || Arc::new(Mutex::new(Bucket { tokens: burst, filled_at: now }));
        let bucket = self.buckets.get(&key).unwrap_or_else(|| self.buckets.get_with(key, full));
        let mut bucket = bucket.lock().expect("nothing panics while it holds this lock");
        let since = now.saturating_duration_since(bucket.filled_at).as_secs_f64();
        bucket.tokens = (bucket.tokens + since * f64::from(self.per_second)).min(burst);
        bucket.filled_at = now;
        let allowed = bucket.tokens >= 1.0;
        if allowed {
            bucket.tokens -= 1.0;
        }
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "from 0 to the burst"
        )]
        let remaining = bucket.tokens as u32;
        Some(Standing { name: self.name, per_second: self.per_second, remaining, allowed })
    }
}

impl Standing {
    /// The limit, as the header `RateLimit-Policy` says it: so many requests in a window of so many seconds.
    pub(crate) fn policy(&self) -> String {
        let quota = u64::from(self.per_second) * u64::from(BURST_SECONDS);
        format!("\"{}\";q={quota};w={BURST_SECONDS}", self.name)
    }

    /// What is left of it, as the header `RateLimit` says it: so many requests, and more after a second.
    pub(crate) fn limit(&self) -> String {
        format!("\"{}\";r={};t=1", self.name, self.remaining)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use tripline_kernel::Uid;

    use super::Rate;

    const KEY: Uid = Uid::from_bytes([1; 16]);

    #[test]
    fn a_key_may_send_a_burst_and_then_its_rate_and_no_other_key_notices() {
        let (rate, start) = (Rate::new("requests", 5), Instant::now());
        for left in (0..10).rev() {
            let standing = rate.take_at(KEY, start).unwrap();
            assert!(standing.allowed);
            assert_eq!(standing.limit(), format!("\"requests\";r={left};t=1"));
        }
        let refused = rate.take_at(KEY, start).unwrap();
        assert!(!refused.allowed);
        assert_eq!(refused.policy(), "\"requests\";q=10;w=2");
        assert!(rate.take_at(Uid::from_bytes([2; 16]), start).unwrap().allowed);
        assert!(rate.take_at(KEY, start + Duration::from_millis(200)).unwrap().allowed);
        assert!(!rate.take_at(KEY, start + Duration::from_millis(200)).unwrap().allowed);
        let later = start + Duration::from_secs(3600);
        let allowed = (0..100).filter(|_| rate.take_at(KEY, later).unwrap().allowed).count();
        assert_eq!(allowed, 10, "a bucket holds no more than a burst");
    }

    #[test]
    fn no_limit_is_no_limit() {
        assert_eq!(Rate::new("requests", 0).take(KEY), None);
    }
}
