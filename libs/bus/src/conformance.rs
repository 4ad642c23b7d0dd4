//! What every adapter of a port must do, as rules with names. A new rule lands here, never in one adapter.
//!
//! The suites assume nothing that the ports do not promise: offsets may begin anywhere and leave numbers out, and a
//! confirm of the queue may need a consumer that acknowledges. They wait on state, each wait with a deadline.

mod log;
mod queue;

use std::fmt::{self, Debug};
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;
use tripline_event::Frame;

use crate::{EventLog, WorkQueue};

pub use log::fresh_stream;

/// How long any one step may take before its rule counts as broken.
pub const STEP_TIMEOUT: Duration = Duration::from_secs(30);

/// A rule that an adapter broke.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// The name of the rule.
    pub rule: &'static str,
    /// What went against it.
    pub why: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.rule, self.why)
    }
}

/// Holds a log to every rule of [`EventLog`].
///
/// `open` opens the log under test on the same store each time; it is called again after everything of the log
/// opened before has been dropped, as after the death of the process. It may lose whatever was not confirmed.
///
/// # Panics
/// When a rule is broken; names all that are.
pub async fn log_conformance(open: impl AsyncFn() -> Arc<dyn EventLog>) {
    assert_none_broken(&broken_log_rules(open).await);
}

/// The rules of [`EventLog`] that the log breaks; see [`log_conformance`].
pub async fn broken_log_rules(open: impl AsyncFn() -> Arc<dyn EventLog>) -> Vec<Broken> {
    let mut broken = Vec::new();
    for rule in log::RULES {
        broken.extend(outcome(rule.name, (rule.check)(&open)).await);
    }
    broken
}

/// Holds a queue to every rule of [`WorkQueue`].
///
/// `open` opens the queue under test. It must begin with empty lanes: each rule uses lanes of its own, all below 16.
///
/// # Panics
/// When a rule is broken; names all that are.
pub async fn queue_conformance(open: impl AsyncFn() -> Arc<dyn WorkQueue>) {
    let mut broken = Vec::new();
    for rule in queue::RULES {
        broken.extend(outcome(rule.name, (rule.check)(&open)).await);
    }
    assert_none_broken(&broken);
}

/// Opens the adapter under test.
trait Open<P: ?Sized> {
    fn open(&self) -> LocalBoxFuture<'_, Arc<P>>;
}

impl<P: ?Sized, F: AsyncFn() -> Arc<P>> Open<P> for F {
    fn open(&self) -> LocalBoxFuture<'_, Arc<P>> {
        Box::pin(self())
    }
}

/// One promise of a port, and how it is checked.
struct Rule<P: ?Sized + 'static> {
    name: &'static str,
    check: for<'a> fn(&'a dyn Open<P>) -> LocalBoxFuture<'a, ()>,
}

async fn outcome(rule: &'static str, check: LocalBoxFuture<'_, ()>) -> Option<Broken> {
    let panic = AssertUnwindSafe(check).catch_unwind().await.err()?;
    let why = match (panic.downcast_ref::<String>(), panic.downcast_ref::<&str>()) {
        (Some(text), _) => text.clone(),
        (None, Some(text)) => (*text).to_owned(),
        (None, None) => "it panicked".to_owned(),
    };
    Some(Broken { rule, why })
}

fn assert_none_broken(broken: &[Broken]) {
    let list: Vec<String> = broken.iter().map(Broken::to_string).collect();
    assert!(list.is_empty(), "broken rules:\n{}", list.join("\n"));
}

/// The value that `work` gives in time.
async fn within<T, E: Debug>(what: &str, work: impl Future<Output = Result<T, E>>) -> T {
    match tokio::time::timeout(STEP_TIMEOUT, work).await {
        Ok(Ok(value)) => value,
        Ok(Err(error)) => panic!("{what}: {error:?}"),
        Err(_) => panic!("{what}: not within {STEP_TIMEOUT:?}"),
    }
}

/// A frame of one entry that says which one it is.
fn numbered(number: usize) -> Frame {
    Frame::new(vec![Bytes::from(format!("entry {number}"))])
}

/// The frames numbered 0 up to `count`.
fn numbered_up_to(count: usize) -> Vec<Frame> {
    (0..count).map(numbered).collect()
}

/// A frame of one entry of `bytes` bytes, not all the same.
fn sized(bytes: usize, seed: u8) -> Frame {
    let pattern: Vec<u8> = (0_u8..251).map(|byte| byte.wrapping_add(seed)).collect();
    Frame::new(vec![pattern.iter().copied().cycle().take(bytes).collect()])
}
