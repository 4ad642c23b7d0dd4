//! What can be wrong with a transform, and what can go wrong when one is applied.

use std::borrow::Cow;

use tripline_kernel::{Classify, ErrorKind, Fault};

/// The document is no transform. Holds every fault, with pointers into the document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a valid transform: {}", list(.faults))]
pub struct Error {
    faults: Vec<Fault>,
}

impl Error {
    /// An error of these faults; at least one.
    #[must_use]
    pub fn new(faults: Vec<Fault>) -> Self {
        debug_assert!(!faults.is_empty(), "an error says what is wrong");
        Self { faults }
    }
}

fn list(faults: &[Fault]) -> String {
    let details: Vec<_> = faults.iter().map(|fault| fault.detail.as_str()).collect();
    details.join("; ")
}

impl Classify for Error {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Invalid
    }

    fn code(&self) -> Cow<'static, str> {
        "invalid-transform".into()
    }

    fn faults(&self) -> &[Fault] {
        &self.faults
    }
}

/// A valid transform has no output for this event. Trying again changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// The event is not JSON in UTF-8.
    #[error("the event is not JSON: {0}")]
    Malformed(String),
    /// The event is JSON, but not an object.
    #[error("an event is a JSON object")]
    NotAnObject,
    /// The transform does not fit the event, or its program gave up.
    #[error("{0}")]
    Failed(String),
    /// The transform wants more than it may use: see [`crate::limits`].
    #[error("{what} at most {max} {unit}")]
    Limit {
        /// What is limited, as the beginning of a sentence.
        what: &'static str,
        /// How much of it there may be.
        max: usize,
        /// What that is counted in.
        unit: &'static str,
    },
}

impl ApplyError {
    /// The limit that was met: `what` at most `max` `unit`.
    #[must_use]
    pub fn limit(what: &'static str, max: usize, unit: &'static str) -> Self {
        Self::Limit { what, max, unit }
    }
}

impl Classify for ApplyError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Malformed(_) => ErrorKind::Malformed,
            Self::NotAnObject | Self::Failed(_) | Self::Limit { .. } => ErrorKind::Invalid,
        }
    }

    fn code(&self) -> Cow<'static, str> {
        match self {
            Self::Malformed(_) => "malformed-json".into(),
            Self::NotAnObject => "invalid-event".into(),
            Self::Failed(_) => "transform-failed".into(),
            Self::Limit { .. } => "transform-limit".into(),
        }
    }
}
