//! Listening to the live stream.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use rusty_s3::{Method, signing};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tripline_event::Event;
use tripline_kernel::Clock;
use tripline_outbound::Client;
use tripline_source::{Error, Outlet, Source};

use crate::lines::{LINE_BYTES_MAX, Lines};
use crate::settings::Watched;
use crate::{record, refusal};

/// The server pings each second; one that has been silent for this long is gone.
const SILENCE_MAX: Duration = Duration::from_secs(10);
/// Most events that wait for the log. The server drops what a listener does not take in time, so some are read ahead.
const WAITING_EVENTS_MAX: usize = 4_096;
/// Most events that are published at once.
const BATCH_EVENTS_MAX: usize = 256;
/// Most bytes that are read of a refusal.
const REFUSAL_BYTES_MAX: usize = 16 * 1024;
/// How long a signed request holds: as much as the clocks may differ.
const SIGNED_FOR_SECONDS: u64 = 900;

pub(crate) struct Listener {
    client: Client,
    clock: Arc<dyn Clock>,
    watched: Watched,
}

impl Listener {
    pub(crate) fn new(client: Client, clock: Arc<dyn Clock>, watched: Watched) -> Self {
        Self { client, clock, watched }
    }

    fn request(&self) -> Result<Request<Full<Bytes>>, Error> {
        let Watched { bucket, credentials, events, prefix, suffix } = &self.watched;
        // Sorted by name and then by value, as the signature wants it.
        let mut query: Vec<_> = events.iter().map(|event| ("events", *event)).collect();
        query.extend([("ping", "1"), ("prefix", prefix), ("suffix", suffix)]);
        let unusable =
            |error: String| Error::Refused(format!("the request cannot be made: {error}"));
        let now = jiff::Timestamp::from_microsecond(self.clock.now().as_micros())
            .map_err(|error| unusable(error.to_string()))?;
        let url = signing::sign(
            &now,
            Method::Get,
            bucket.base_url().clone(),
            credentials.key(),
            credentials.secret(),
            credentials.token(),
            bucket.region(),
            SIGNED_FOR_SECONDS,
            query.into_iter(),
            std::iter::empty(),
        );
        let request = Request::get(url.as_str()).body(Full::default());
        request.map_err(|error| unusable(error.to_string()))
    }

    async fn connect(&self) -> Result<Response<Incoming>, Error> {
        let sent = timeout(SILENCE_MAX, self.client.send(self.request()?)).await;
        let response = sent.map_err(|_| silent())?.map_err(|error| match error {
            tripline_outbound::Error::Forbidden(why) => Error::Refused(why),
            error @ (tripline_outbound::Error::Timeout(_)
            | tripline_outbound::Error::Unreachable(_)) => {
                Error::Unreachable(format!("MinIO cannot be reached: {error}"))
            }
        })?;
        if response.status() == http::StatusCode::OK {
            return Ok(response);
        }
        let status = response.status();
        let body = Limited::new(response.into_body(), REFUSAL_BYTES_MAX).collect();
        let body = match timeout(SILENCE_MAX, body).await {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(_)) | Err(_) => Bytes::new(), // The status tells enough.
        };
        Err(refusal::error(status, &body, self.watched.bucket.name()))
    }
}

#[async_trait::async_trait]
impl Source for Listener {
    async fn run(&self, outlet: Arc<dyn Outlet>, stop: CancellationToken) -> Result<(), Error> {
        let response = tokio::select! {
            response = self.connect() => response?,
            () = stop.cancelled() => return Ok(()),
        };
        outlet.running();
        let (sender, receiver) = mpsc::channel(WAITING_EVENTS_MAX);
        let mut publishing = std::pin::pin!(publish(receiver, &*outlet));
        let read = tokio::select! {
            published = &mut publishing => return published,
            read = read(response.into_body(), sender) => read,
            () = stop.cancelled() => Ok(()),
        };
        // What was received is published, whatever ended the stream: the server will not tell it again.
        publishing.await.and(read)
    }
}

/// Reads the stream until it ends, which is always an error.
async fn read(mut body: Incoming, events: mpsc::Sender<Event>) -> Result<(), Error> {
    let mut lines = Lines::default();
    loop {
        let frame = timeout(SILENCE_MAX, body.frame()).await.map_err(|_| silent())?;
        let frame = match frame {
            Some(Ok(frame)) => frame,
            Some(Err(error)) => {
                return Err(Error::Unreachable(format!("the stream broke off: {error}")));
            }
            None => return Err(Error::Unreachable("MinIO ended the stream".to_owned())),
        };
        lines.push(frame.data_ref().map(Bytes::as_ref).unwrap_or_default());
        while let Some(line) = lines.next().map_err(|_| too_long())? {
            for event in record::events(&line).map_err(incomprehensible)? {
                if events.send(event).await.is_err() {
                    return Ok(()); // Publishing has failed, and says why.
                }
            }
        }
    }
}

/// Publishes what waits, until there is no more to come.
async fn publish(mut events: mpsc::Receiver<Event>, outlet: &dyn Outlet) -> Result<(), Error> {
    let mut batch = Vec::new();
    while events.recv_many(&mut batch, BATCH_EVENTS_MAX).await > 0 {
        outlet.publish(std::mem::take(&mut batch)).await?;
    }
    Ok(())
}

fn silent() -> Error {
    Error::Unreachable(format!("MinIO has been silent for {} s", SILENCE_MAX.as_secs()))
}

fn too_long() -> Error {
    Error::Unreachable(format!("MinIO sent a line of more than {LINE_BYTES_MAX} bytes"))
}

fn incomprehensible(record::Incomprehensible(why): record::Incomprehensible) -> Error {
    Error::Unreachable(format!("MinIO sent what is no notification: {why}"))
}
