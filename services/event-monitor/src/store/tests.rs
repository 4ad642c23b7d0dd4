//! The store keeps its promises on every database that it runs on.

use std::time::Duration;

use bytes::Bytes;
use tripline_bus::Stream;
use tripline_kernel::{DEFAULT_TENANT, Timestamp, Uid};
use tripline_source::{Change, Entry, Inventory, conformance};

use super::{
    Checkpoint, Error, Lease, Migrator, Partition, SourceState, SourceStatus, Store, Tenure, Unit,
    UnitKind,
};
use crate::registry::Bus;

fn uid(number: u8) -> Uid {
    Uid::from_bytes([number; 16])
}

fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}

const SOURCE: Unit = Unit {
    tenant: DEFAULT_TENANT,
    kind: UnitKind::Source,
    uid: Uid::from_bytes([7; 16]),
    partition: 0,
};

async fn open(url: &str) -> Store {
    let options = tripline_db::Options { url: url.into(), ..tripline_db::Options::default() };
    Store::new(tripline_db::open::<Migrator>(&options, || 0.5).await.unwrap())
}

async fn keeps_its_promises(store: &Store) {
    leases_are_held_by_one(store).await;
    what_others_hold_can_be_ended_by_a_sole_replica(store).await;
    a_stale_checkpoint_is_refused(store).await;
    sources_remember_only_under_their_lease(store).await;
    inventories_keep_the_rules_of_the_port(store).await;
    an_inventory_changes_only_under_its_lease_and_goes_with_its_source(store).await;
    a_status_is_told_to_its_tenant_alone(store).await;
    buses_are_replaced_as_a_whole(store).await;
}

async fn held(store: &Store, unit: Unit) -> Lease {
    store.leases().await.unwrap().into_iter().find(|lease| lease.unit == unit).unwrap()
}

async fn leases_are_held_by_one(store: &Store) {
    let partitions = [0, 1, 2].map(|partition| Unit {
        tenant: DEFAULT_TENANT,
        kind: UnitKind::Partition,
        uid: uid(1),
        partition,
    });
    store.enlist(&partitions).await.unwrap();
    store.enlist(&partitions).await.unwrap();
    store.acquire(&partitions[..2], uid(11), at(100), at(200)).await.unwrap();
    store.acquire(&partitions, uid(12), at(199), at(300)).await.unwrap();
    let [first, _, third] = partitions;
    assert_eq!((held(store, first).await.holder, held(store, first).await.epoch), (uid(11), 1));
    assert_eq!(held(store, third).await.holder, uid(12));

    assert_eq!(store.renew(uid(11), at(400)).await.unwrap(), 2);
    assert_eq!(store.renew(uid(11), at(400)).await.unwrap(), 2, "even when nothing changes");
    store.acquire(&partitions, uid(12), at(300), at(500)).await.unwrap();
    assert_eq!(held(store, first).await.holder, uid(11));
    store.release(first, uid(11), 99).await.unwrap();
    assert_eq!(held(store, first).await.holder, uid(11), "only under its own epoch");
    store.release(first, uid(11), 1).await.unwrap();
    store.acquire(&[first], uid(12), at(1), at(500)).await.unwrap();
    assert_eq!((held(store, first).await.holder, held(store, first).await.epoch), (uid(12), 2));
}

async fn what_others_hold_can_be_ended_by_a_sole_replica(store: &Store) {
    store.announce(uid(11), at(1_000), at(0)).await.unwrap();
    store.announce(uid(13), at(1_000), at(0)).await.unwrap();
    store.evict_others(uid(13)).await.unwrap();
    let leases = store.leases().await.unwrap();
    let replicas: Vec<_> =
        leases.iter().filter(|lease| lease.unit.kind == UnitKind::Replica).collect();
    assert_eq!(replicas.len(), 1);
    assert_eq!(replicas[0].holder, uid(13));
    let others = leases.iter().filter(|lease| lease.unit.kind != UnitKind::Replica);
    assert!(others.into_iter().all(|lease| lease.holder == Uid::NIL && lease.until == at(0)));
    store.leave(uid(13)).await.unwrap();
}

async fn a_stale_checkpoint_is_refused(store: &Store) {
    let stream = Stream { bus: uid(1), partition: 3 };
    let partition = Partition { tenant: DEFAULT_TENANT, stream };
    let fresh = store.claim(partition, 5).await.unwrap();
    assert_eq!((fresh.checkpoint, fresh.definitions.as_str()), (Checkpoint::default(), ""));
    let checkpoint = Checkpoint { next: 10, dedupe_start: 3, accepted: 7, deduplicated: 2 };
    store.save_checkpoint(partition, 5, checkpoint, Some("{}".to_owned())).await.unwrap();

    let claimed = store.claim(partition, 6).await.unwrap();
    assert_eq!((claimed.checkpoint, claimed.definitions.as_str()), (checkpoint, "{}"));
    let later = Checkpoint { next: 11, ..checkpoint };
    let stale = store.save_checkpoint(partition, 5, later, None).await;
    assert!(matches!(stale, Err(Error::Fenced)), "the old owner's write, before any of the new");
    assert!(matches!(store.claim(partition, 5).await, Err(Error::Fenced)));
    store.save_checkpoint(partition, 6, later, None).await.unwrap();
    let claimed = store.claim(partition, 6).await.unwrap();
    assert_eq!((claimed.checkpoint, claimed.definitions.as_str()), (later, "{}"), "kept as it was");
    let long = "x".repeat(100_000);
    store.save_checkpoint(partition, 6, later, Some(long.clone())).await.unwrap();
    assert_eq!(store.claim(partition, 6).await.unwrap().definitions, long);

    let routed = store.routed(DEFAULT_TENANT, uid(1)).await.unwrap();
    assert_eq!(routed, [(3, later)]);
    assert_eq!(store.definitions(partition).await.unwrap(), Some(long));
    let foreign = Partition { tenant: uid(9), ..partition };
    assert_eq!(store.definitions(foreign).await.unwrap(), None, "tenants are apart");
    assert!(store.routed(uid(9), uid(1)).await.unwrap().is_empty(), "tenants are apart");

    let other = Partition { stream: Stream { bus: uid(2), partition: 0 }, ..partition };
    store.claim(other, 1).await.unwrap();
    store.save_checkpoint(other, 1, checkpoint, None).await.unwrap();
    assert_eq!(store.counted(DEFAULT_TENANT).await.unwrap(), (14, 4), "of all its partitions");
    assert_eq!(store.counted(uid(9)).await.unwrap(), (0, 0), "tenants are apart");
}

async fn sources_remember_only_under_their_lease(store: &Store) {
    store.enlist(&[SOURCE]).await.unwrap();
    store.acquire(&[SOURCE], uid(11), at(100), at(200)).await.unwrap();
    let first = Tenure { unit: SOURCE, holder: uid(11), epoch: 1 };
    let large = vec![0xfe; tripline_source::REMEMBERED_BYTES_MAX];
    let longest_key = vec![0xff; super::KEY_BYTES_MAX];
    store.remember(first, b"cursor", b"1").await.unwrap();
    store.remember(first, b"cursor", b"2").await.unwrap();
    store.remember(first, &longest_key, &large).await.unwrap();
    assert_eq!(store.recall(SOURCE, b"cursor").await.unwrap().unwrap(), "2");
    assert_eq!(store.recall(SOURCE, &longest_key).await.unwrap().unwrap(), large);
    assert_eq!(store.recall(SOURCE, b"Cursor").await.unwrap(), None, "keys are bytes");

    store.acquire(&[SOURCE], uid(12), at(300), at(400)).await.unwrap();
    let refused = store.remember(first, b"cursor", b"3").await;
    assert!(matches!(refused, Err(Error::Fenced)));
    assert_eq!(store.recall(SOURCE, b"cursor").await.unwrap().unwrap(), "2");

    store.retire(SOURCE, uid(11), at(399)).await.unwrap();
    assert!(store.recall(SOURCE, b"cursor").await.unwrap().is_some(), "another still runs it");
    store.retire(SOURCE, uid(12), at(399)).await.unwrap();
    assert_eq!(store.recall(SOURCE, b"cursor").await.unwrap(), None);
    assert!(store.leases().await.unwrap().iter().all(|lease| lease.unit != SOURCE));
}

/// The inventory of one unit, as its source is given it.
struct Kept<'s> {
    store: &'s Store,
    tenure: Tenure,
}

fn told<T>(outcome: Result<T, Error>) -> Result<T, tripline_source::Error> {
    outcome.map_err(|error| tripline_source::Error::Outlet(error.to_string()))
}

#[async_trait::async_trait]
impl Inventory for Kept<'_> {
    async fn entries(&self, after: &[u8]) -> Result<Vec<Entry>, tripline_source::Error> {
        told(self.store.inventory_entries(self.tenure.unit, after).await)
    }

    async fn find(&self, keys: &[Bytes]) -> Result<Vec<Entry>, tripline_source::Error> {
        told(self.store.inventory_find(self.tenure.unit, keys).await)
    }

    async fn write(&self, changes: &[Change]) -> Result<(), tripline_source::Error> {
        Change::check(changes)?;
        told(self.store.inventory_write(self.tenure, changes).await)
    }

    async fn clear(&self) -> Result<(), tripline_source::Error> {
        told(self.store.inventory_clear(self.tenure).await)
    }
}

async fn inventories_keep_the_rules_of_the_port(store: &Store) {
    let unit = Unit { uid: uid(20), ..SOURCE };
    let neighbour = Unit { uid: uid(21), ..SOURCE };
    store.enlist(&[unit, neighbour]).await.unwrap();
    store.acquire(&[unit, neighbour], uid(11), at(100), at(200)).await.unwrap();
    let tenure = |unit| Tenure { unit, holder: uid(11), epoch: 1 };
    let other = [Change { key: "b".into(), value: Some("its own".into()) }];
    store.inventory_write(tenure(neighbour), &other).await.unwrap();
    conformance(&Kept { store, tenure: tenure(unit) }).await;
    assert_eq!(store.inventory_entries(neighbour, b"").await.unwrap().len(), 1, "untouched");
}

async fn an_inventory_changes_only_under_its_lease_and_goes_with_its_source(store: &Store) {
    let unit = Unit { uid: uid(22), ..SOURCE };
    store.enlist(&[unit]).await.unwrap();
    store.acquire(&[unit], uid(11), at(100), at(200)).await.unwrap();
    let first = Tenure { unit, holder: uid(11), epoch: 1 };
    let change = |key: String| Change { key: key.into(), value: Some("v".into()) };
    // More than one step of a removal, the last one full.
    for part in 0..10 {
        let changes: Vec<_> = (0..1_000).map(|n| change(format!("{part}-{n:03}"))).collect();
        store.inventory_write(first, &changes).await.unwrap();
    }
    store.acquire(&[unit], uid(12), at(300), at(400)).await.unwrap();
    let refused = store.inventory_write(first, &[change("late".to_owned())]).await;
    assert!(matches!(refused, Err(Error::Fenced)));
    assert!(matches!(store.inventory_clear(first).await, Err(Error::Fenced)));
    assert!(store.inventory_find(unit, &["late".into()]).await.unwrap().is_empty());

    store.retire(unit, uid(11), at(399)).await.unwrap();
    assert_eq!(store.inventory_entries(unit, b"").await.unwrap().len(), 1_000, "it still runs");
    store.retire(unit, uid(12), at(399)).await.unwrap();
    assert!(store.inventory_entries(unit, b"").await.unwrap().is_empty());
    assert!(store.leases().await.unwrap().iter().all(|lease| lease.unit != unit));
}

async fn a_status_is_told_to_its_tenant_alone(store: &Store) {
    let status = SourceStatus {
        state: SourceState::Failing,
        reason: "it is away".to_owned(),
        since: at(5),
        events: 3,
        last_event_at: Some(at(4)),
    };
    let source = uid(8);
    store.save_source_status(DEFAULT_TENANT, source, 2, &status).await.unwrap();
    let told = store.source_status(DEFAULT_TENANT, source).await.unwrap();
    assert_eq!(told, Some(status.clone()));
    assert_eq!(store.source_status(uid(99), source).await.unwrap(), None);

    let running = SourceStatus {
        state: SourceState::Running,
        reason: String::new(),
        last_event_at: None,
        ..status.clone()
    };
    let stale = store.save_source_status(DEFAULT_TENANT, source, 1, &running).await;
    assert!(matches!(stale, Err(Error::Fenced)));
    store.save_source_status(DEFAULT_TENANT, source, 3, &running).await.unwrap();
    assert_eq!(store.source_status(DEFAULT_TENANT, source).await.unwrap(), Some(running));
}

async fn buses_are_replaced_as_a_whole(store: &Store) {
    let bus = |number| Bus {
        tenant: DEFAULT_TENANT,
        uid: uid(number),
        name: format!("bus-{number}"),
        revision: 4,
        partitions: 4,
        retention: Duration::from_secs(7),
        dedupe_window: Duration::from_secs(300),
    };
    store.replace_buses(&[bus(1), bus(2)]).await.unwrap();
    store.replace_buses(&[bus(2), bus(3)]).await.unwrap();
    let mut buses = store.buses().await.unwrap();
    buses.sort_by_key(|bus| bus.uid);
    assert_eq!(buses, [bus(2), bus(3)]);
    store.replace_buses(&[]).await.unwrap();
    assert_eq!(store.buses().await.unwrap(), []);
}

#[tokio::test]
async fn on_sqlite() {
    let dir = tempfile::tempdir().unwrap();
    keeps_its_promises(&Store::in_directory(dir.path()).await).await;
}

#[tokio::test]
async fn on_mariadb() {
    let url = tripline_testkit::mariadb().await.database().await.unwrap();
    keeps_its_promises(&open(&url).await).await;
}

#[tokio::test]
async fn on_postgres() {
    let url = tripline_testkit::postgres().await.database().await.unwrap();
    keeps_its_promises(&open(&url).await).await;
}
