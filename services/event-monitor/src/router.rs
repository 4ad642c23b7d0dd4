//! The router of one partition: reads the log, decides which triggers get each event, and hands it to their lanes.
//!
//! Everything that waits is here; what is decided is in [`routing`]. Nothing that can be tried again ends a router: it
//! retries with back-off, and the log holds the rest.

mod definitions;
mod lanes;
mod matching;
mod opening;
mod progress;
mod routing;
#[cfg(test)]
mod tests;
mod window;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_stream::StreamExt as _;
use tokio_util::sync::CancellationToken;
use tripline_bus::{EventLog, Lane, Reader, Record, WorkQueue};
use tripline_event::Frame;
use tripline_kernel::{Clock, Entropy, backoff, milliseconds};
use tripline_trace::Tracer;

use crate::board::{Board, Notice};
use crate::metrics::Metrics;
use crate::registry::{Bus, Control, Snapshot};
use crate::store::{self, Checkpoint, Claimed, Partition, Store};
use definitions::Definitions;
pub(crate) use definitions::revision_in_force;
use opening::{Opened, Opening};
pub(crate) use routing::Limits;
use routing::{Routing, Terms, Unreadable};

/// A checkpoint is written at most this often.
const CHECKPOINT_EVERY: Duration = Duration::from_millis(500);
/// How long a router that is to stop waits for what is in the lanes, and again for its last checkpoint.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(3);
/// A router that reads events this long after they were accepted is behind…
const BEHIND_FROM: Duration = Duration::from_millis(100);
/// …until it reads them sooner than this.
const BEHIND_UNTIL: Duration = Duration::from_millis(20);
/// The waits before something is tried again grow from here…
const RETRY_BASE: Duration = Duration::from_millis(50);
/// …to here.
const RETRY_CAP: Duration = Duration::from_secs(5);

/// What all routers of a process share.
pub(crate) struct Surroundings {
    pub(crate) log: Arc<dyn EventLog>,
    pub(crate) lanes: Arc<dyn WorkQueue>,
    pub(crate) checkpoints: Arc<dyn Checkpoints>,
    pub(crate) control: Arc<dyn Control>,
    pub(crate) snapshot: watch::Receiver<Arc<Snapshot>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) metrics: Metrics,
    pub(crate) board: Board,
    pub(crate) limits: Limits,
    pub(crate) tracer: Tracer,
}

/// Where checkpoints are kept.
#[async_trait::async_trait]
pub(crate) trait Checkpoints: Send + Sync + 'static {
    /// As [`Store::claim`].
    async fn claim(&self, partition: Partition, epoch: u64) -> Result<Claimed, store::Error>;

    /// As [`Store::save_checkpoint`].
    async fn save(
        &self,
        partition: Partition,
        epoch: u64,
        checkpoint: Checkpoint,
        definitions: Option<String>,
    ) -> Result<(), store::Error>;
}

#[async_trait::async_trait]
impl Checkpoints for Store {
    async fn claim(&self, partition: Partition, epoch: u64) -> Result<Claimed, store::Error> {
        Self::claim(self, partition, epoch).await
    }

    async fn save(
        &self,
        partition: Partition,
        epoch: u64,
        checkpoint: Checkpoint,
        definitions: Option<String>,
    ) -> Result<(), store::Error> {
        self.save_checkpoint(partition, epoch, checkpoint, definitions).await
    }
}

/// Why a router cannot go on as it is.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("the checkpoint cannot be used")]
    Checkpoint(#[from] store::Error),
    #[error("the definitions stored with the checkpoint cannot be read")]
    Definitions(#[from] serde_json::Error),
    #[error("the log cannot be routed")]
    Unreadable(#[from] Unreadable),
}

/// Routes a partition under a lease of this epoch until `drain` is cancelled, or until another replica has taken over.
pub(crate) async fn host(
    around: Arc<Surroundings>,
    partition: Partition,
    epoch: u64,
    drain: CancellationToken,
) {
    let notice = around.board.notice(format!("partition {}", partition.stream));
    let mut attempt = 0;
    loop {
        let began = Instant::now();
        let ended = match Router::begin(&around, partition, epoch, &notice).await {
            Ok(router) => router.run(&drain).await,
            Err(error) => Err(error),
        };
        around.metrics.left(partition.stream);
        let error = match ended {
            Ok(()) => return,
            Err(Error::Checkpoint(store::Error::Fenced)) => {
                tracing::warn!(partition = %partition.stream, epoch, "another replica routes this partition now");
                return;
            }
            Err(error) => error,
        };
        attempt = if began.elapsed() > RETRY_CAP { 1 } else { attempt + 1 };
        let wait = backoff(attempt, RETRY_BASE, RETRY_CAP, around.entropy.unit());
        let detail = chain(&error);
        tracing::error!(partition = %partition.stream, error = detail, retry_ms = milliseconds(wait), "routing has stopped");
        notice.post(detail);
        tokio::select! {
            () = sleep(wait) => {}
            () = drain.cancelled() => return,
        }
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// Where the router's frames come from.
enum Input {
    /// The log is being opened, a gap bridged where there is one.
    Opening(BoxFuture<'static, Opened>),
    Reading(Box<dyn Reader>),
}

enum Arrival {
    Opened(Opened),
    Read(Result<Record, tripline_bus::Error>),
}

impl Input {
    /// Cancel-safe.
    async fn next(&mut self) -> Arrival {
        match self {
            Self::Opening(opening) => Arrival::Opened(opening.await),
            Self::Reading(reader) => Arrival::Read(reader.next().await),
        }
    }
}

type Publishing = FuturesUnordered<BoxFuture<'static, Lane>>;
type Saving = BoxFuture<'static, (Checkpoint, bool, Result<(), store::Error>)>;

struct Router<'a> {
    around: &'a Arc<Surroundings>,
    partition: Partition,
    epoch: u64,
    notice: &'a Notice,
    routing: Routing,
    /// The bus as last heard of; kept when the bus is gone, until the router is told to stop.
    bus: Option<Arc<Bus>>,
    saved: Checkpoint,
    save_not_before: Instant,
    saving: Option<Saving>,
    save_failures: u32,
    /// Failures of the log since something was last read.
    read_failures: u32,
    /// Whether what was read last had waited.
    behind: bool,
    publishing: Publishing,
}

impl<'a> Router<'a> {
    /// Takes the checkpoint over and prepares to go on from there.
    async fn begin(
        around: &'a Arc<Surroundings>,
        partition: Partition,
        epoch: u64,
        notice: &'a Notice,
    ) -> Result<Self, Error> {
        let claimed = around.checkpoints.claim(partition, epoch).await?;
        let definitions = Definitions::from_json(&claimed.definitions)?;
        let checkpoint = claimed.checkpoint;
        around.metrics.moved(partition.stream, checkpoint);
        tracing::info!(partition = %partition.stream, epoch, offset = checkpoint.next, "routing");
        Ok(Self {
            around,
            partition,
            epoch,
            notice,
            routing: Routing::new(partition, checkpoint, definitions, around.limits)
                .traced(around.tracer.clone()),
            bus: None,
            saved: checkpoint,
            save_not_before: Instant::now(),
            saving: None,
            save_failures: 0,
            read_failures: 0,
            behind: false,
            publishing: FuturesUnordered::new(),
        })
    }

    async fn run(mut self, drain: &CancellationToken) -> Result<(), Error> {
        let mut input = self.open();
        loop {
            let terms = self.terms();
            self.routing.advance(&terms)?;
            self.publish();
            self.save_if_due();
            let (wanted, due) = (self.routing.wants_more(), self.next_due());
            tokio::select! {
                () = drain.cancelled() => return self.drain().await,
                Some(lane) = self.publishing.next(), if !self.publishing.is_empty() => {
                    self.confirmed(lane);
                }
                (written, with_definitions, result) = current(&mut self.saving) => {
                    self.was_saved(written, with_definitions, result)?;
                }
                () = until(due) => {}
                arrival = input.next(), if wanted => match arrival {
                    Arrival::Opened(opened) => input = self.opened(opened),
                    Arrival::Read(Ok(record)) => self.took(record)?,
                    Arrival::Read(Err(error)) => {
                        self.read_failures += 1;
                        tracing::warn!(partition = %self.partition.stream, %error, "opening the log again");
                        input = self.open();
                    }
                },
            }
        }
    }

    fn open(&self) -> Input {
        let opening = Opening {
            around: Arc::clone(self.around),
            partition: self.partition,
            notice: self.notice.clone(),
            from: self.routing.reading(),
            needed_from: self.routing.needed_from(),
            failures: self.read_failures,
        };
        Input::Opening(Box::pin(opening.run()))
    }

    fn opened(&mut self, opened: Opened) -> Input {
        if let Some(first) = opened.window_from {
            self.routing.look_back_from(first);
        }
        if let Some((first, definitions)) = opened.jump {
            self.routing.jump(first, definitions);
        }
        self.notice.clear();
        Input::Reading(opened.reader)
    }

    fn took(&mut self, record: Record) -> Result<(), Unreadable> {
        self.read_failures = 0;
        let terms = self.terms();
        self.routing.take(record, &terms)?;
        let metrics = &self.around.metrics;
        metrics.expired.inc_by(self.routing.take_expired());
        if let Some(accepted_at) = self.routing.take_newest() {
            let lag = self.around.clock.now().since(accepted_at);
            self.behind = lag >= if self.behind { BEHIND_UNTIL } else { BEHIND_FROM };
            let lag = i64::try_from(lag.as_millis()).unwrap_or(i64::MAX);
            metrics.lag_milliseconds.get_or_create(&self.partition.stream.into()).set(lag);
        }
        Ok(())
    }

    fn terms(&mut self) -> Terms {
        if let Some(bus) = self.around.snapshot.borrow().buses.get(&self.partition.stream.bus) {
            self.bus = Some(Arc::clone(bus));
        }
        let bus = self.bus.as_deref();
        let retention = bus.map_or(Duration::MAX, |bus| bus.retention);
        Terms {
            retained_from: self.around.clock.now().before(retention),
            dedupe_window: bus.map_or(Duration::ZERO, |bus| bus.dedupe_window),
            behind: self.behind,
        }
    }

    fn publish(&mut self) {
        for (lane, frame) in self.routing.take_ready(Instant::now().into_std()) {
            self.publishing.push(Box::pin(publish(Arc::clone(self.around), lane, frame)));
        }
    }

    fn confirmed(&mut self, lane: Lane) {
        let metrics = &self.around.metrics;
        if let Some((sent_at, entries)) = self.routing.confirmed(lane) {
            metrics.lane_wait_seconds.observe(sent_at.elapsed().as_secs_f64());
            metrics.routed.inc_by(entries);
        }
    }

    /// When there is something to do that no arrival tells of.
    fn next_due(&self) -> Option<Instant> {
        let frame = self.routing.next_ready().map(Instant::from_std);
        self.save_due().into_iter().chain(frame).min()
    }

    fn save_due(&self) -> Option<Instant> {
        let changed = self.routing.checkpoint() != self.saved;
        (changed && self.saving.is_none()).then_some(self.save_not_before)
    }

    fn save_if_due(&mut self) {
        let now = Instant::now();
        if self.save_due().is_some_and(|due| due <= now) {
            self.save(now);
        }
    }

    fn save(&mut self, now: Instant) {
        let checkpoint = self.routing.checkpoint();
        self.around.metrics.moved(self.partition.stream, checkpoint);
        let definitions = self.routing.take_changed_definitions();
        let (checkpoints, partition, epoch) =
            (Arc::clone(&self.around.checkpoints), self.partition, self.epoch);
        self.save_not_before = now + CHECKPOINT_EVERY;
        self.saving = Some(Box::pin(async move {
            let with_definitions = definitions.is_some();
            let result = checkpoints.save(partition, epoch, checkpoint, definitions).await;
            (checkpoint, with_definitions, result)
        }));
    }

    fn was_saved(
        &mut self,
        written: Checkpoint,
        with_definitions: bool,
        result: Result<(), store::Error>,
    ) -> Result<(), Error> {
        self.saving = None;
        match result {
            Ok(()) => {
                self.saved = written;
                self.save_failures = 0;
                self.around.metrics.checkpoint_writes.inc();
                Ok(())
            }
            Err(store::Error::Fenced) => Err(store::Error::Fenced.into()),
            Err(error) => {
                if with_definitions {
                    self.routing.give_back_definitions();
                }
                self.save_failures += 1;
                let unit = self.around.entropy.unit();
                let wait = backoff(self.save_failures, CHECKPOINT_EVERY, RETRY_CAP, unit);
                self.save_not_before = Instant::now() + wait;
                tracing::warn!(partition = %self.partition.stream, %error, retry_ms = milliseconds(wait), "the checkpoint could not be written");
                Ok(())
            }
        }
    }

    /// Waits for what is in the lanes, within bounds, and writes the last checkpoint.
    async fn drain(mut self) -> Result<(), Error> {
        let deadline = Instant::now() + DRAIN_TIMEOUT;
        let lanes = async {
            while let Some(lane) = self.publishing.next().await {
                self.confirmed(lane);
            }
        };
        if tokio::time::timeout_at(deadline, lanes).await.is_err() {
            tracing::info!(partition = %self.partition.stream, "stopping with frames unconfirmed; they will be handed over again");
        }
        let last = async {
            if self.saving.is_some() {
                let (written, with_definitions, result) = current(&mut self.saving).await;
                self.was_saved(written, with_definitions, result)?;
            }
            if self.save_due().is_some() {
                self.save(Instant::now());
                let (written, with_definitions, result) = current(&mut self.saving).await;
                self.was_saved(written, with_definitions, result)?;
            }
            Ok(())
        };
        timeout(DRAIN_TIMEOUT, last).await.unwrap_or(Ok(()))
    }
}

/// The answer of the write that is under way; never, when none is.
async fn current(saving: &mut Option<Saving>) -> (Checkpoint, bool, Result<(), store::Error>) {
    match saving {
        Some(saving) => saving.await,
        None => std::future::pending().await,
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => std::future::pending().await,
    }
}

/// Publishes a frame until the lane has confirmed it.
async fn publish(around: Arc<Surroundings>, lane: Lane, frame: Frame) -> Lane {
    let mut attempt = 0;
    while let Err(error) = around.lanes.publish(lane, frame.clone()).await {
        attempt += 1;
        let wait = backoff(attempt, RETRY_BASE, RETRY_CAP, around.entropy.unit());
        tracing::warn!(lane = lane.0, %error, retry_ms = milliseconds(wait), "the lane did not take a frame");
        sleep(wait).await;
    }
    lane
}
