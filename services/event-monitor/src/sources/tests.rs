//! Sources that fail, recover, change and panic.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::Request;
use tripline_bus::{Append, EventLog, Gatherer, Offset, Reader, Retention, Stream};
use tripline_contracts::pb;
use tripline_contracts::pb::monitor_server::Monitor as _;
use tripline_event::{Event, Frame, LogEntry, Origin};
use tripline_kernel::{Clock as _, DEFAULT_TENANT, Fault, Uid};
use tripline_runtime::{SystemClock, SystemEntropy};
use tripline_source::{Change, Error, Kind, Outlet, Settings};
use tripline_testkit::wait_until;

use super::{Surroundings, host};
use crate::grpc::Service;
use crate::metrics::Metrics;
use crate::registry::{Bus, Snapshot, Source};
use crate::store::{Store, Tenure, Unit, UnitKind};

const SOON: Duration = Duration::from_secs(20);
const REPLICA: Uid = Uid::from_bytes([1; 16]);
const BUS: Uid = Uid::from_bytes([2; 16]);
const UNIT: Unit = Unit {
    tenant: DEFAULT_TENANT,
    kind: UnitKind::Source,
    uid: Uid::from_bytes([3; 16]),
    partition: 0,
};

/// What the scripted source does in each run until the test takes it away; with nothing left it runs and brings nothing.
#[derive(Clone, Copy)]
enum Act {
    Fail,
    Panic,
    Bring(u64),
    /// Brings before it has connected.
    BringEarly(u64),
}

#[derive(Clone, Default)]
struct Script {
    acts: Arc<Mutex<Vec<Act>>>,
    opened_with: Arc<Mutex<Vec<Settings>>>,
}

impl Kind for Script {
    fn name(&self) -> &'static str {
        "script"
    }

    fn secrets(&self) -> &'static [&'static str] {
        &[]
    }

    fn check(&self, _: &Settings) -> Vec<Fault> {
        Vec::new()
    }

    fn open(&self, settings: &Settings) -> Result<Box<dyn tripline_source::Source>, Vec<Fault>> {
        if settings.contains_key("wrong") {
            return Err(vec![Fault::new("/wrong", "unknown-field", "there is no such field")]);
        }
        self.opened_with.lock().unwrap().push(settings.clone());
        Ok(Box::new(self.clone()))
    }
}

#[async_trait::async_trait]
impl tripline_source::Source for Script {
    async fn run(&self, outlet: Arc<dyn Outlet>, stop: CancellationToken) -> Result<(), Error> {
        let act = self.acts.lock().unwrap().last().copied();
        match act {
            Some(Act::Fail) => return Err(Error::Unreachable("the server is away".to_owned())),
            Some(Act::Panic) => panic!("a fault in the source's code"),
            Some(Act::Bring(count)) => {
                outlet.running();
                outlet.publish((0..count).map(event).collect()).await?;
                outlet.cannot_see("what happens in the dark");
                let known = Change { key: "a".into(), value: Some("1".into()) };
                outlet.inventory().write(&[known]).await?;
                outlet.remember(b"cursor", Bytes::from_static(b"here")).await?;
            }
            Some(Act::BringEarly(count)) => {
                outlet.remember(b"cursor", Bytes::from_static(b"elsewhere")).await?;
                let known = Change { key: "b".into(), value: Some("2".into()) };
                outlet.inventory().write(&[known]).await?;
                outlet.publish((0..count).map(event).collect()).await?;
                outlet.running();
            }
            None => outlet.running(),
        }
        stop.cancelled().await;
        Ok(())
    }
}

fn event(id: u64) -> Event {
    let json = format!(r#"{{"specversion":"1.0","id":"{id}","source":"s","type":"t"}}"#);
    Event::from_json(Bytes::from(json)).unwrap()
}

/// A log that keeps what is appended.
#[derive(Default)]
struct Kept(Mutex<Vec<(Stream, Frame)>>);

#[async_trait::async_trait]
impl EventLog for Kept {
    async fn create(&self, _: Stream, _: Retention) -> Result<(), tripline_bus::Error> {
        Ok(())
    }

    async fn delete(&self, _: Stream) -> Result<(), tripline_bus::Error> {
        Ok(())
    }

    fn append(&self, stream: Stream, frame: Frame) -> Append {
        self.0.lock().unwrap().push((stream, frame));
        std::future::ready(Ok(())).boxed()
    }

    async fn read(&self, _: Stream, _: Offset) -> Result<Box<dyn Reader>, tripline_bus::Error> {
        unreachable!("sources do not read")
    }

    async fn earliest(&self, _: Stream) -> Result<Offset, tripline_bus::Error> {
        unreachable!("sources do not read")
    }
}

struct World {
    script: Script,
    log: Arc<Kept>,
    snapshot: watch::Sender<Arc<Snapshot>>,
    service: Service,
    store: Store,
    drain: CancellationToken,
    task: JoinHandle<()>,
    _dir: tempfile::TempDir,
}

fn source(revision: u64, settings: &serde_json::Value) -> Source {
    Source {
        tenant: DEFAULT_TENANT,
        uid: UNIT.uid,
        name: "source".to_owned(),
        revision,
        kind: "script".to_owned(),
        settings: settings.as_object().unwrap().clone(),
        bus: BUS,
        paused: false,
    }
}

impl World {
    /// A source that does these things, the last first, each until it is taken away.
    async fn of(acts: Vec<Act>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::in_directory(dir.path()).await;
        let script = Script { acts: Arc::new(Mutex::new(acts)), ..Script::default() };
        let bus = Bus {
            tenant: DEFAULT_TENANT,
            uid: BUS,
            name: "default".to_owned(),
            revision: 1,
            partitions: 4,
            retention: Duration::MAX,
            dedupe_window: Duration::ZERO,
        };
        let first = Arc::new(source(1, &serde_json::json!({})));
        let known = Snapshot {
            buses: BTreeMap::from([(BUS, Arc::new(bus))]),
            sources: Some(BTreeMap::from([(UNIT.uid, first)])),
        };
        let (snapshot, told) = watch::channel(Arc::new(known));
        let (log, tasks) = (Arc::<Kept>::default(), TaskTracker::new());
        let appended: Arc<dyn EventLog> = Arc::<Kept>::clone(&log);
        let around = Arc::new(Surroundings {
            store: store.clone(),
            gatherer: Gatherer::new(appended, tasks.clone(), CancellationToken::new()),
            kinds: vec![Arc::new(script.clone())],
            snapshot: told.clone(),
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
            metrics: tripline_runtime::Metrics::default().register(Metrics::register),
            tasks,
        });
        let now = around.clock.now();
        store.enlist(&[UNIT]).await.unwrap();
        store.acquire(&[UNIT], REPLICA, now, now.after(SOON)).await.unwrap();
        let tenure = Tenure { unit: UNIT, holder: REPLICA, epoch: 1 };
        let prober = super::Prober::new(around.kinds.clone(), around.tasks.clone());
        let standings = crate::standing::Standings::new(store.clone());
        let service = Service { store: store.clone(), snapshot: told, prober, standings };
        let drain = CancellationToken::new();
        let task = tokio::spawn(host(around, tenure, drain.clone()));
        Self { script, log, snapshot, service, store, drain, task, _dir: dir }
    }

    async fn status_for(&self, tenant: Uid) -> Result<pb::SourceStatus, tonic::Status> {
        let (tenant, source_uid) = (tenant.to_string(), UNIT.uid.to_string());
        let request = Request::new(pb::GetSourceStatusRequest { tenant, source_uid });
        self.service.get_source_status(request).await.map(tonic::Response::into_inner)
    }

    async fn until(&self, holds: impl Fn(&pb::SourceStatus) -> bool) -> pb::SourceStatus {
        let told = async || holds(&self.status_for(DEFAULT_TENANT).await.unwrap());
        wait_until(SOON, told).await.unwrap();
        self.status_for(DEFAULT_TENANT).await.unwrap()
    }

    fn change(&self, sources: Vec<Source>) {
        let sources = sources.into_iter().map(|source| (source.uid, Arc::new(source)));
        self.snapshot.send_modify(|snapshot| {
            Arc::make_mut(snapshot).sources = Some(sources.collect());
        });
    }
}

#[tokio::test]
async fn a_failing_source_shows_why_and_recovers() {
    let world = World::of(vec![Act::Bring(9), Act::Fail]).await;
    let failing = world.until(|status| status.state == "failing").await;
    assert_eq!(failing.reason, "the server is away");
    world.script.acts.lock().unwrap().pop();
    let running = world.until(|status| status.state == "running" && status.events == 9).await;
    let unseen = async || {
        let status = world.status_for(DEFAULT_TENANT).await.unwrap();
        status.reason == "what happens in the dark" && status.state == "running"
    };
    wait_until(SOON, unseen).await.unwrap();
    assert!(running.since > failing.since);
    assert!(running.last_event_at.is_some());

    let log = world.log.0.lock().unwrap().clone();
    let mut ids = Vec::new();
    for (stream, frame) in log {
        assert_eq!(stream.bus, BUS);
        for entry in frame.into_entries() {
            let LogEntry::Event(accepted) = LogEntry::decode(entry).unwrap() else { panic!() };
            assert_eq!(accepted.origin, Origin::Source(UNIT.uid));
            assert_eq!(accepted.event.partition(4), stream.partition);
            ids.push(accepted.event.id().to_owned());
        }
    }
    ids.sort();
    assert_eq!(ids, (0..9).map(|id: u64| id.to_string()).collect::<Vec<_>>());
    let remembered = async || world.store.recall(UNIT, b"cursor").await.unwrap().is_some();
    wait_until(SOON, remembered).await.unwrap();
    assert_eq!(world.store.inventory_entries(UNIT, b"").await.unwrap().len(), 1);
    world.drain.cancel();
    world.task.await.unwrap();
}

#[tokio::test]
async fn a_source_whose_code_panics_takes_nothing_with_it() {
    let world = World::of(vec![Act::Panic]).await;
    let failing = world.until(|status| status.state == "failing").await;
    assert!(failing.reason.contains("fault"), "{}", failing.reason);
    world.script.acts.lock().unwrap().pop();
    world.until(|status| status.state == "running").await;
}

#[tokio::test]
async fn new_settings_are_taken_up_at_once() {
    let world = World::of(Vec::new()).await;
    world.until(|status| status.state == "running").await;
    world.change(vec![source(2, &serde_json::json!({"wrong": 1}))]);
    let failing = world.until(|status| status.state == "failing").await;
    assert_eq!(failing.reason, "the settings are wrong: /wrong: there is no such field");
    world.change(vec![source(3, &serde_json::json!({"bucket": "b"}))]);
    world.until(|status| status.state == "running").await;
    let opened_with = world.script.opened_with.lock().unwrap().clone();
    assert_eq!(opened_with.last().unwrap()["bucket"], "b");
    assert_eq!(opened_with.len(), 2);
}

#[tokio::test]
async fn a_test_says_whether_a_source_would_run_and_keeps_nothing() {
    let world = World::of(vec![Act::Bring(9)]).await;
    world.until(|status| status.events == 9).await;
    let test = |tenant: Uid, revision| {
        let (tenant, source_uid) = (tenant.to_string(), UNIT.uid.to_string());
        let request = Request::new(pb::TestSourceRequest { tenant, source_uid, revision });
        world.service.test_source(request)
    };
    world.script.acts.lock().unwrap().push(Act::Bring(7));
    let runs = test(DEFAULT_TENANT, 1).await.unwrap().into_inner();
    assert_eq!(runs.reason, None);
    let appended = world.log.0.lock().unwrap().len();
    world.script.acts.lock().unwrap().push(Act::BringEarly(7));
    let late = test(DEFAULT_TENANT, 1).await.unwrap().into_inner();
    assert!(
        late.reason.unwrap().contains("has not connected"),
        "it waits for its events to be taken"
    );
    assert_eq!(world.log.0.lock().unwrap().len(), appended, "nothing was kept");
    let here = Some(Bytes::from_static(b"here"));
    assert_eq!(world.store.recall(UNIT, b"cursor").await.unwrap(), here);
    assert_eq!(world.store.inventory_entries(UNIT, b"").await.unwrap().len(), 1);
    *world.script.acts.lock().unwrap() = vec![Act::Fail];
    let fails = test(DEFAULT_TENANT, 1).await.unwrap().into_inner();
    assert_eq!(fails.reason.as_deref(), Some("the server is away"));
    let status = world.status_for(DEFAULT_TENANT).await.unwrap();
    assert_eq!(status.state, "running", "the source itself goes on");
    world.change(vec![source(2, &serde_json::json!({"wrong": 1}))]);
    let wrong = test(DEFAULT_TENANT, 2).await.unwrap().into_inner();
    assert!(wrong.reason.unwrap().contains("/wrong"));
    let stranger = test(Uid::from_bytes([99; 16]), 2).await.unwrap_err();
    assert_eq!(stranger.code(), tonic::Code::NotFound);
}

#[tokio::test]
async fn a_paused_source_does_not_run_until_it_is_resumed() {
    let world = World::of(Vec::new()).await;
    world.until(|status| status.state == "running").await;
    let settings = serde_json::json!({});
    world.change(vec![Source { paused: true, ..source(2, &settings) }]);
    world.until(|status| status.state == "paused").await;
    assert_eq!(world.script.opened_with.lock().unwrap().len(), 1);
    world.change(vec![source(3, &settings)]);
    world.until(|status| status.state == "running").await;
    assert_eq!(world.script.opened_with.lock().unwrap().len(), 2);
    world.change(vec![Source { paused: true, ..source(4, &settings) }]);
    world.until(|status| status.state == "paused").await;
    world.drain.cancel();
    world.task.await.unwrap();
}

#[tokio::test]
async fn a_status_is_told_to_its_tenant_alone() {
    let mut world = World::of(Vec::new()).await;
    world.until(|status| status.state == "running").await;
    let refused = world.status_for(Uid::from_bytes([99; 16])).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::NotFound);
    world.drain.cancel();
    (&mut world.task).await.unwrap();
    world.store.retire(UNIT, REPLICA, SystemClock.now()).await.unwrap();
    assert_eq!(world.status_for(DEFAULT_TENANT).await.unwrap().state, "starting", "still known");
    world.change(Vec::new());
    let gone = world.status_for(DEFAULT_TENANT).await.unwrap_err();
    assert_eq!(gone.code(), tonic::Code::NotFound);
}
