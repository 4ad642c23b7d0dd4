//! Not asking a Redis that has just failed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How long Redis is left alone after a failure.
const PAUSE: Duration = Duration::from_secs(1);

/// Whether Redis is being left alone. Its clones share one state.
#[derive(Clone, Debug)]
pub(crate) struct Pause {
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    begun: Instant,
    /// Milliseconds after `begun` at which Redis is asked again.
    until_ms: AtomicU64,
    /// Whether the last call failed, so that an outage is reported once.
    failing: AtomicBool,
}

impl Default for Pause {
    fn default() -> Self {
        let (until_ms, failing) = (AtomicU64::new(0), AtomicBool::new(false));
        Self { state: Arc::new(State { begun: Instant::now(), until_ms, failing }) }
    }
}

impl Pause {
    fn now_ms(&self) -> u64 {
        u64::try_from(self.state.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    pub(crate) fn holds(&self) -> bool {
        self.now_ms() < self.state.until_ms.load(Ordering::Relaxed)
    }

    pub(crate) fn begin(&self, error: &(dyn std::error::Error + 'static)) {
        let pause_ms = u64::try_from(PAUSE.as_millis()).unwrap_or(u64::MAX);
        self.state.until_ms.store(self.now_ms().saturating_add(pause_ms), Ordering::Relaxed);
        if !self.state.failing.swap(true, Ordering::Relaxed) {
            tracing::warn!(error, "the cache does not answer; working without it");
        }
    }

    pub(crate) fn end(&self) {
        if self.state.failing.load(Ordering::Relaxed)
            && self.state.failing.swap(false, Ordering::Relaxed)
        {
            tracing::info!("the cache answers again");
        }
    }
}
