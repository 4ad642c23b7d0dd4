//! What a source is doing, in memory and in the store.
//!
//! A change of state is stored at once, counts at most once a second while they change, and an idle source stores
//! nothing.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};
use tripline_kernel::{Clock, Timestamp};

use super::Surroundings;
use crate::store::{self, SourceState, SourceStatus, Store, Tenure};

/// Counts are stored at most this often, and what failed to be stored is tried again after this.
const STORE_EVERY: Duration = Duration::from_secs(1);
/// Most characters of a reason that are kept.
const REASON_CHARS_MAX: usize = 1000;

/// The status of a source that runs here.
pub(super) struct StatusCell {
    store: Store,
    clock: Arc<dyn Clock>,
    tenure: Tenure,
    status: Mutex<SourceStatus>,
    entered: Notify,
    counted: Notify,
}

impl StatusCell {
    /// Goes on counting where the source was left.
    pub(super) async fn load(around: &Surroundings, tenure: Tenure) -> Result<Self, store::Error> {
        let unit = tenure.unit;
        let known = around.store.source_status(unit.tenant, unit.uid).await?;
        let fresh = || SourceStatus {
            state: SourceState::Starting,
            reason: String::new(),
            since: around.clock.now(),
            events: 0,
            last_event_at: None,
        };
        let cell = Self {
            store: around.store.clone(),
            clock: Arc::clone(&around.clock),
            tenure,
            status: Mutex::new(known.unwrap_or_else(fresh)),
            entered: Notify::new(),
            counted: Notify::new(),
        };
        cell.entered.notify_one();
        Ok(cell)
    }

    /// The source enters a state. One that begins again keeps failing until it runs.
    pub(super) fn enter(&self, state: SourceState, reason: &str) {
        let mut status = self.lock();
        let reason: String = reason.chars().take(REASON_CHARS_MAX).collect();
        let retries = state == SourceState::Starting && status.state == SourceState::Failing;
        if retries || (status.state == state && status.reason == reason) {
            return;
        }
        if status.state != state {
            status.since = self.clock.now();
        }
        (status.state, status.reason) = (state, reason);
        drop(status);
        self.entered.notify_one();
    }

    /// The source has brought events.
    pub(super) fn count(&self, events: u64, at: Timestamp) {
        let mut status = self.lock();
        status.events += events;
        status.last_event_at = status.last_event_at.max(Some(at));
        drop(status);
        self.counted.notify_one();
    }

    /// Stores what changes, for as long as nobody else has taken over.
    pub(super) async fn keep_stored(&self) {
        let mut last = Instant::now();
        loop {
            let counted = async {
                self.counted.notified().await;
                sleep_until(last + STORE_EVERY).await;
            };
            tokio::select! {
                () = self.entered.notified() => {}
                () = counted => {}
            }
            last = Instant::now();
            match self.try_store().await {
                Ok(()) => {}
                Err(store::Error::Fenced) => return,
                Err(error) => {
                    tracing::warn!(source.uid = %self.tenure.unit.uid, %error, "the source's status could not be stored");
                    sleep(STORE_EVERY).await;
                    self.entered.notify_one();
                }
            }
        }
    }

    /// Stores the status as it is now.
    pub(super) async fn store_once(&self) {
        if let Err(error) = self.try_store().await {
            tracing::warn!(source.uid = %self.tenure.unit.uid, %error, "the source's last status could not be stored");
        }
    }

    async fn try_store(&self) -> Result<(), store::Error> {
        let status = self.lock().clone();
        let Tenure { unit, epoch, .. } = self.tenure;
        self.store.save_source_status(unit.tenant, unit.uid, epoch, &status).await
    }

    fn lock(&self) -> MutexGuard<'_, SourceStatus> {
        self.status.lock().expect("nothing panics while it holds this lock")
    }
}
