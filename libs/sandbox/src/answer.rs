//! How a run of a program can end, as the worker tells it.

use tripline_transform::ApplyError;
use tripline_transform::limits::OUTPUT_BYTES_MAX;

use crate::limits::{MEMORY_MIB_MAX, PROGRAM_TIME, STEPS_MAX};

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// With this JSON, or after a mere check with nothing.
    Output(Vec<u8>),
    /// The program is none: why.
    Invalid(String),
    /// The program has no output for this event: why.
    Failed(String),
    /// A limit was met.
    Exceeded(Limit),
}

/// What a program can take too much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    Steps,
    Time,
    /// Values or nesting: whoever meets this may not live to say which.
    Memory,
    Output,
}

impl From<Limit> for ApplyError {
    fn from(limit: Limit) -> Self {
        match limit {
            Limit::Steps => Self::limit("a program takes", STEPS_MAX, "steps"),
            Limit::Time => {
                let milliseconds = usize::try_from(PROGRAM_TIME.as_millis()).unwrap_or(usize::MAX);
                Self::limit("a program takes", milliseconds, "ms of the processor")
            }
            Limit::Memory => {
                Self::limit("a program's values and nesting take", MEMORY_MIB_MAX, "MiB")
            }
            Limit::Output => Self::limit("an output has", OUTPUT_BYTES_MAX, "bytes"),
        }
    }
}
