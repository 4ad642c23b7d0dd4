//! The cache port: what is convenient to remember and harmless to forget.
//!
//! A cache is never the truth of anything: flushing it loses and doubles nothing.

#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
pub mod memory;

use std::time::Duration;

/// Remembers that keys were seen, for a while.
#[async_trait::async_trait]
pub trait SeenKeys: Send + Sync + 'static {
    /// For each key, in order, whether it has been marked as seen within its time. `false` when in doubt: also when
    /// the cache cannot be reached. Answers within a named, small time-out.
    async fn seen(&self, keys: &[u128]) -> Vec<bool>;

    /// Marks keys as seen for `window`, from the first mark on: marking again inside it changes nothing. Best effort;
    /// does not wait for anything beyond a named, small time-out. A window below a millisecond marks nothing.
    async fn mark(&self, keys: &[u128], window: Duration);
}
