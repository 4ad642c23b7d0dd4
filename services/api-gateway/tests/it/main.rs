//! The gateway as its clients see it: the true server on a port of its own, the services behind it faked over the
//! in-memory channel.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod answers;
mod authentication;
mod bad_input;
mod explain;
mod lifecycle;
mod patterns;
mod publishing;
mod records;
mod resources;
mod routes;
mod support;
mod surface;
mod tail;
mod traces;
mod transforms;
