//! Why there is no output.

use std::borrow::Cow;

use tripline_kernel::{Classify, ErrorKind, Fault};
use tripline_transform::ApplyError;

/// Why a transform was not read, or not applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The document is no transform, or its program cannot be read.
    #[error(transparent)]
    Invalid(#[from] tripline_transform::Error),
    /// There is no output for this event.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// Nothing was tried: no worker is free, or none can be started.
    #[error("no program can be run right now: {0}")]
    Unavailable(&'static str),
}

impl Classify for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Invalid(error) => error.kind(),
            Self::Apply(error) => error.kind(),
            Self::Unavailable(_) => ErrorKind::Unavailable,
        }
    }

    fn code(&self) -> Cow<'static, str> {
        match self {
            Self::Invalid(error) => error.code(),
            Self::Apply(error) => error.code(),
            Self::Unavailable(_) => "transforms-unavailable".into(),
        }
    }

    fn faults(&self) -> &[Fault] {
        match self {
            Self::Invalid(error) => error.faults(),
            Self::Apply(_) | Self::Unavailable(_) => &[],
        }
    }

    fn retry_after_seconds(&self) -> Option<u32> {
        self.kind().is_retryable().then_some(1)
    }
}
