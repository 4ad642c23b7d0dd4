//! What the client library's errors mean here.

use std::future::Future;
use std::time::Duration;

use lapin::ErrorKind;
use lapin::protocol::{AMQPErrorKind, AMQPSoftError};

/// How long one request to the broker may take.
pub(crate) const REQUEST_MAX: Duration = Duration::from_secs(5);

/// Why a request to the broker failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// There is no such queue, or not at this moment: a broker that has just started says so too.
    #[error("the broker does not know it")]
    NotFound,
    /// The queue is there, made with other arguments.
    #[error("{0}")]
    Differs(String),
    /// No answer within [`REQUEST_MAX`].
    #[error("the broker did not answer within {REQUEST_MAX:?}")]
    Silent,
    /// Anything else; trying again may help.
    #[error("{0}")]
    Failed(String),
}

impl From<lapin::Error> for Fault {
    fn from(error: lapin::Error) -> Self {
        let soft = match error.kind() {
            ErrorKind::ProtocolError(error) => match error.kind() {
                AMQPErrorKind::Soft(soft) => Some(soft.clone()),
                AMQPErrorKind::Hard(_) => None,
            },
            _ => None,
        };
        match soft {
            Some(AMQPSoftError::NOTFOUND) => Self::NotFound,
            Some(AMQPSoftError::PRECONDITIONFAILED) => Self::Differs(error.to_string()),
            _ => Self::Failed(error.to_string()),
        }
    }
}

/// The answer of the broker, if it comes in time.
pub(crate) async fn request<T>(answer: impl Future<Output = lapin::Result<T>>) -> Result<T, Fault> {
    match tokio::time::timeout(REQUEST_MAX, answer).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(Fault::Silent),
    }
}
