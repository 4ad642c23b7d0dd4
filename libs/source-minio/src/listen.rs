//! A run of the source: opens the live stream, and hands what it brings to the keeper.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tripline_kernel::Clock;
use tripline_outbound::Client;
use tripline_source::{Error, Outlet, Source};

use crate::keeper::{Around, Keeper};
use crate::lines::{LINE_BYTES_MAX, Lines};
use crate::progress::Progress;
use crate::record::{self, Notice};
use crate::s3::{S3, SILENCE_MAX, silent};
use crate::settings::Watched;

/// Most notifications that wait for the log. The server drops what a listener does not take in time, so some are read
/// ahead.
const WAITING_MAX: usize = 8_192;
/// How long the stream may stand still because they all wait. The server holds back some thousands meanwhile; before it
/// may have dropped one, the stream is given up, and the next run looks through the bucket.
const STANDSTILL_MAX: Duration = Duration::from_secs(1);

/// What no bucket tells after a gap.
const UNSEEN: &str = "while it does not listen (it or MinIO restarts, or the network is cut) it sees no accesses and no \
    tagging, and of what it finds afterwards not how it was created";
/// What a bucket without versions does not tell either.
const UNSEEN_WITHOUT_VERSIONS: &str = "the bucket keeps no versions, so it sees then neither objects that were created and \
    removed, nor overwrites but the last";

pub(crate) struct Listener {
    s3: S3,
}

impl Listener {
    pub(crate) fn new(client: Client, clock: Arc<dyn Clock>, watched: Watched) -> Self {
        Self { s3: S3 { client, clock, watched } }
    }

    async fn work(&self, outlet: &dyn Outlet, stop: &CancellationToken) -> Result<(), Error> {
        let S3 { clock, watched, .. } = &self.s3;
        let mut progress = Progress::recall(outlet, watched.origin()).await?;
        // Listen first and look then, so that nothing happens in between.
        let response = tokio::select! {
            response = self.s3.listen() => response?,
            () = stop.cancelled() => return Ok(()),
        };
        let opened_at = server_time(&response).unwrap_or_else(|| clock.now().as_micros() / 1_000);
        let plan = progress.begin(watched.scope.clone(), opened_at);
        progress.remember(outlet).await?;
        let keeps_versions = self.s3.keeps_versions().await;
        outlet.running();
        outlet.cannot_see(&unseen(keeps_versions));

        let around = Around {
            lister: &self.s3,
            outlet,
            clock: &**clock,
            bucket: watched.bucket.name(),
            asked: &watched.asked,
        };
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        let mut keeping = std::pin::pin!(Keeper::new(around, progress, plan).run(receiver));
        let read = tokio::select! {
            kept = &mut keeping => return kept,
            read = read(response.into_body(), sender) => read,
            () = stop.cancelled() => Ok(()),
        };
        // What was received is told, whatever ended the stream.
        keeping.await.and(read)
    }
}

#[async_trait::async_trait]
impl Source for Listener {
    async fn run(&self, outlet: Arc<dyn Outlet>, stop: CancellationToken) -> Result<(), Error> {
        self.work(&*outlet, &stop).await
    }
}

fn unseen(keeps_versions: Option<bool>) -> String {
    if keeps_versions == Some(true) {
        UNSEEN.to_owned()
    } else {
        format!("{UNSEEN}; {UNSEEN_WITHOUT_VERSIONS}")
    }
}

/// When the server answered, by its own clock, in milliseconds since the epoch. It tells whole seconds, rounded down.
fn server_time(response: &Response<Incoming>) -> Option<i64> {
    let date = response.headers().get(http::header::DATE)?.to_str().ok()?;
    let date = jiff::fmt::rfc2822::parse(date).ok()?;
    Some(date.timestamp().as_millisecond())
}

/// Reads the stream until it ends, which is always an error.
async fn read(mut body: Incoming, notices: mpsc::Sender<Notice>) -> Result<(), Error> {
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
            for notice in record::notices(&line).map_err(incomprehensible)? {
                match notices.send_timeout(notice, STANDSTILL_MAX).await {
                    Ok(()) => {}
                    Err(mpsc::error::SendTimeoutError::Timeout(_)) => return Err(too_much()),
                    // The keeper has failed, and says why.
                    Err(mpsc::error::SendTimeoutError::Closed(_)) => return Ok(()),
                }
            }
        }
    }
}

fn too_much() -> Error {
    let why = "more happens in the bucket than the event log takes; what was missed is looked up";
    Error::Unreachable(why.to_owned())
}

fn too_long() -> Error {
    Error::Unreachable(format!("MinIO sent a line of more than {LINE_BYTES_MAX} bytes"))
}

fn incomprehensible(record::Incomprehensible(why): record::Incomprehensible) -> Error {
    Error::Unreachable(format!("MinIO sent what is no notification: {why}"))
}
