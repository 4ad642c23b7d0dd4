//! The two ports that events travel through: the durable [`EventLog`] and the [`WorkQueue`] of lanes.
//!
//! Both carry [`tripline_event::Frame`]s and know nothing of what is in them.

#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
pub mod embedded;
pub mod gather;
mod log;
mod queue;

pub use gather::Gatherer;
pub use log::{Append, EventLog, Offset, Reader, Record, Retention, Stream};
pub use queue::{Consumer, Delivery, Lane, Publish, WorkQueue};

use std::borrow::Cow;

use tripline_kernel::{Classify, ErrorKind};

/// What can go wrong with a log or a queue.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// Nothing was promised: the frame may be there or not. The same call may succeed later.
    #[error("the event log cannot take or give anything right now: {0}")]
    Unavailable(String),
    /// There is no such stream.
    #[error("there is no stream {0}")]
    NoStream(String),
    /// Retention has passed the offset that was asked for.
    #[error("the log starts at offset {first}, after the offset {asked} that was asked for")]
    Gap {
        /// The offset that was asked for.
        asked: Offset,
        /// The first offset that is left.
        first: Offset,
    },
    /// The log does not take frames of this size, now or later.
    #[error("a frame of {bytes} bytes is larger than the {bytes_max} that the log takes")]
    TooLarge {
        /// How large it is.
        bytes: usize,
        /// How large it may be.
        bytes_max: usize,
    },
    /// The store holds something that nobody wrote. Only an operator can help.
    #[error("the stored log is damaged: {0}")]
    Corrupt(String),
}

impl Classify for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Unavailable(_) => ErrorKind::Unavailable,
            Self::NoStream(_) | Self::Gap { .. } => ErrorKind::NotFound,
            Self::TooLarge { .. } => ErrorKind::TooLarge,
            Self::Corrupt(_) => ErrorKind::Internal,
        }
    }

    fn code(&self) -> Cow<'static, str> {
        match self {
            Self::Unavailable(_) => "log-unavailable",
            Self::NoStream(_) => "no-stream",
            Self::Gap { .. } => "log-gap",
            Self::TooLarge { .. } => "frame-too-large",
            Self::Corrupt(_) => "log-corrupt",
        }
        .into()
    }

    fn retry_after_seconds(&self) -> Option<u32> {
        matches!(self, Self::Unavailable(_)).then_some(1)
    }
}
