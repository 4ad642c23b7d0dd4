//! Why the service ends.

use std::io;

/// What makes the service end without having been told to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The HTTP server could not start, or broke off.
    #[error("the HTTP server cannot go on")]
    Http(#[from] io::Error),
    /// A task that the service cannot do without has ended.
    #[error("the task '{0}' has ended")]
    Task(&'static str),
}
