//! Threads with a runtime of their own, for what must outlive the runtime of the test that started it, keep its own
//! time when the test's time is paused, and go on while the test computes.

use std::future::Future;

use anyhow::Context as _;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Runs the future that `make` gives on a thread of its own, until it ends or the guard is dropped.
pub(crate) fn run<F: Future<Output = ()>>(
    name: &str,
    make: impl FnOnce() -> F + Send + 'static,
) -> anyhow::Result<DropGuard> {
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let body = move || {
        runtime.block_on(async {
            tokio::select! {
                () = make() => {}
                () = stopped.cancelled() => {}
            }
        });
    };
    let thread = std::thread::Builder::new().name(name.to_owned()).spawn(body);
    thread.context("the system grants no thread")?;
    Ok(stop.drop_guard())
}
