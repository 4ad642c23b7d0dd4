//! Why a command has not done what it was asked, and how it says so.

use std::io;
use std::process::ExitCode;

use serde::Deserialize;
use tripline_kernel::Fault;

use crate::output::plain;

/// Exit code when the server cannot be reached. (0 is done, 1 refused or failed, 2 wrong usage.)
const EXIT_UNREACHABLE: u8 = 3;

/// Why a command has not done what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The server refused.
    #[error("{0}")]
    Refused(Problem),
    /// The server cannot be reached.
    #[error("{0}")]
    Unreachable(String),
    /// Something here, or in what was given.
    #[error("{0}")]
    Failed(String),
    /// The output cannot be written.
    #[error("cannot write the output")]
    Output(#[from] io::Error),
}

/// The server's own words (RFC 9457).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Problem {
    pub(crate) status: u16,
    pub(crate) code: String,
    pub(crate) title: String,
    pub(crate) detail: String,
    pub(crate) errors: Vec<Fault>,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let what = if self.detail.is_empty() { &self.title } else { &self.detail };
        write!(f, "{} ({}, {})", plain(what), self.status, plain(&self.code))?;
        for Fault { pointer, code, detail } in &self.errors {
            let place = if pointer.is_empty() { "the whole" } else { pointer };
            write!(f, "\n  {}: {} ({})", plain(place), plain(detail), plain(code))?;
        }
        Ok(())
    }
}

impl Failure {
    /// Says it on standard error. The exit code to end with.
    #[allow(clippy::print_stderr, reason = "this is the command line")]
    pub(crate) fn report(&self) -> ExitCode {
        match self {
            // Whoever read the output has seen enough of it.
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                return ExitCode::SUCCESS;
            }
            Self::Output(error) => eprintln!("error: {self}: {error}"),
            Self::Refused(_) | Self::Unreachable(_) | Self::Failed(_) => eprintln!("error: {self}"),
        }
        match self {
            Self::Unreachable(_) => ExitCode::from(EXIT_UNREACHABLE),
            Self::Refused(_) | Self::Failed(_) | Self::Output(_) => ExitCode::FAILURE,
        }
    }
}
