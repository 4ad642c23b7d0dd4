//! Consuming one lane, over the loss of connections.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use lapin::types::FieldTable;
use tripline_bus::{Consumer, Delivery, Error};
use tripline_event::Frame;

use crate::link::Link;
use crate::queues;
use crate::subscription::Subscription;

/// What it takes to subscribe to a lane.
#[derive(Clone)]
pub(crate) struct Source {
    pub(crate) link: Arc<Link>,
    pub(crate) queue: String,
    pub(crate) arguments: FieldTable,
    pub(crate) prefetch: u16,
}

/// Consumes one lane.
///
/// The broker counts deliveries anew on each channel. Ours count on: id = `base` + the broker's number, where `base` is
/// the last id of the channels before. So an acknowledgement that comes after its channel is gone is known as such.
pub(crate) struct LaneConsumer {
    source: Source,
    state: State,
    base: u64,
    last: u64,
}

// The future is kept here and not in `next`, so that dropping a call does not start it anew.
enum State {
    Opening(BoxFuture<'static, Box<Subscription>>),
    Open(Box<Subscription>),
}

impl LaneConsumer {
    /// Consumes, waiting while the broker is away.
    pub(crate) async fn open(source: Source) -> Self {
        let subscription = subscribe(source.clone()).await;
        Self { source, state: State::Open(subscription), base: 0, last: 0 }
    }

    fn reopen(&mut self, why: &str) {
        tracing::debug!(queue = self.source.queue, reason = why, "consuming again");
        self.source.link.suspect();
        self.base = self.last;
        // The old channel is closed here, before the new one is asked for.
        self.state = State::Opening(Box::pin(subscribe(self.source.clone())));
    }
}

#[async_trait::async_trait]
impl Consumer for LaneConsumer {
    async fn next(&mut self) -> Result<Delivery, Error> {
        loop {
            match &mut self.state {
                State::Opening(opening) => self.state = State::Open(opening.await),
                State::Open(subscription) => match subscription.next().await {
                    Ok(delivery) => {
                        self.last = self.base + delivery.delivery_tag;
                        let frame = Frame::decode(Bytes::from(delivery.data));
                        let corrupt =
                            |error| Error::Corrupt(format!("{}: {error}", self.source.queue));
                        return Ok(Delivery { id: self.last, frame: frame.map_err(corrupt)? });
                    }
                    Err(why) => self.reopen(&why),
                },
            }
        }
    }

    async fn ack(&mut self, delivery: u64) -> Result<(), Error> {
        let State::Open(subscription) = &self.state else { return Ok(()) };
        // What came through an earlier channel comes again: there is nothing to acknowledge any more.
        let Some(tag @ 1..) = delivery.checked_sub(self.base) else { return Ok(()) };
        debug_assert!(delivery <= self.last, "only what was given out can be acknowledged");
        if let Err(error) = subscription.ack(tag).await {
            self.reopen(&error.to_string());
            return Err(Error::Unavailable(error.to_string()));
        }
        Ok(())
    }
}

/// Makes the lane if it is not there and consumes it, waiting while the broker is away.
async fn subscribe(source: Source) -> Box<Subscription> {
    let mut attempt = 0;
    loop {
        let up = source.link.up().await;
        let subscribed = async {
            queues::ensure(&up, &source.queue, &source.arguments).await?;
            let (channel, none) = (up.channel().await?, FieldTable::default());
            Subscription::new(channel, &source.queue, source.prefetch, none).await
        };
        let fault = match subscribed.await {
            Ok(subscription) => return Box::new(subscription),
            Err(fault) => fault,
        };
        tracing::warn!(queue = source.queue, error = %fault, "the lane cannot be consumed yet");
        source.link.suspect();
        attempt += 1;
        tokio::time::sleep(source.link.backoff(attempt)).await;
    }
}
