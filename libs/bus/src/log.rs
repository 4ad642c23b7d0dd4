//! The port of the event log.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tripline_event::Frame;
use tripline_kernel::Uid;

use crate::Error;

/// The place of a frame in its stream. Rises with each frame; numbers may be left out.
pub type Offset = u64;

/// One partition of one bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stream {
    /// The bus: its uid, so that a bus made anew under an old name begins empty.
    pub bus: Uid,
    /// The partition, from 0.
    pub partition: u16,
}

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.bus, self.partition)
    }
}

/// How much of a stream is kept. Whichever limit is reached first counts; what is dropped is dropped whole segments at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// How long a record is kept at least, while the bytes allow it.
    pub time: Duration,
    /// How many bytes are kept at most, give or take one segment.
    pub bytes: u64,
}

/// One record of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Where it stands.
    pub offset: Offset,
    /// What it holds.
    pub frame: Frame,
}

/// Resolves once the log has taken the frame into its keeping, or says that it promises nothing.
pub type Append = BoxFuture<'static, Result<(), Error>>;

/// A partitioned, durable log of frames.
///
/// What an append has answered survives the death of any process. Order holds within a stream.
#[async_trait::async_trait]
pub trait EventLog: Send + Sync + 'static {
    /// Makes the stream if it is not there. Idempotent.
    async fn create(&self, stream: Stream, retention: Retention) -> Result<(), Error>;

    /// Removes the stream and all it holds, if it is there. Idempotent. Its readers fail, and so does whoever appends.
    ///
    /// After an error the stream may be there, be gone, or hold less: call again.
    async fn delete(&self, stream: Stream) -> Result<(), Error>;

    /// Appends a frame. Frames take the order of the calls, not of the answers, so appends can be pipelined.
    ///
    /// Never waits before it returns the answer's future: the caller bounds what it has under way. An error, or a
    /// dropped answer, leaves it open whether the frame is in the log.
    fn append(&self, stream: Stream, frame: Frame) -> Append;

    /// Reads from the frame at `from` on, or from the first after it where that number was left out; then waits for
    /// what comes. An offset beyond the end waits until the stream has grown to it.
    ///
    /// # Errors
    /// [`Error::Gap`] when retention has passed `from`: never skips silently.
    async fn read(&self, stream: Stream, from: Offset) -> Result<Box<dyn Reader>, Error>;

    /// The offset of the first frame that is left, or of the next frame to come when the stream is empty.
    async fn earliest(&self, stream: Stream) -> Result<Offset, Error>;
}

/// Gives the frames of one stream in order.
#[async_trait::async_trait]
pub trait Reader: Send {
    /// The next record, as soon as there is one. Cancel-safe: a dropped call loses nothing.
    async fn next(&mut self) -> Result<Record, Error>;
}

#[async_trait::async_trait]
impl<L: EventLog + ?Sized> EventLog for Arc<L> {
    async fn create(&self, stream: Stream, retention: Retention) -> Result<(), Error> {
        (**self).create(stream, retention).await
    }

    async fn delete(&self, stream: Stream) -> Result<(), Error> {
        (**self).delete(stream).await
    }

    fn append(&self, stream: Stream, frame: Frame) -> Append {
        (**self).append(stream, frame)
    }

    async fn read(&self, stream: Stream, from: Offset) -> Result<Box<dyn Reader>, Error> {
        (**self).read(stream, from).await
    }

    async fn earliest(&self, stream: Stream) -> Result<Offset, Error> {
        (**self).earliest(stream).await
    }
}
