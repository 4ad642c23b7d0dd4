//! The public HTTP surface: REST, CloudEvents ingest, authentication.
//!
//! The gateway keeps no state of its own. What the way of an event needs (buses, API keys) it holds in memory, fed by
//! trigger-registry's `Watch` and by a bounded cache over auth, so that publishing goes on while the control plane is
//! away. Everything else is a translation: documents in, gRPC calls, documents out, every fault named at its place.

mod answer;
mod authn;
mod body;
mod condition;
mod deprecation;
mod document;
mod error;
mod gateway;
mod idempotency;
mod metrics;
mod observe;
mod options;
mod peers;
mod publish;
mod query;
mod rates;
mod refusal;
mod routes;
mod run;
mod snapshot;
mod trials;
mod watch;

pub use error::Error;
pub use options::Options;
pub use routes::routes;
pub use run::{Ports, run};
