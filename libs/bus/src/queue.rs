//! The port of the work queue.

use futures_util::future::BoxFuture;
use tripline_event::Frame;

use crate::Error;

/// One of a fixed number of lanes. What must keep its order goes into one lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lane(pub u16);

/// Resolves once the frame is safe: in the queue's keeping, or acknowledged by whoever consumed it.
pub type Publish = BoxFuture<'static, Result<(), Error>>;

/// Hands frames from the router to the invoker, at least once, in order within a lane.
#[async_trait::async_trait]
pub trait WorkQueue: Send + Sync + 'static {
    /// Puts a frame into a lane. An error leaves it open whether the frame will be consumed; the caller publishes again.
    ///
    /// Order holds for a caller that has one frame unconfirmed per lane.
    fn publish(&self, lane: Lane, frame: Frame) -> Publish;

    /// Consumes a lane. Of several consumers of one lane, in whichever processes, one at a time receives.
    async fn consume(&self, lane: Lane) -> Result<Box<dyn Consumer>, Error>;
}

/// Receives the frames of one lane. Dropping it hands what is not acknowledged to the next consumer, in order.
#[async_trait::async_trait]
pub trait Consumer: Send {
    /// The next frame, as soon as there is one. Cancel-safe. At most a bounded number is given out unacknowledged.
    async fn next(&mut self) -> Result<Delivery, Error>;

    /// Acknowledges this delivery and all before it.
    async fn ack(&mut self, delivery: u64) -> Result<(), Error>;
}

/// A frame as a consumer receives it.
#[derive(Debug)]
pub struct Delivery {
    /// What [`Consumer::ack`] takes. Rises within a consumer.
    pub id: u64,
    /// What was published.
    pub frame: Frame,
}
