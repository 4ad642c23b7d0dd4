//! Receiving from one queue through a channel of its own.

use std::task::{Context, Waker};

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Consumer};

use crate::fault::{Fault, request};

/// A consumer on a channel of its own.
///
/// Dropping it closes the channel and cancels nothing before: a cancelled consumer would let the next one receive while
/// the frames that this one holds are not back in the queue.
pub(crate) struct Subscription {
    channel: Channel,
    consumer: Consumer,
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let closing = self.channel.close(200, "done".into());
        // One poll hands the closing over to the connection; nobody has to wait for the answer.
        let _ = std::pin::pin!(closing).poll(&mut Context::from_waker(Waker::noop()));
    }
}

impl Subscription {
    /// Consumes the queue through this channel, with at most `prefetch` unacknowledged messages.
    pub(crate) async fn new(
        channel: Channel,
        queue: &str,
        prefetch: u16,
        arguments: FieldTable,
    ) -> Result<Self, Fault> {
        request(channel.basic_qos(prefetch, BasicQosOptions::default())).await?;
        let options = BasicConsumeOptions::default();
        let consume = channel.basic_consume(queue.into(), "".into(), options, arguments);
        let consumer = request(consume).await?;
        Ok(Self { channel, consumer })
    }

    /// The next message, or why there will be none. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Result<Delivery, String> {
        match self.consumer.next().await {
            Some(Ok(delivery)) => Ok(delivery),
            Some(Err(error)) => Err(error.to_string()),
            None => Err("the broker ended the consumer".to_owned()),
        }
    }

    /// Acknowledges a message and all before it.
    pub(crate) fn ack(&self, tag: u64) -> BoxFuture<'static, lapin::Result<()>> {
        let channel = self.channel.clone();
        Box::pin(async move { channel.basic_ack(tag, BasicAckOptions { multiple: true }).await })
    }
}
