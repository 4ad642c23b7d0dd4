//! The work queue: each lane is a quorum queue of which one consumer at a time receives.

use std::sync::Arc;

use lapin::types::{AMQPValue, FieldTable};
use tripline_bus::{Consumer, Error, Lane, Publish, WorkQueue};
use tripline_event::Frame;
use tripline_kernel::Entropy;

use crate::consumer::{LaneConsumer, Source};
use crate::link::Link;
use crate::publisher::{Presence, Publisher, Target};
use crate::{InvalidUri, Options};

/// The lanes on RabbitMQ quorum queues. Its connections are closed when it and all its consumers are dropped.
pub struct Queue {
    options: Options,
    consuming: Arc<Link>,
    publisher: Publisher,
}

impl Queue {
    /// Connects, waiting with back-off while the broker is down. Cancel by dropping. Lanes are made at their first use.
    ///
    /// # Errors
    /// When the URI cannot be read.
    pub async fn connect(options: &Options, entropy: Arc<dyn Entropy>) -> Result<Self, InvalidUri> {
        let publishing = Link::start(options, "lane publishes", Arc::clone(&entropy))?;
        let consuming = Link::start(options, "lane consumers", entropy)?;
        tokio::join!(publishing.up(), consuming.up());
        let presence = Presence::Ensure(arguments(options));
        let publisher = Publisher::new(publishing, &options.prefix, presence);
        Ok(Self { options: options.clone(), consuming, publisher })
    }
}

/// A full lane refuses, so that the router stops and the log holds the rest. There is no delivery limit: a frame may be
/// handed from consumer to consumer any number of times.
fn arguments(options: &Options) -> FieldTable {
    let text = |text: &str| AMQPValue::LongString(text.into());
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), text("quorum"));
    arguments.insert("x-single-active-consumer".into(), AMQPValue::Boolean(true));
    arguments.insert("x-overflow".into(), text("reject-publish"));
    let frames = AMQPValue::LongLongInt(options.lane_frames_max.into());
    arguments.insert("x-max-length".into(), frames);
    let bytes = i64::try_from(options.lane_bytes_max).unwrap_or(i64::MAX);
    arguments.insert("x-max-length-bytes".into(), AMQPValue::LongLongInt(bytes));
    arguments
}

#[async_trait::async_trait]
impl WorkQueue for Queue {
    fn publish(&self, lane: Lane, frame: Frame) -> Publish {
        self.publisher.submit(Target::Lane(lane), frame.encode())
    }

    async fn consume(&self, lane: Lane) -> Result<Box<dyn Consumer>, Error> {
        let source = Source {
            link: Arc::clone(&self.consuming),
            queue: Target::Lane(lane).queue(&self.options.prefix),
            arguments: arguments(&self.options),
            prefetch: self.options.prefetch_frames,
        };
        Ok(Box::new(LaneConsumer::open(source).await))
    }
}
