//! What the kit promises to the tests that use it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod process;
mod receiver;
mod servers;
