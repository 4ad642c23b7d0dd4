//! The cache in the memory of one process.

use std::time::{Duration, Instant};

use moka::sync::Cache;

use crate::SeenKeys;

/// The shortest window that marks anything, as in every adapter.
const WINDOW_MIN: Duration = Duration::from_millis(1);

/// Keys that were seen, up to a number of them: beyond it, those used least are forgotten first.
#[derive(Clone, Debug)]
pub struct Seen {
    windows: Cache<u128, Duration>,
}

/// Each key is forgotten after the window that it was marked for.
struct OwnWindow;

impl moka::Expiry<u128, Duration> for OwnWindow {
    fn expire_after_create(&self, _: &u128, window: &Duration, _: Instant) -> Option<Duration> {
        Some(*window)
    }
}

impl Seen {
    /// How many keys are kept unless told otherwise: some 10 MB when full.
    pub const ENTRIES_MAX: u64 = 65_536;

    /// Keeps at most `entries_max` keys.
    #[must_use]
    pub fn new(entries_max: u64) -> Self {
        let windows = Cache::builder().max_capacity(entries_max).expire_after(OwnWindow).build();
        Self { windows }
    }
}

impl Default for Seen {
    fn default() -> Self {
        Self::new(Self::ENTRIES_MAX)
    }
}

#[async_trait::async_trait]
impl SeenKeys for Seen {
    async fn seen(&self, keys: &[u128]) -> Vec<bool> {
        keys.iter().map(|key| self.windows.contains_key(key)).collect()
    }

    async fn mark(&self, keys: &[u128], window: Duration) {
        if window < WINDOW_MIN {
            return;
        }
        for key in keys {
            self.windows.entry(*key).or_insert(window);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::Seen;
    use crate::SeenKeys;
    use crate::conformance::seen_conformance;

    #[tokio::test]
    async fn the_memory_keeps_the_rules() {
        seen_conformance(async || Arc::new(Seen::default()) as Arc<dyn SeenKeys>).await;
    }

    #[tokio::test]
    async fn the_memory_never_holds_more_than_its_limit() {
        let seen = Seen::new(100);
        let keys: Vec<u128> = (0..10_000).collect();
        seen.mark(&keys, Duration::from_secs(60)).await;
        seen.windows.run_pending_tasks();
        assert!(seen.windows.entry_count() <= 100, "{}", seen.windows.entry_count());
        let remembered = seen.seen(&keys).await.into_iter().filter(|known| *known).count();
        assert!(remembered <= 100, "{remembered}");
    }
}
