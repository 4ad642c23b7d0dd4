//! The invoker as a whole: the true service on SQLite, between a fake registry and auth, the embedded queue, and functions
//! that are real HTTP servers.

mod answers;
mod crash;
mod direct;
mod fairness;
mod fakes;
mod knowledge;
mod stack;
