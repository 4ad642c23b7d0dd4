//! This process's epoch, as long as it is sure of it.
//!
//! Rows run in the name of an epoch. When it could not be renewed in time, another replica may take the rows back: so
//! from then on, by this process's own monotonic clock, nothing more is called or claimed in its name.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tripline_kernel::{Clock, Timestamp};

use crate::metrics::Metrics;
use crate::schedule::Schedule;
use crate::store::{Epoch, Sequence, Store};

/// Time between two renewals.
const RENEW_EVERY: Duration = Duration::from_secs(3);
/// How long others let an epoch live without a renewal.
const ALIVE_FOR: Duration = Duration::from_secs(10);
/// How long this process trusts it: less, so that it has stopped before others begin.
const TRUSTED_FOR: Duration = Duration::from_secs(8);
/// The epoch of a process that knows to be the only one lasts until it ends.
const SOLE_FOR: Duration = Duration::from_secs(100 * 365 * 86_400);

/// The epoch at hand.
#[derive(Default)]
pub(crate) struct Tenure {
    held: Mutex<Option<Held>>,
    changed: Notify,
}

struct Held {
    epoch: Epoch,
    sequence: Sequence,
    /// `None` when nobody could take it away.
    until: Option<Instant>,
}

impl Held {
    fn is_sure(&self) -> bool {
        self.until.is_none_or(|until| Instant::now() < until)
    }
}

impl Tenure {
    /// The epoch, if it is sure.
    pub(crate) fn current(&self) -> Option<i64> {
        let held = self.held.lock().expect("nothing panics while it holds this lock");
        held.as_ref().filter(|held| held.is_sure()).map(|held| held.epoch.id)
    }

    /// The epoch, sure or not.
    fn last(&self) -> Option<i64> {
        let held = self.held.lock().expect("nothing panics while it holds this lock");
        held.as_ref().map(|held| held.epoch.id)
    }

    /// The epoch, once it is sure.
    pub(crate) async fn wait(&self) -> i64 {
        loop {
            let changed = self.changed.notified();
            if let Some(epoch) = self.current() {
                return epoch;
            }
            changed.await;
        }
    }

    /// Whether what runs in the name of `epoch` is still this process's own.
    pub(crate) fn holds(&self, epoch: i64) -> bool {
        self.current() == Some(epoch)
    }

    /// The next place in the store.
    pub(crate) fn next_seq(&self, now: Timestamp) -> i64 {
        let mut held = self.held.lock().expect("nothing panics while it holds this lock");
        held.as_mut().map_or(0, |held| held.sequence.next(now))
    }

    fn set(&self, held: Option<Held>) {
        *self.held.lock().expect("nothing panics while it holds this lock") = held;
        self.changed.notify_waiters();
    }

    fn renewed(&self, until: Instant) {
        let mut held = self.held.lock().expect("nothing panics while it holds this lock");
        if let Some(held) = held.as_mut() {
            held.until = Some(until);
        }
        drop(held);
        self.changed.notify_waiters();
    }
}

/// Begins, renews and ends epochs, and takes back those of the dead.
pub(crate) struct Keeper {
    pub(crate) store: Arc<Store>,
    pub(crate) tenure: Arc<Tenure>,
    pub(crate) schedule: Arc<Schedule>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) clock: Arc<dyn Clock>,
    /// No other replica lives.
    pub(crate) sole: bool,
}

impl Keeper {
    /// Begins an epoch. A sole replica takes back at once whatever earlier processes left.
    pub(crate) async fn begin(&self) -> Result<(), tripline_db::Error> {
        let (now, until) = (self.clock.now(), Instant::now() + TRUSTED_FOR);
        let alive_for = if self.sole { SOLE_FOR } else { ALIVE_FOR };
        let epoch = self.store.begin_epoch(now, now.after(alive_for)).await?;
        let sequence = self.store.sequence(epoch).await?;
        self.tenure.set(Some(Held { epoch, sequence, until: (!self.sole).then_some(until) }));
        self.take_back(epoch.id).await
    }

    async fn take_back(&self, own: i64) -> Result<(), tripline_db::Error> {
        let now = self.clock.now();
        let (processes, rows) = self.store.take_back(own, now, self.sole).await?;
        if processes > 0 {
            tracing::info!(processes, rows, "took back what ended processes were running");
            // Their pending rows were on nobody's schedule but their own.
            self.schedule.reload();
        }
        Ok(())
    }

    /// Renews the epoch until `stop`.
    pub(crate) async fn keep(self: Arc<Self>, stop: CancellationToken) {
        if self.sole {
            return stop.cancelled().await;
        }
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(RENEW_EVERY) => {}
            }
            if let Err(error) = self.renew().await {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the epoch could not be renewed"
                );
            }
        }
    }

    async fn renew(&self) -> Result<(), tripline_db::Error> {
        let Some(epoch) = self.tenure.last() else { return self.begin().await };
        let until = Instant::now() + TRUSTED_FOR;
        if self.store.renew_epoch(epoch, self.clock.now().after(ALIVE_FOR)).await? {
            self.tenure.renewed(until);
            self.take_back(epoch).await?;
            if self.store.other_epochs(epoch).await? > 0 {
                // Others count too: every replica shows the whole.
                self.metrics.set(self.store.stats().await?);
            }
            return Ok(());
        }
        tracing::warn!("this process was taken for dead; what it was running goes on elsewhere");
        self.tenure.set(None);
        self.store.end_epoch(epoch, self.clock.now()).await?;
        self.begin().await
    }

    /// Ends the epoch and gives back what still runs in its name.
    pub(crate) async fn end(&self) -> Result<u64, tripline_db::Error> {
        let Some(epoch) = self.tenure.last() else { return Ok(0) };
        self.tenure.set(None);
        self.store.end_epoch(epoch, self.clock.now()).await
    }
}
