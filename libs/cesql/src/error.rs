//! What can be wrong with an expression, and what can go wrong when one is evaluated.

use std::borrow::Cow;

use tripline_kernel::{Classify, ErrorKind};

use crate::Type;

/// The text is no expression: what the specification calls a parse error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a valid CloudEvents SQL expression: line {line}, column {column}: {detail}")]
pub struct Error {
    /// The line of the fault, from 1.
    pub line: usize,
    /// The column of the fault, in characters, from 1.
    pub column: usize,
    /// What is wrong, in lower case, without a full stop.
    pub detail: String,
}

impl Error {
    /// A fault at byte `at` of `text`.
    pub(crate) fn at(text: &str, at: usize, detail: impl Into<String>) -> Self {
        let before = text.get(..at).unwrap_or(text);
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        Self { line, column, detail: detail.into() }
    }
}

impl Classify for Error {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Invalid
    }

    fn code(&self) -> Cow<'static, str> {
        "invalid-expression".into()
    }
}

/// What went wrong in an evaluation. The same expression over the same attributes fails the same way.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvaluationError {
    /// Arithmetic without a result: a division by zero, or one beyond 32 bits.
    #[error("{0}")]
    Math(&'static str),
    /// This string is not the text of this type.
    #[error("the string is no {0}")]
    Cast(Type),
    /// The event does not have this attribute.
    #[error("the event has no attribute {0}")]
    MissingAttribute(Box<str>),
    /// There is no function of this name with so many arguments.
    #[error("there is no function {name} of {arity} arguments")]
    MissingFunction {
        /// Its name, in upper case.
        name: Box<str>,
        /// How many arguments it was given.
        arity: usize,
    },
    /// A function does not take these arguments.
    #[error("{0}")]
    Function(&'static str),
    /// The evaluation wants more than it may use, see [`crate::limits`]: of the specification's kinds, a generic error.
    #[error("{what} at most {max} {unit}")]
    Limit {
        /// What is limited, as the beginning of a sentence.
        what: &'static str,
        /// How much of it there may be.
        max: usize,
        /// Of which unit.
        unit: &'static str,
    },
}

/// The text is no event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// Not JSON in UTF-8.
    #[error("the event is not JSON, at line {line}, column {column}")]
    Malformed {
        /// The line of the fault, from 1.
        line: usize,
        /// The column of the fault, in bytes.
        column: usize,
    },
    /// JSON, but not an object.
    #[error("an event is a JSON object")]
    NotAnObject,
}

/// Why it cannot be said whether an event meets an expression. Such an event must not pass.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConditionError {
    /// There is no event to look at.
    #[error(transparent)]
    Event(#[from] EventError),
    /// The expression has no result for this event.
    #[error(transparent)]
    Evaluation(#[from] EvaluationError),
    /// The expression has a result, but a condition is true or false.
    #[error("the value of the expression is of type {0}, not Boolean")]
    NotBoolean(Type),
}

impl Classify for ConditionError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Event(EventError::Malformed { .. }) => ErrorKind::Malformed,
            Self::Event(EventError::NotAnObject) | Self::Evaluation(_) | Self::NotBoolean(_) => {
                ErrorKind::Invalid
            }
        }
    }

    fn code(&self) -> Cow<'static, str> {
        match self {
            Self::Event(EventError::Malformed { .. }) => "malformed-json".into(),
            Self::Event(EventError::NotAnObject) => "invalid-event".into(),
            Self::Evaluation(_) | Self::NotBoolean(_) => "expression-failed".into(),
        }
    }
}
