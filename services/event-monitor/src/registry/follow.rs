//! Follows the registry's change feed for as long as the process runs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tripline_contracts::convert::{BadField, uid};
use tripline_contracts::pb::{self, change::Resource};
use tripline_kernel::{Entropy, Uid, backoff, milliseconds};
use tripline_runtime::Check;

use super::{Bus, Registry, Snapshot, Source};
use crate::store::Store;

/// The waits between attempts to reach the registry grow from here…
const RETRY_BASE: Duration = Duration::from_millis(100);
/// …to here.
const RETRY_CAP: Duration = Duration::from_secs(5);
/// How long to wait before the buses are stored again, when that failed.
const STORE_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// Keeps a [`Snapshot`] up to date.
pub(crate) struct Follower {
    registry: Registry,
    store: Store,
    entropy: Arc<dyn Entropy>,
    health: Check,
    state: watch::Sender<Arc<Snapshot>>,
    heard: Heard,
    store_buses_at: Option<Instant>,
}

/// What the feed has told so far.
#[derive(Default)]
struct Heard {
    revision: u64,
    caught_up: bool,
    buses: BTreeMap<Uid, Arc<Bus>>,
    sources: BTreeMap<Uid, Arc<Source>>,
}

/// What a change was about.
#[derive(PartialEq, Eq)]
enum About {
    Buses,
    Sources,
    Everything,
    NothingHere,
}

impl Follower {
    /// Begins with the buses that were stored.
    pub(crate) fn new(
        registry: Registry,
        store: Store,
        entropy: Arc<dyn Entropy>,
        health: Check,
        known: Vec<Bus>,
    ) -> (Self, watch::Receiver<Arc<Snapshot>>) {
        if known.is_empty() {
            health.not_ready("the registry has not been heard yet");
        } else {
            health.ready();
        }
        let buses = known.into_iter().map(|bus| (bus.uid, Arc::new(bus))).collect();
        let (state, snapshot) = watch::channel(Arc::new(Snapshot { buses, sources: None }));
        let heard = Heard::default();
        (Self { registry, store, entropy, health, state, heard, store_buses_at: None }, snapshot)
    }

    /// Follows until `stop` is cancelled.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let stopped = stop.clone();
        tokio::select! {
            () = stopped.cancelled() => {}
            () = self.follow() => {}
        }
    }

    async fn follow(&mut self) {
        let mut attempt = 0;
        loop {
            let before = self.heard.revision;
            let ended = self.follow_once().await;
            attempt = if self.heard.revision > before { 1 } else { attempt + 1 };
            let wait = backoff(attempt, RETRY_BASE, RETRY_CAP, self.entropy.unit());
            match ended {
                Ok(()) => tracing::info!("the registry ended its change feed; following it again"),
                Err(error) => {
                    tracing::warn!(%error, retry_ms = milliseconds(wait), "the registry is away");
                }
            }
            tokio::select! {
                () = sleep(wait) => {}
                () = due(self.store_buses_at) => self.store_buses().await,
            }
        }
    }

    async fn follow_once(&mut self) -> Result<(), tripline_contracts::Error> {
        let mut changes = self.registry.watch(self.heard.revision).await?;
        loop {
            tokio::select! {
                change = changes.message() => match change? {
                    Some(change) => self.take(change).await,
                    None => return Ok(()),
                },
                () = due(self.store_buses_at) => self.store_buses().await,
            }
        }
    }

    async fn take(&mut self, change: pb::Change) {
        let revision = change.revision;
        let about = self.heard.apply(change).unwrap_or_else(|error| {
            tracing::error!(%error, revision, "the registry told something that makes no sense");
            About::NothingHere
        });
        if !self.heard.caught_up || about == About::NothingHere {
            return;
        }
        self.health.ready();
        let snapshot =
            Snapshot { buses: self.heard.buses.clone(), sources: Some(self.heard.sources.clone()) };
        self.state.send_replace(Arc::new(snapshot));
        if about != About::Sources {
            self.store_buses().await;
        }
    }

    async fn store_buses(&mut self) {
        let buses: Vec<Bus> = self.heard.buses.values().map(|bus| (**bus).clone()).collect();
        self.store_buses_at = match self.store.replace_buses(&buses).await {
            Ok(()) => None,
            Err(error) => {
                tracing::warn!(%error, "the buses could not be stored; trying again later");
                Some(Instant::now() + STORE_AGAIN_AFTER)
            }
        };
    }
}

/// Resolves at that moment; never when there is none.
async fn due(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

impl Heard {
    fn apply(&mut self, change: pb::Change) -> Result<About, BadField> {
        self.revision = self.revision.max(change.revision);
        match change.resource {
            Some(Resource::CaughtUp(_)) => {
                let first = !std::mem::replace(&mut self.caught_up, true);
                return Ok(if first { About::Everything } else { About::NothingHere });
            }
            Some(Resource::Bus(bus)) => {
                if change.deleted {
                    self.buses.remove(&deleted(bus.meta)?);
                } else {
                    let bus = Bus::try_from(bus)?;
                    self.buses.insert(bus.uid, Arc::new(bus));
                }
                return Ok(About::Buses);
            }
            Some(Resource::Source(source)) => {
                if change.deleted {
                    self.sources.remove(&deleted(source.meta)?);
                } else {
                    let source = Source::try_from(source)?;
                    self.sources.insert(source.uid, Arc::new(source));
                }
                return Ok(About::Sources);
            }
            Some(Resource::Function(_) | Resource::Trigger(_)) | None => {}
        }
        Ok(About::NothingHere)
    }
}

fn deleted(meta: Option<pb::Meta>) -> Result<Uid, BadField> {
    uid("meta.uid", &meta.unwrap_or_default().uid)
}

#[cfg(test)]
mod tests {
    use tripline_contracts::pb::{self, change::Resource};
    use tripline_kernel::Uid;

    use super::{About, Heard};

    fn bus(number: u8) -> Resource {
        let (tenant, uid) = (Uid::NIL.to_string(), Uid::from_bytes([number; 16]).to_string());
        let meta = Some(pb::Meta { tenant, uid, ..pb::Meta::default() });
        Resource::Bus(pb::Bus { meta, partitions: 4, ..pb::Bus::default() })
    }

    fn change(revision: u64, deleted: bool, resource: Resource) -> pb::Change {
        pb::Change { revision, deleted, resource: Some(resource) }
    }

    #[test]
    fn what_the_feed_tells_is_known_and_what_makes_no_sense_is_passed_over() {
        let mut heard = Heard::default();
        assert!(heard.apply(change(3, false, bus(1))).unwrap() == About::Buses);
        assert!(heard.apply(change(4, false, bus(2))).unwrap() == About::Buses);
        let nameless = Resource::Source(pb::Source::default());
        assert!(heard.apply(change(5, false, nameless)).is_err());
        let trigger = Resource::Trigger(pb::Trigger::default());
        assert!(heard.apply(change(6, false, trigger)).unwrap() == About::NothingHere);
        let caught_up = || Resource::CaughtUp(pb::CaughtUp {});
        assert!(heard.apply(change(6, false, caught_up())).unwrap() == About::Everything);
        assert!(heard.apply(change(7, true, bus(1))).unwrap() == About::Buses);
        assert!(heard.apply(change(7, false, caught_up())).unwrap() == About::NothingHere);
        assert_eq!(heard.buses.keys().copied().collect::<Vec<_>>(), [Uid::from_bytes([2; 16])]);
        assert_eq!(heard.revision, 7, "where to go on after the connection was lost");
    }
}
