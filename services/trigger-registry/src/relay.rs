//! Carries out what the outbox says must happen elsewhere: grants at auth, markers and streams in the event log.
//!
//! # Invariants
//! - A task leaves the outbox only after everything it asks for was confirmed, in the transaction that says so.
//! - Tasks of one resource are carried out one at a time. Everything is idempotent, so a crash, or another replica at
//!   the same task, only makes some of it happen twice: auth counts a relation once, and the routers ignore a marker
//!   that is not above the one in force.
//! - A task that fails is tried again for ever, with back-off, and holds up no other.

mod carry;
mod retries;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use carry::Error;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use retries::Retries;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tripline_bus::{EventLog, Gatherer};
use tripline_contracts::pb::auth_client::AuthClient;
use tripline_contracts::transport::Client;
use tripline_kernel::{Classify as _, Entropy, Uid};
use tripline_runtime::Abort;

use crate::metrics::Metrics;
use crate::store::{self, Entry, Store, Task};

/// Most tasks that are looked at together.
const TASKS_MAX: u64 = 256;
/// Most tasks that are carried out at once.
const UNDER_WAY_MAX: usize = 16;
/// The wait after the outbox could not be read.
const STORE_RETRY: Duration = Duration::from_secs(1);

/// Tells those who wait that the relay has done something.
#[derive(Clone)]
pub(crate) struct Settled(watch::Sender<()>);

impl Settled {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(()))
    }

    /// Changes with each task that is done from now on.
    pub(crate) fn subscribe(&self) -> watch::Receiver<()> {
        self.0.subscribe()
    }

    fn announce(&self) {
        self.0.send_replace(());
    }
}

/// Carries out the tasks of the outbox.
pub(crate) struct Relay {
    pub(crate) store: Store,
    pub(crate) log: Arc<dyn EventLog>,
    /// Appends markers, together with whatever else of this process waits for the same streams.
    pub(crate) markers: Gatherer,
    pub(crate) auth: AuthClient<Client>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) settled: Settled,
    pub(crate) metrics: Metrics,
    pub(crate) abort: Abort,
}

impl Relay {
    /// Works until `stop`. What is under way then is left: the outbox still has it at the next start.
    pub(crate) async fn run(&self, stop: &CancellationToken) {
        let work = async { tokio::join!(self.open_known_buses(), self.work()) };
        tokio::select! {
            () = stop.cancelled() => {}
            _ = work => {}
        }
    }

    async fn work(&self) {
        let mut head = self.store.head();
        let mut retries = Retries::default();
        let mut busy = HashSet::new();
        let mut under_way = FuturesUnordered::new();
        loop {
            head.borrow_and_update();
            let look_again = match store::due(self.store.db(), TASKS_MAX).await {
                Ok(entries) => {
                    self.count(&entries).await;
                    retries.keep(&entries);
                    for entry in startable(entries, &retries, &busy) {
                        busy.insert(entry.uid);
                        under_way.push(self.attempt(entry));
                    }
                    retries.next(&busy)
                }
                Err(error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "the outbox cannot be read"
                    );
                    Some(tokio::time::Instant::now() + STORE_RETRY)
                }
            };
            let look_again = async {
                match look_again {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            let mut done = tokio::select! {
                _ = head.changed() => None,
                done = under_way.next(), if !under_way.is_empty() => done,
                () = look_again => None,
            };
            while let Some((entry, outcome)) = done {
                busy.remove(&entry.uid);
                self.note(&entry, outcome, &mut retries);
                // What else is done is taken along before the outbox is read again.
                done = under_way.next().now_or_never().flatten();
            }
        }
    }

    async fn attempt(&self, entry: Entry) -> (Entry, Result<(), Error>) {
        let outcome = self.carry_out(&entry).await;
        (entry, outcome)
    }

    fn note(&self, entry: &Entry, outcome: Result<(), Error>, retries: &mut Retries) {
        let Err(error) = outcome else {
            retries.succeeded(entry);
            return self.settled.announce();
        };
        self.metrics.relay_failures.inc();
        let failures = retries.failed(entry, self.entropy.unit());
        let (uid, name) = (entry.uid, &entry.name);
        let cause: &dyn std::error::Error = &error;
        if failures > 1 {
            tracing::debug!(resource.uid = %uid, failures, error = cause, "'{name}' failed again");
        } else if error.kind().is_retryable() {
            tracing::warn!(
                resource.uid = %uid,
                resource.name = name,
                error = cause,
                "the change of '{name}' is not in force yet; it is tried until it is"
            );
        } else {
            tracing::error!(
                resource.uid = %uid,
                resource.name = name,
                error = cause,
                "the change of '{name}' was refused; it is tried until it is in force"
            );
        }
    }

    async fn count(&self, entries: &[Entry]) {
        let few = u64::try_from(entries.len()).ok().filter(|count| *count < TASKS_MAX);
        let count = match few {
            Some(count) => count,
            None => store::pending_count(self.store.db()).await.unwrap_or(TASKS_MAX),
        };
        self.metrics.outbox_pending.set(i64::try_from(count).unwrap_or(i64::MAX));
    }
}

/// The tasks that can start now. Those that need a bus wait until its streams are made.
fn startable(entries: Vec<Entry>, retries: &Retries, busy: &HashSet<Uid>) -> Vec<Entry> {
    let opening = |entry: &&Entry| matches!(entry.task, Task::OpenBus { .. });
    let closed: HashSet<Uid> = entries.iter().filter(opening).map(|entry| entry.uid).collect();
    let free = UNDER_WAY_MAX.saturating_sub(busy.len());
    let can_start = |entry: &Entry| {
        let needs = match &entry.task {
            Task::OpenBus { .. } | Task::CloseBus { .. } | Task::Revoke { .. } => None,
            Task::Apply { bus, .. } | Task::Remove { bus, .. } => Some(bus),
        };
        !busy.contains(&entry.uid)
            && retries.may_start(entry)
            && needs.is_none_or(|bus| !closed.contains(bus))
    };
    entries.into_iter().filter(can_start).take(free).collect()
}
