//! What every service does the same: configuration, telemetry, health, shutdown, problem+json.

mod context;
mod health;
mod metrics;
mod system;

pub use context::Context;
pub use health::{Check, Health, NotReady};
pub use metrics::Metrics;
pub use system::{SystemClock, SystemEntropy};
