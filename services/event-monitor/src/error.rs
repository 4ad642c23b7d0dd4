//! Why event-monitor ends.

use std::borrow::Cow;

use tripline_kernel::{Classify, ErrorKind};

/// Why event-monitor ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Its database refused it, for another reason than being away.
    #[error("event-monitor's database cannot be used")]
    Store(#[from] tripline_db::Error),
    /// A row of its database does not hold what it must.
    #[error("event-monitor's stored {0} cannot be read")]
    Damaged(&'static str),
    /// Its port failed.
    #[error("event-monitor's gRPC service failed")]
    Serve(#[from] tonic::transport::Error),
    /// One of its tasks ended unasked.
    #[error("event-monitor's task '{0}' ended")]
    TaskEnded(&'static str),
}

impl Classify for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Store(error) => error.kind(),
            Self::Damaged(_) | Self::Serve(_) | Self::TaskEnded(_) => ErrorKind::Internal,
        }
    }

    fn code(&self) -> Cow<'static, str> {
        match self {
            Self::Store(error) => error.code(),
            Self::Damaged(_) => "store-corrupt".into(),
            Self::Serve(_) | Self::TaskEnded(_) => "internal".into(),
        }
    }
}
