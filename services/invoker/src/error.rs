//! What can go wrong.

use std::borrow::Cow;

use tripline_kernel::{Classify, ErrorKind};

/// Why the invoker ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Its database refused it.
    #[error("the invoker's database cannot be used")]
    Store(#[from] tripline_db::Error),
    /// Its port failed.
    #[error("the invoker's gRPC service failed")]
    Serve(#[from] tonic::transport::Error),
    /// One of its tasks ended unasked.
    #[error("the invoker's task '{0}' ended")]
    TaskEnded(&'static str),
}

/// Why a request was not served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RequestError {
    #[error(transparent)]
    Store(#[from] tripline_db::Error),
    #[error("there is no such function")]
    NoFunction,
    #[error("there is no such invocation")]
    NoInvocation,
    #[error("there is no such dead letter")]
    NoDeadLetter,
    #[error("the cursor is not one that a list gave")]
    InvalidCursor,
    #[error("'{0}' is not a state: pending, running, succeeded, dead or cancelled")]
    InvalidState(String),
    #[error("the functions are not known yet; try again")]
    NotReady,
    #[error("the function has as many calls waiting as it may")]
    Busy,
    #[error("the function asked not to be called for now")]
    Held { seconds: u32 },
    #[error("the function did not answer within its time-out")]
    Timeout,
    #[error("the function cannot be reached: {0}")]
    Unreachable(String),
    #[error("the function's address must not be called: {0}")]
    Forbidden(String),
    #[error("the idempotency key was used for another request")]
    KeyReused,
    #[error("the call that came with this idempotency key before is still under way")]
    KeyInFlight,
    #[error(
        "the call that came with this idempotency key before was answered with more than is kept"
    )]
    AnswerNotKept,
    #[error(
        "the call that came with this idempotency key before was cut off: its outcome is not known"
    )]
    OutcomeUnknown,
    #[error("the invocation was not run: the service is stopping or the function was changed")]
    NotRun,
}

impl Classify for RequestError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Store(error) => error.kind(),
            Self::NoFunction | Self::NoInvocation | Self::NoDeadLetter => ErrorKind::NotFound,
            Self::InvalidCursor | Self::InvalidState(_) | Self::KeyReused => ErrorKind::Invalid,
            Self::KeyInFlight | Self::AnswerNotKept | Self::OutcomeUnknown => ErrorKind::Conflict,
            Self::NotReady | Self::Unreachable(_) | Self::NotRun => ErrorKind::Unavailable,
            Self::Busy | Self::Held { .. } => ErrorKind::Exhausted,
            Self::Timeout => ErrorKind::Timeout,
            Self::Forbidden(_) => ErrorKind::Forbidden,
        }
    }

    fn code(&self) -> Cow<'static, str> {
        match self {
            Self::Store(error) => return error.code(),
            Self::NoFunction => "function-not-found",
            Self::NoInvocation => "invocation-not-found",
            Self::NoDeadLetter => "dead-letter-not-found",
            Self::InvalidCursor => "invalid-cursor",
            Self::InvalidState(_) => "invalid-state",
            Self::NotReady => "functions-not-known-yet",
            Self::Busy => "function-busy",
            Self::Held { .. } => "function-held",
            Self::Timeout => "function-timeout",
            Self::Unreachable(_) => "function-unreachable",
            Self::Forbidden(_) => "address-forbidden",
            Self::KeyReused => "idempotency-key-reused",
            Self::KeyInFlight => "idempotency-key-in-flight",
            Self::AnswerNotKept => "idempotency-answer-not-kept",
            Self::OutcomeUnknown => "invocation-outcome-unknown",
            Self::NotRun => "invocation-not-run",
        }
        .into()
    }

    fn retry_after_seconds(&self) -> Option<u32> {
        match self {
            Self::Store(error) => error.retry_after_seconds(),
            Self::Held { seconds } => Some(*seconds),
            Self::NotReady | Self::Busy | Self::NotRun | Self::KeyInFlight => Some(1),
            _ => None,
        }
    }
}
