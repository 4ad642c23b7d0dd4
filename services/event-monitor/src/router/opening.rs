//! Opens the log at a place, and bridges the gap where retention has passed it.

use std::sync::Arc;

use tokio::time::sleep;
use tripline_bus::{Error, Offset, Reader};
use tripline_kernel::backoff;

use super::definitions::Definitions;
use super::{RETRY_BASE, RETRY_CAP, Surroundings};
use crate::board::Notice;
use crate::store::Partition;

/// What it takes to open the log.
pub(super) struct Opening {
    pub(super) around: Arc<Surroundings>,
    pub(super) partition: Partition,
    pub(super) notice: Notice,
    /// Where to read from.
    pub(super) from: Offset,
    /// The first frame whose loss loses events: those before it only fill the dedupe window.
    pub(super) needed_from: Offset,
    /// How often reading has failed just before.
    pub(super) failures: u32,
}

/// The log, open.
pub(super) struct Opened {
    pub(super) reader: Box<dyn Reader>,
    /// Where the part that only fills the dedupe window begins, if some of it was lost.
    pub(super) window_from: Option<Offset>,
    /// Where to go on after a gap, and the definitions to go on with.
    pub(super) jump: Option<(Offset, Definitions)>,
}

impl Opening {
    /// Retries until the log is open. Drop to cancel.
    pub(super) async fn run(mut self) -> Opened {
        let (mut window_from, mut jump) = (None, None);
        if self.failures > 0 {
            self.wait().await;
        }
        loop {
            let error = match self.around.log.read(self.partition.stream, self.from).await {
                Ok(reader) => return Opened { reader, window_from, jump },
                Err(error) => error,
            };
            if let Error::Gap { first, .. } = error
                && first > self.from
            {
                if first <= self.needed_from {
                    window_from = Some(first);
                } else {
                    jump = Some((first, self.bridge(first).await));
                    self.needed_from = first;
                }
                self.from = first;
                continue;
            }
            tracing::warn!(partition = %self.partition.stream, %error, "the log cannot be read yet");
            self.notice.post(error.to_string());
            self.failures += 1;
            self.wait().await;
        }
    }

    /// Events before `first` are lost: pauses the triggers of the bus, saying so, and asks what is in force now.
    ///
    /// The checkpoint moves past the gap only after this, so that no crash keeps a trigger from being paused.
    async fn bridge(&mut self, first: Offset) -> Definitions {
        let (stream, tenant) = (self.partition.stream, self.partition.tenant);
        let (lost_from, lost_to) = (self.needed_from, first.saturating_sub(1));
        let reason = format!(
            "gap: events from offset {lost_from} to {lost_to} of partition {} are lost",
            stream.partition
        );
        self.around.metrics.gaps.inc();
        tracing::error!(partition = %stream, lost_from, lost_to, "retention has passed events that were not routed: they are lost");
        self.notice.post(reason.clone());
        self.failures = 0;
        loop {
            match self.pause_all(&reason).await {
                Ok(definitions) => return definitions,
                Err(error) => {
                    tracing::warn!(partition = %stream, tenant = %tenant, %error, "the registry is needed to go on after a gap");
                    self.notice.post(format!("{reason}; waiting for the registry: {error}"));
                    self.failures += 1;
                    self.wait().await;
                }
            }
        }
    }

    async fn pause_all(&self, reason: &str) -> Result<Definitions, tripline_contracts::Error> {
        let control = &self.around.control;
        let rebuilt = control.definitions(self.partition.stream.bus).await?;
        for trigger in rebuilt.keys() {
            control.pause(self.partition.tenant, *trigger, reason).await?;
        }
        let definitions = rebuilt.into_iter();
        Ok(Definitions::of(definitions.map(|(uid, (revision, defined))| (uid, revision, defined))))
    }

    async fn wait(&self) {
        let attempt = self.failures.max(1);
        sleep(backoff(attempt, RETRY_BASE, RETRY_CAP, self.around.entropy.unit())).await;
    }
}
