//! When a task that failed may be tried again.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use tokio::time::Instant;
use tripline_kernel::{Uid, backoff};

use crate::store::Entry;

/// The waits between attempts grow from here…
const RETRY_BASE: Duration = Duration::from_millis(100);
/// …to here.
const RETRY_CAP: Duration = Duration::from_secs(5);

/// The tasks that have failed.
#[derive(Default)]
pub(super) struct Retries(HashMap<Uid, Retry>);

struct Retry {
    revision: u64,
    failures: u32,
    at: Instant,
}

impl Retries {
    /// Forgets what the task met before it was done.
    pub(super) fn succeeded(&mut self, entry: &Entry) {
        self.0.remove(&entry.uid);
    }

    /// Makes the task wait. Answers with how often it has failed now.
    pub(super) fn failed(&mut self, entry: &Entry, unit_random: f64) -> u32 {
        let before = self.0.get(&entry.uid).filter(|retry| retry.revision == entry.revision);
        let failures = before.map_or(0, |retry| retry.failures).saturating_add(1);
        let at = Instant::now() + backoff(failures, RETRY_BASE, RETRY_CAP, unit_random);
        self.0.insert(entry.uid, Retry { revision: entry.revision, failures, at });
        failures
    }

    /// Whether the task is not waiting. A newer task does not wait for what an older one met.
    pub(super) fn may_start(&self, entry: &Entry) -> bool {
        let waits = |retry: &Retry| retry.revision == entry.revision && retry.at > Instant::now();
        !self.0.get(&entry.uid).is_some_and(waits)
    }

    /// Forgets the tasks that are not among these.
    pub(super) fn keep(&mut self, entries: &[Entry]) {
        let there: HashSet<Uid> = entries.iter().map(|entry| entry.uid).collect();
        self.0.retain(|uid, _| there.contains(uid));
    }

    /// When the next waiting task, of those not under way, may start.
    pub(super) fn next(&self, busy: &HashSet<Uid>) -> Option<Instant> {
        let waiting = self.0.iter().filter(|(uid, _)| !busy.contains(uid));
        waiting.map(|(_, retry)| retry.at).min()
    }
}
