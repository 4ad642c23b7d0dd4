//! What can be wrong with a pattern, and with an event.

use std::borrow::Cow;

use tripline_kernel::{Classify, ErrorKind, Fault};

/// The pattern is not of the language. Holds every fault, with pointers into the pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a valid event pattern: {}", list(.faults))]
pub struct Error {
    faults: Vec<Fault>,
}

impl Error {
    pub(crate) fn new(faults: Vec<Fault>) -> Self {
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
        "invalid-pattern".into()
    }

    fn faults(&self) -> &[Fault] {
        &self.faults
    }
}

/// The event cannot be matched. No valid CloudEvent brings this about.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// The text is not JSON in UTF-8.
    #[error("the event is not JSON, at byte {0}")]
    Malformed(usize),
    /// JSON, but not an object.
    #[error("an event is a JSON object")]
    NotAnObject,
    /// Longer than [`EVENT_BYTES_MAX`](crate::limits::EVENT_BYTES_MAX).
    #[error("an event has at most 64 MiB")]
    TooLarge,
}

impl Classify for EventError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Malformed(_) => ErrorKind::Malformed,
            Self::NotAnObject | Self::TooLarge => ErrorKind::Invalid,
        }
    }

    fn code(&self) -> Cow<'static, str> {
        match self {
            Self::Malformed(_) => "malformed-json".into(),
            Self::NotAnObject | Self::TooLarge => "invalid-event".into(),
        }
    }
}
