//! The invoker: owns invocations from the moment they are admitted until they have succeeded, died or been cancelled.
//!
//! The way of an invocation: a lane hands over a frame (`lanes`) or a client calls directly (`grpc`); `core` takes room
//! for it with the `dispatcher`; `writer` stores it in a group commit; `core` starts it; `attempt` looks whether it may
//! run, calls the function and judges the answer; `writer` records what became of it. What is to run later, or found no
//! room, waits in the store: `schedule` knows when, `fetch` brings it back.
//!
//! Nothing on this way asks another service: functions, triggers and rules come in through `feed` and are held in
//! `snapshot`. What is not known there leaves an invocation waiting, never lost and never in the way of others.

mod attempt;
mod convert;
mod core;
mod dispatcher;
mod error;
mod feed;
mod fetch;
mod grpc;
mod health;
mod invocation;
mod judge;
mod key;
mod lanes;
mod lookup;
mod metrics;
mod options;
mod plan;
mod retention;
mod run;
mod schedule;
mod snapshot;
mod store;
mod tenure;
mod todo;
mod upkeep;
mod writer;

pub use error::Error;
pub use options::{Options, Ports};
pub use run::{migrate, run};
