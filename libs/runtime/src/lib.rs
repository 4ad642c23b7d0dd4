//! What every service does the same: configuration, telemetry, health, shutdown, problem+json.
//!
//! A program's `main` calls [`host::run`] (one service) or [`host::serve`] (several); a service library takes a
//! [`Context`] and, where it answers HTTP, turns its errors into [`Problem`]s.

mod abort;
pub mod admin;
mod args;
mod build;
pub mod config;
mod context;
mod health;
pub mod host;
mod metrics;
pub mod probe;
pub mod problem;
pub mod secret;
mod system;
pub mod telemetry;

pub use abort::{Abort, Step, UnknownStep};
pub use build::BuildInfo;
pub use context::Context;
pub use health::{Check, Health, NotReady};
pub use metrics::Metrics;
pub use problem::Problem;
pub use system::{SystemClock, SystemEntropy};
