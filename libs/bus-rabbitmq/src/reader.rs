//! Reading one stream: in order, from any offset, over the loss of connections, and never past a gap in silence.
//!
//! A stream whose old segments were dropped begins at the first offset that is left and says nothing. Numbers are left
//! out for harmless reasons too, so whenever an offset jumps the reader asks where the stream begins: a start beyond
//! the offset that was due is a gap.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use lapin::message::Delivery;
use lapin::types::{AMQPValue, FieldTable};
use tokio::time::Instant;
use tripline_bus::{Error, Offset, Reader, Record};
use tripline_event::Frame;

use crate::fault::Fault;
use crate::link::Link;
use crate::subscription::Subscription;

/// How long a broker may say that it does not know a stream before it is believed.
const MISSING_MAX: Duration = Duration::from_secs(2);
/// The same after a connection was lost, since the broker may be starting.
const MISSING_AFTER_LOSS_MAX: Duration = Duration::from_secs(30);
/// How long the first record of a stream is waited for before the stream counts as empty.
const FIRST_MAX: Duration = Duration::from_secs(1);

/// What it takes to subscribe to a stream.
#[derive(Clone)]
pub(crate) struct Start {
    pub(crate) link: Arc<Link>,
    pub(crate) queue: String,
    pub(crate) prefetch: u16,
}

/// Reads one stream.
pub(crate) struct StreamReader {
    start: Start,
    /// The offset that is due.
    next: Offset,
    state: State,
    /// A record behind a jump, and the question where the stream begins.
    held: Option<(Record, BoxFuture<'static, Result<Offset, Error>>)>,
    /// Reading cannot go on.
    failed: Option<Error>,
}

// Futures are kept here and not in `next`, so that dropping a call neither loses a record nor starts anything anew.
enum State {
    Opening(BoxFuture<'static, Result<Subscription, Error>>),
    Open(Box<Open>),
}

struct Open {
    subscription: Subscription,
    /// Given out since the last acknowledgement.
    unacknowledged: u16,
    acknowledging: Option<BoxFuture<'static, lapin::Result<()>>>,
}

impl StreamReader {
    /// Reads on from an offset.
    ///
    /// # Errors
    /// [`Error::Gap`] when the stream begins after it.
    pub(crate) async fn open(start: Start, from: Offset) -> Result<Self, Error> {
        let begin = first_or_empty(&start.link, &start.queue).await?;
        if let Some(first) = begin.filter(|first| *first > from) {
            return Err(Error::Gap { asked: from, first });
        }
        let subscription = subscribe(start.clone(), from, MISSING_MAX).await?;
        let state = State::Open(Box::new(Open::new(subscription)));
        Ok(Self { start, next: from, state, held: None, failed: None })
    }

    fn reopen(&mut self, why: &str) {
        tracing::debug!(
            queue = self.start.queue,
            offset = self.next,
            reason = why,
            "reading again"
        );
        self.start.link.suspect();
        let again = subscribe(self.start.clone(), self.next, MISSING_AFTER_LOSS_MAX);
        self.state = State::Opening(Box::pin(again));
    }

    /// The next delivery on an open subscription.
    async fn delivery(&mut self) -> Result<Delivery, Error> {
        loop {
            match &mut self.state {
                State::Opening(opening) => {
                    self.state = State::Open(Box::new(Open::new(opening.await?)));
                }
                State::Open(open) => match open.next(self.start.prefetch).await {
                    Ok(delivery) => return Ok(delivery),
                    Err(why) => self.reopen(&why),
                },
            }
        }
    }

    /// The record that is held back, once it is known to follow what was read.
    async fn release(&mut self) -> Result<Option<Record>, Error> {
        let Some((_, asking)) = &mut self.held else { return Ok(None) };
        let first = asking.await;
        let Some((record, _)) = self.held.take() else { return Ok(None) };
        let first = first?;
        if first > self.next {
            return Err(Error::Gap { asked: self.next, first });
        }
        self.next = record.offset + 1;
        Ok(Some(record))
    }

    async fn advance(&mut self) -> Result<Record, Error> {
        loop {
            if let Some(record) = self.release().await? {
                return Ok(record);
            }
            let delivery = self.delivery().await?;
            let record = record(&self.start.queue, delivery)?;
            if record.offset < self.next {
                continue; // The broker begins with the chunk that holds the offset, or sends again what it sent.
            }
            if record.offset == self.next {
                self.next += 1;
                return Ok(record);
            }
            let Start { link, queue, .. } = self.start.clone();
            self.held = Some((record, Box::pin(async move { first(&link, &queue).await })));
        }
    }
}

impl Open {
    fn new(subscription: Subscription) -> Self {
        Self { subscription, unacknowledged: 0, acknowledging: None }
    }

    /// The next message, or why there will be none.
    async fn next(&mut self, prefetch: u16) -> Result<Delivery, String> {
        if let Some(acknowledging) = &mut self.acknowledging {
            let outcome = acknowledging.await;
            self.acknowledging = None;
            outcome.map_err(|error| error.to_string())?;
        }
        let delivery = self.subscription.next().await?;
        self.unacknowledged += 1;
        // Acknowledging a stream's message gives the broker leave to send more, and nothing else.
        if self.unacknowledged >= prefetch.div_ceil(2) {
            self.unacknowledged = 0;
            self.acknowledging = Some(self.subscription.ack(delivery.delivery_tag));
        }
        Ok(delivery)
    }
}

#[async_trait::async_trait]
impl Reader for StreamReader {
    async fn next(&mut self) -> Result<Record, Error> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let advanced = self.advance().await;
        match &advanced {
            // What the broker cannot give now is asked for again by the next call.
            Err(Error::Unavailable(why)) => self.reopen(&why.clone()),
            Err(error) => self.failed = Some(error.clone()),
            Ok(_) => {}
        }
        advanced
    }
}

fn record(queue: &str, delivery: Delivery) -> Result<Record, Error> {
    let offset = offset(queue, &delivery)?;
    let frame = Frame::decode(Bytes::from(delivery.data));
    let corrupt = |error| Error::Corrupt(format!("{queue}, offset {offset}: {error}"));
    Ok(Record { offset, frame: frame.map_err(corrupt)? })
}

fn offset(queue: &str, delivery: &Delivery) -> Result<Offset, Error> {
    let headers = delivery.properties.headers().as_ref();
    let offset = headers.and_then(|headers| match headers.inner().get("x-stream-offset") {
        Some(AMQPValue::LongLongInt(offset)) => Offset::try_from(*offset).ok(),
        _ => None,
    });
    offset.ok_or_else(|| Error::Corrupt(format!("{queue}: a message without an offset")))
}

/// Subscribes from a place on, waiting while the broker is away.
async fn subscribe(start: Start, from: Offset, missing: Duration) -> Result<Subscription, Error> {
    let from = AMQPValue::LongLongInt(i64::try_from(from).unwrap_or(i64::MAX));
    subscribe_at(&start, from, missing).await
}

async fn subscribe_at(
    start: &Start,
    place: AMQPValue,
    missing: Duration,
) -> Result<Subscription, Error> {
    let mut arguments = FieldTable::default();
    arguments.insert("x-stream-offset".into(), place);
    let (mut attempt, mut missing_until) = (0, None);
    loop {
        let up = start.link.up().await;
        let subscribed = match up.channel().await {
            Ok(channel) => {
                Subscription::new(channel, &start.queue, start.prefetch, arguments.clone()).await
            }
            Err(fault) => Err(fault),
        };
        let fault = match subscribed {
            Ok(subscription) => return Ok(subscription),
            Err(fault) => fault,
        };
        if let Fault::NotFound = fault {
            let until = *missing_until.get_or_insert_with(|| Instant::now() + missing);
            if Instant::now() >= until {
                return Err(Error::NoStream(start.queue.clone()));
            }
        }
        start.link.suspect();
        attempt += 1;
        tokio::time::sleep(start.link.backoff(attempt)).await;
    }
}

/// The offset of the first record that is left in a stream; nothing when the stream seems to be empty.
///
/// A broker that is slow makes a stream seem empty. That does not mislead a reader: it meets a jump.
pub(crate) async fn first_or_empty(link: &Arc<Link>, queue: &str) -> Result<Option<Offset>, Error> {
    let start = Start { link: Arc::clone(link), queue: queue.to_owned(), prefetch: 1 };
    loop {
        let place = AMQPValue::LongString("first".into());
        let mut subscription = subscribe_at(&start, place, MISSING_MAX).await?;
        match tokio::time::timeout(FIRST_MAX, subscription.next()).await {
            Ok(Ok(delivery)) => return offset(queue, &delivery).map(Some),
            Ok(Err(_)) => link.suspect(),
            Err(_) => return Ok(None),
        }
    }
}

/// The same for a stream that is known to hold something.
async fn first(link: &Arc<Link>, queue: &str) -> Result<Offset, Error> {
    loop {
        if let Some(first) = first_or_empty(link, queue).await? {
            return Ok(first);
        }
    }
}
