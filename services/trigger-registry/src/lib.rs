//! Buses, functions, sources, triggers and the relations between them: what should happen, apart from making it happen.
//!
//! # Invariants
//! - Every change gets the next revision of one counter, in the transaction that makes it, and one row of the change
//!   feed. Revisions are committed in their order, so a watcher that has seen one has seen all below it.
//! - What must happen elsewhere (rules at auth, markers in the log) is written to the outbox in the same transaction;
//!   the relay carries it out later, as often as needed. Everything it does is idempotent.
//! - A trigger is `active` only after its rule was granted and its marker stands in every partition of its bus.
//! - Secrets are sealed at rest. In the clear they appear in the change feed, which is for services only, and, for a
//!   signing secret, once in the answer that makes it.

mod bus;
mod condition;
mod function;
mod grpc;
mod kinds;
mod metrics;
mod options;
mod page;
mod parted;
mod registry;
mod relay;
mod resource;
mod service;
mod source;
mod store;
mod trigger;
mod watch;

pub use options::Options;
pub use service::{Error, Ports, migrate, run};
