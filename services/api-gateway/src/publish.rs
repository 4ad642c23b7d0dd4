//! Putting events into the log: nobody is told "published" before the log has confirmed.

mod mode;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::try_join_all;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio_util::context::TokioContext;
use tokio_util::task::TaskTracker;
use tripline_bus::{Gatherer, Stream};
use tripline_cache::SeenKeys;
use tripline_event::{Accepted, Event, LogEntry, Origin};
use tripline_kernel::{Clock, Uid};
use tripline_runtime::Problem;
use tripline_trace::TraceContext;

pub(crate) use mode::{Mode, traceparent};

use crate::refusal::Refusal;
use crate::snapshot::Bus;

/// How long the log may take to confirm before the publisher is told to try again: the publisher knows within 2 s, with
/// some time for everything around it.
const CONFIRM_WAIT: Duration = Duration::from_millis(1_800);
/// Most notes to a slow cache under way at a time. What is over it is not noted: the router knows duplicates anyway.
const NOTES_MAX: usize = 1_024;

/// Puts events into the log, and remembers what it has put there.
pub(crate) struct Publisher {
    gatherer: Gatherer,
    seen: Arc<dyn SeenKeys>,
    clock: Arc<dyn Clock>,
    notes: Arc<Semaphore>,
    tasks: TaskTracker,
    /// What outlives a request, and the worker thread that serves it, runs here.
    runtime: Handle,
}

/// Whose events go where.
pub(crate) struct Errand<'a> {
    pub(crate) tenant: Uid,
    pub(crate) bus: &'a Bus,
    pub(crate) origin: Origin,
    /// Where the request belongs; without it each event belongs where it says itself.
    pub(crate) traceparent: Option<&'a str>,
}

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The log has confirmed it.
    Published,
    /// The log has, or had, an event of the same identity.
    Deduplicated,
}

impl Publisher {
    /// Publishes through `gatherer`. Notes to the cache run on the current tokio runtime.
    pub(crate) fn new(
        gatherer: Gatherer,
        seen: Arc<dyn SeenKeys>,
        clock: Arc<dyn Clock>,
        tasks: TaskTracker,
    ) -> Self {
        let notes = Arc::new(Semaphore::new(NOTES_MAX));
        Self { gatherer, seen, clock, notes, tasks, runtime: Handle::current() }
    }

    /// Publishes events and says of each, in order, what became of it. After an error any of them may be in the log.
    pub(crate) async fn publish(
        &self,
        errand: &Errand<'_>,
        events: &[&Event],
    ) -> Result<Vec<Outcome>, Problem> {
        let keys: Vec<_> = events.iter().map(|event| errand.key(event)).collect();
        let window = errand.bus.dedupe_window;
        let mut seen = match window {
            Duration::ZERO => Vec::new(),
            _ => self.seen.seen(&keys).await,
        };
        seen.resize(keys.len(), false);
        if keys.len() > 1 && !window.is_zero() {
            let mut met = HashSet::with_capacity(keys.len());
            for (key, seen) in keys.iter().zip(&mut seen) {
                *seen |= !met.insert(key);
            }
        }
        let new = || events.iter().zip(&seen).filter(|(_, seen)| !**seen).map(|(event, _)| *event);
        tokio::time::timeout(CONFIRM_WAIT, self.append(errand, new()))
            .await
            .map_err(|_| Refusal::LogUnavailable)??;
        if !window.is_zero() {
            self.note(new().map(|event| errand.key(event)).collect(), window);
        }
        let outcome = |seen| if seen { Outcome::Deduplicated } else { Outcome::Published };
        Ok(seen.into_iter().map(outcome).collect())
    }

    async fn append(
        &self,
        errand: &Errand<'_>,
        events: impl Iterator<Item = &Event>,
    ) -> Result<(), Problem> {
        let mut parts: Vec<(Stream, Vec<Bytes>)> = Vec::new();
        for event in events {
            let partition = event.partition(errand.bus.partitions);
            let stream = Stream { bus: errand.bus.uid, partition };
            let entry = self.entry(errand, event);
            match parts.iter_mut().find(|(known, _)| *known == stream) {
                Some((_, entries)) => entries.push(entry),
                None => parts.push((stream, vec![entry])),
            }
        }
        let append = |(stream, entries)| {
            // The gatherer starts tasks that outlive this worker thread.
            TokioContext::new(self.gatherer.append_all(stream, entries), self.runtime.clone())
        };
        let appends = parts.into_iter().map(append);
        try_join_all(appends).await.map(drop).map_err(|error| match error {
            // The bus is there, so its stream is, or will be again.
            tripline_bus::Error::NoStream(_) => Refusal::LogUnavailable.into(),
            other => other.into(),
        })
    }

    fn entry(&self, errand: &Errand<'_>, event: &Event) -> Bytes {
        let accepted = Accepted {
            origin: errand.origin,
            accepted_at: self.clock.now(),
            traceparent: errand.traceparent.map(Into::into).or_else(|| started_in(event)),
            event: event.clone(),
        };
        LogEntry::Event(accepted).encode()
    }

    /// Remembers confirmed events without keeping their publisher waiting.
    fn note(&self, keys: Vec<u128>, window: Duration) {
        if keys.is_empty() {
            return;
        }
        let Ok(permit) = Arc::clone(&self.notes).try_acquire_owned() else { return };
        let seen = Arc::clone(&self.seen);
        let mut note = Box::pin(async move {
            seen.mark(&keys, window).await;
            drop(permit);
        });
        // A cache in memory is done at once; only one that has to wait is worth a task.
        if (&mut note).now_or_never().is_none() {
            self.tasks.spawn_on(note, &self.runtime);
        }
    }
}

/// The trace that an event says its transmission began in.
fn started_in(event: &Event) -> Option<Box<str>> {
    let context: TraceContext = event.traceparent()?.parse().ok()?;
    Some(context.to_string().into())
}

impl Errand<'_> {
    /// What an event is remembered under. Within a bus identities stay as far apart as they are; the uids of bus and
    /// tenant move each bus's identities to a place of their own.
    fn key(&self, event: &Event) -> u128 {
        let place = |uid: Uid| u128::from_be_bytes(*uid.as_bytes());
        event.identity() ^ place(self.bus.uid) ^ place(self.tenant).rotate_left(64)
    }
}
