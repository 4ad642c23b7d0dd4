//! The registry as the other services meet it: over its contract, with an auth and an event log that tests can stop.

#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

mod buses;
mod conditions;
mod fakes;
mod functions;
mod sources;
mod stack;
mod triggers;
mod watch;
