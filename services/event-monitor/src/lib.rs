//! event-monitor: routes what is in the event log to the lanes, and runs the sources that bring events there.
//!
//! Each partition of each bus has one `router`, and each source one host in `sources`; which replica runs which is
//! decided by `lease`. What buses and sources there are comes from `registry`, which follows trigger-registry's feed and
//! goes on with what it knows while that is away. Triggers do not come from there: they stand as markers in the log.
//!
//! Nothing that an event passes through here asks a database or another service: checkpoints are written behind.

mod board;
mod error;
mod grpc;
mod lease;
mod metrics;
mod options;
mod registry;
mod router;
mod run;
mod sources;
mod standing;
mod store;

pub use error::Error;
pub use options::{Options, Ports};
pub use run::{migrate, run};
