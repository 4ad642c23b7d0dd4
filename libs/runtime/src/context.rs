//! What a service is given by the process it runs in.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tripline_kernel::{Clock, Entropy};
use tripline_trace::Tracer;

use crate::{Abort, Health, Metrics, SystemClock, SystemEntropy};

/// What a service is given by the process it runs in: time, randomness, the word to stop, a place to report.
#[derive(Clone)]
pub struct Context {
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Gives random bytes.
    pub entropy: Arc<dyn Entropy>,
    /// Cancelled when the service is to stop: take no new work, finish what is under way, return.
    pub stop: CancellationToken,
    /// Every task of the service is spawned here; the process waits for them within its grace period.
    pub tasks: TaskTracker,
    /// Where the service says whether it is ready.
    pub health: Health,
    /// Where the service registers its metrics.
    pub metrics: Metrics,
    /// Makes the spans of sampled traces; off unless a collector is configured.
    pub tracer: Tracer,
    /// Told of each step of the binding protocol, where a test may want the process to die.
    pub abort: Abort,
}

impl Context {
    /// A context on the system's clock and entropy.
    #[must_use]
    pub fn system(stop: CancellationToken) -> Self {
        Self {
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
            stop,
            tasks: TaskTracker::new(),
            health: Health::default(),
            metrics: Metrics::default(),
            tracer: Tracer::default(),
            abort: Abort::default(),
        }
    }
}
