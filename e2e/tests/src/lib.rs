//! Starts the whole system as a stranger would, and speaks to it over its public API only.
//!
//! Used by the black-box tests beside it, by the fault tests and by the load program.

mod api;
mod balancer;
mod system;

pub use api::{Answer, Api};
pub use system::{Backends, Edition, Plan, Running, System};

/// Shows a figure on standard error also when the test passes, past the capture of test output.
pub fn say(text: &str) {
    use std::io::Write as _;
    // Nobody listening is no reason to fail.
    let _ = writeln!(std::io::stderr(), "{text}");
}
