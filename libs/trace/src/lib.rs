//! The way of one event through the services, as spans of one distributed trace.
//!
//! A span is made only for what comes with a sampled trace context (W3C Trace Context), and only where the process
//! records spans at all; everything else costs one comparison. The context travels on as `traceparent`: within a task
//! by [`within`], between services in gRPC metadata, through log and lanes in the entries.

mod context;
mod span;

use std::future::Future;

use tokio_util::either::Either;

pub use context::{InvalidTraceparent, TraceContext};
pub use span::{Kind, Record, Recorder, Span, Tracer, Value};

/// The name of the header, and of the gRPC metadata, that a trace context travels in.
pub const TRACEPARENT: &str = "traceparent";

tokio::task_local! {
    static CURRENT: TraceContext;
}

/// Runs `work` with `context` as the [`current`] one. Without a context it is `work` itself.
pub fn within<F: Future>(
    context: Option<TraceContext>,
    work: F,
) -> impl Future<Output = F::Output> {
    match context {
        Some(context) => Either::Left(CURRENT.scope(context, work)),
        None => Either::Right(work),
    }
}

/// The context that the running task works in, if it is traced. A task that is spawned begins without one.
#[must_use]
pub fn current() -> Option<TraceContext> {
    CURRENT.try_with(|context| *context).ok()
}

#[cfg(test)]
mod tests;
