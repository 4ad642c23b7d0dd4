//! The event log: each partition of a bus is a stream.

use std::sync::Arc;
use std::time::Duration;

use lapin::types::{AMQPValue, FieldTable};
use tokio::time::Instant;
use tripline_bus::{Append, Error, EventLog, Offset, Reader, Retention, Stream};
use tripline_event::Frame;
use tripline_kernel::Entropy;

use crate::link::Link;
use crate::publisher::{Presence, Publisher, Target};
use crate::queues;
use crate::reader::{self, Start, StreamReader};
use crate::{InvalidUri, Options};

/// How long making or deleting a stream may take, waiting for the broker included.
const CHANGE_MAX: Duration = Duration::from_secs(15);

/// What a stream is to be.
#[derive(Clone, Copy)]
enum Wanted<'a> {
    /// There, made with these arguments if it was not.
    Made(&'a FieldTable),
    /// Gone.
    Deleted,
}

/// The event log on RabbitMQ streams. Its connections are closed when it and all its readers are dropped.
pub struct Log {
    options: Options,
    publishing: Arc<Link>,
    reading: Arc<Link>,
    publisher: Publisher,
}

impl Log {
    /// Connects, waiting with back-off while the broker is down. Cancel by dropping.
    ///
    /// # Errors
    /// When the URI cannot be read.
    pub async fn connect(options: &Options, entropy: Arc<dyn Entropy>) -> Result<Self, InvalidUri> {
        let publishing = Link::start(options, "log appends", Arc::clone(&entropy))?;
        let reading = Link::start(options, "log reads", entropy)?;
        tokio::join!(publishing.up(), reading.up());
        let publisher = Publisher::new(Arc::clone(&publishing), &options.prefix, Presence::Expect);
        Ok(Self { options: options.clone(), publishing, reading, publisher })
    }

    fn queue(&self, stream: Stream) -> String {
        Target::Stream(stream).queue(&self.options.prefix)
    }

    async fn until_it_is(&self, queue: &str, wanted: Wanted<'_>) -> Result<(), Error> {
        let deadline = Instant::now() + CHANGE_MAX;
        let mut attempt = 0;
        loop {
            let up = self.publishing.up_by(deadline).await?;
            let done = match wanted {
                Wanted::Made(arguments) => queues::ensure(&up, queue, arguments).await,
                Wanted::Deleted => queues::delete(&up, queue).await,
            };
            let Err(fault) = done else { return Ok(()) };
            self.publishing.suspect();
            attempt += 1;
            let retry = Instant::now() + self.publishing.backoff(attempt);
            if retry >= deadline {
                let what = if matches!(wanted, Wanted::Deleted) { "deleted" } else { "made" };
                return Err(Error::Unavailable(format!("{queue} cannot be {what}: {fault}")));
            }
            tokio::time::sleep_until(retry).await;
        }
    }

    fn arguments(&self, retention: Retention) -> FieldTable {
        let signed =
            |number: u64| AMQPValue::LongLongInt(i64::try_from(number).unwrap_or(i64::MAX));
        let mut arguments = FieldTable::default();
        arguments.insert("x-queue-type".into(), AMQPValue::LongString("stream".into()));
        arguments.insert("x-max-length-bytes".into(), signed(retention.bytes));
        let age = format!("{}s", retention.time.as_secs().max(1));
        arguments.insert("x-max-age".into(), AMQPValue::LongString(age.into()));
        let segment = self.options.segment_bytes(retention.bytes);
        arguments.insert("x-stream-max-segment-size-bytes".into(), signed(segment));
        arguments
    }
}

#[async_trait::async_trait]
impl EventLog for Log {
    /// A stream that is there keeps the retention it was made with.
    async fn create(&self, stream: Stream, retention: Retention) -> Result<(), Error> {
        let (queue, arguments) = (self.queue(stream), self.arguments(retention));
        self.until_it_is(&queue, Wanted::Made(&arguments)).await
    }

    async fn delete(&self, stream: Stream) -> Result<(), Error> {
        self.until_it_is(&self.queue(stream), Wanted::Deleted).await
    }

    fn append(&self, stream: Stream, frame: Frame) -> Append {
        self.publisher.submit(Target::Stream(stream), frame.encode())
    }

    async fn read(&self, stream: Stream, from: Offset) -> Result<Box<dyn Reader>, Error> {
        let start = Start {
            link: Arc::clone(&self.reading),
            queue: self.queue(stream),
            prefetch: self.options.prefetch_frames,
        };
        let reader = StreamReader::open(start, from).await?;
        Ok(Box::new(reader))
    }

    async fn earliest(&self, stream: Stream) -> Result<Offset, Error> {
        let first = reader::first_or_empty(&self.reading, &self.queue(stream)).await?;
        Ok(first.unwrap_or(0))
    }
}
