//! Keepers that share a store.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tripline_kernel::{Clock, DEFAULT_TENANT, Timestamp, Uid};
use tripline_runtime::Health;
use tripline_testkit::wait_until;

use super::{Checks, Keeper, Work};
use crate::board::Board;
use crate::error::Error;
use crate::registry::{Bus, Snapshot, Source};
use crate::store::{Store, Tenure, Unit, UnitKind};

const SOON: Duration = Duration::from_secs(20);

fn uid(number: u8) -> Uid {
    Uid::from_bytes([number; 16])
}

/// A clock that stands still until it is set.
struct Hands(AtomicI64);

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::Relaxed))
    }
}

/// Counts work as it runs.
#[derive(Default)]
struct Busy(Mutex<BTreeSet<(Unit, u64)>>);

struct At(Arc<Busy>, (Unit, u64));

impl Drop for At {
    fn drop(&mut self) {
        self.0.0.lock().unwrap().remove(&self.1);
    }
}

impl Busy {
    fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    fn epochs(&self) -> BTreeSet<u64> {
        self.0.lock().unwrap().iter().map(|(_, epoch)| *epoch).collect()
    }
}

struct Replica {
    busy: Arc<Busy>,
    snapshot: watch::Sender<Arc<Snapshot>>,
    stop: CancellationToken,
    task: JoinHandle<Result<(), Error>>,
    health: Health,
}

fn start(store: &Store, clock: &Arc<Hands>, number: u8, sole: bool) -> Replica {
    let busy = Arc::new(Busy::default());
    let counted = Arc::clone(&busy);
    let work: Work = Arc::new(move |tenure: Tenure, drain: CancellationToken| {
        let which = (tenure.unit, tenure.epoch);
        counted.0.lock().unwrap().insert(which);
        let at = At(Arc::clone(&counted), which);
        Box::pin(async move {
            drain.cancelled().await;
            drop(at);
        })
    });
    let (snapshot, told) = watch::channel(Arc::new(four_partitions_and_a_source()));
    let health = Health::default();
    let board = Board::new(health.part("event-monitor: routing"));
    let checks = Checks { database: health.part("event-monitor: database"), board };
    let clock: Arc<dyn Clock> = Arc::<Hands>::clone(clock);
    let keeper = Keeper::new((store.clone(), clock, uid(number)), sole, told, checks, work);
    let stop = CancellationToken::new();
    let task = tokio::spawn(keeper.run(stop.clone()));
    Replica { busy, snapshot, stop, task, health }
}

fn four_partitions_and_a_source() -> Snapshot {
    let bus = Bus {
        tenant: DEFAULT_TENANT,
        uid: uid(100),
        name: "default".to_owned(),
        revision: 1,
        partitions: 4,
        retention: Duration::MAX,
        dedupe_window: Duration::ZERO,
    };
    let source = Source {
        tenant: DEFAULT_TENANT,
        uid: uid(150),
        name: "source".to_owned(),
        revision: 1,
        kind: "file".to_owned(),
        settings: serde_json::Map::new(),
        bus: uid(100),
        paused: false,
    };
    Snapshot {
        buses: BTreeMap::from([(bus.uid, Arc::new(bus))]),
        sources: Some(BTreeMap::from([(source.uid, Arc::new(source))])),
    }
}

async fn world(dir: &Path) -> (Store, Arc<Hands>) {
    (Store::in_directory(dir).await, Arc::new(Hands(AtomicI64::new(1_000_000_000_000))))
}

impl Replica {
    /// Does not wait for the next round.
    fn nudge(&self) {
        self.snapshot.send_modify(|_| {});
    }

    async fn until_busy_with(&self, units: usize) {
        wait_until(SOON, async || self.busy.count() == units).await.unwrap();
    }
}

#[tokio::test]
async fn work_is_shared_given_back_and_taken_over_when_its_holder_dies() {
    let dir = tempfile::tempdir().unwrap();
    let (store, clock) = world(dir.path()).await;
    let first = start(&store, &clock, 1, false);
    first.until_busy_with(5).await;
    assert!(first.health.not_ready().is_empty());
    let second = start(&store, &clock, 2, false);
    let shared = async || {
        first.nudge();
        second.nudge();
        first.busy.count() == 2 && second.busy.count() == 3
    };
    wait_until(SOON, shared).await.unwrap();

    first.task.abort();
    let later = clock.now().after(Duration::from_secs(11));
    clock.0.store(later.as_micros(), Ordering::Relaxed);
    let taken_over = async || {
        second.nudge();
        second.busy.count() == 5
    };
    wait_until(SOON, taken_over).await.unwrap();

    second.stop.cancel();
    second.task.await.unwrap().unwrap();
    assert_eq!(second.busy.count(), 0);
    let leases = store.leases().await.unwrap();
    let free = |lease: &crate::store::Lease| {
        lease.unit.kind == UnitKind::Replica || lease.holder == Uid::NIL
    };
    assert!(leases.iter().all(free), "{leases:?}");
}

#[tokio::test]
async fn a_sole_replica_takes_over_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let (store, clock) = world(dir.path()).await;
    let first = start(&store, &clock, 1, true);
    first.until_busy_with(5).await;
    first.task.abort();
    let second = start(&store, &clock, 2, true);
    second.until_busy_with(5).await;
    assert_eq!(second.busy.epochs(), BTreeSet::from([2]));
}

#[tokio::test]
async fn a_source_that_is_gone_is_ended_and_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let (store, clock) = world(dir.path()).await;
    let replica = start(&store, &clock, 1, false);
    replica.until_busy_with(5).await;
    let unit = Unit { tenant: DEFAULT_TENANT, kind: UnitKind::Source, uid: uid(150), partition: 0 };
    let tenure = Tenure { unit, holder: uid(1), epoch: 1 };
    store.remember(tenure, b"cursor", b"1").await.unwrap();
    replica.snapshot.send_modify(|snapshot| {
        Arc::make_mut(snapshot).sources = Some(BTreeMap::new());
    });
    replica.until_busy_with(4).await;
    let forgotten = async || store.recall(unit, b"cursor").await.unwrap().is_none();
    wait_until(SOON, forgotten).await.unwrap();
}

#[tokio::test]
async fn work_is_dropped_by_our_own_clock_when_leases_cannot_be_renewed() {
    let dir = tempfile::tempdir().unwrap();
    let (store, clock) = world(dir.path()).await;
    let replica = start(&store, &clock, 1, false);
    replica.until_busy_with(5).await;
    store.close().await;
    tokio::time::pause();
    let before = tokio::time::Instant::now();
    wait_until(SOON, async || replica.busy.count() == 0).await.unwrap();
    assert!(before.elapsed() < super::SHARED.lasts, "before others may take over");
    assert!(!replica.health.not_ready().is_empty());
}
