//! The invoker as a whole: the true service on SQLite, between a fake registry and auth, the embedded queue, and functions
//! that are real HTTP servers.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod answers;
mod crash;
mod direct;
mod fairness;
mod fakes;
mod knowledge;
mod stack;
