//! A log, lanes, a store and a registry that can be told how to behave.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Notify, watch};
use tokio::time::sleep;
use tripline_bus::{
    Append, Consumer, Error, EventLog, Lane, Offset, Publish, Reader, Record, Retention, Stream,
    WorkQueue,
};
use tripline_event::{
    Accepted, Event, Frame, LaneEntry, LogEntry, Marker, Origin, TriggerDefinition,
};
use tripline_kernel::{Clock, DEFAULT_TENANT, Entropy, Timestamp, Uid};
use tripline_runtime::{Health, Metrics};

use crate::board::Board;
use crate::registry::control::Rebuilt;
use crate::registry::{Bus, Control, Snapshot};
use crate::router::{Checkpoints, Limits, Surroundings};
use crate::store::{self, Checkpoint, Claimed, Partition};

pub(super) const BUS: Uid = Uid::from_bytes([9; 16]);
pub(super) const STREAM: Stream = Stream { bus: BUS, partition: 1 };
pub(super) const PARTITION: Partition = Partition { tenant: DEFAULT_TENANT, stream: STREAM };
pub(super) const WINDOW: Duration = Duration::from_secs(10);
pub(super) const RETENTION: Duration = Duration::from_secs(1000);
pub(super) const NOW: Timestamp = Timestamp::from_micros(1_000_000_000_000);

pub(super) fn uid(number: u8) -> Uid {
    Uid::from_bytes([number; 16])
}

/// Numbers that look random and are the same each time.
pub(super) struct Draws(AtomicU64);

impl Draws {
    pub(super) fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    pub(super) fn below(&self, limit: u64) -> u64 {
        let step = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        let mixed = (step ^ (step >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed ^ (mixed >> 31)) % limit
    }
}

impl Entropy for Draws {
    fn fill(&self, bytes: &mut [u8]) {
        for byte in bytes {
            *byte = u8::try_from(self.below(256)).unwrap();
        }
    }
}

struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        NOW
    }
}

/// One stream in memory.
#[derive(Default)]
pub(super) struct Log {
    records: Mutex<BTreeMap<Offset, Frame>>,
    first: AtomicU64,
    grown: Notify,
    pub(super) given_out: AtomicU64,
}

impl Log {
    pub(super) fn put(&self, offset: Offset, entries: &[LogEntry]) {
        let frame = Frame::new(entries.iter().map(LogEntry::encode).collect());
        self.put_frame(offset, frame);
    }

    pub(super) fn put_frame(&self, offset: Offset, frame: Frame) {
        self.records.lock().unwrap().insert(offset, frame);
        self.grown.notify_waiters();
    }

    pub(super) fn lose_before(&self, first: Offset) {
        self.records.lock().unwrap().retain(|offset, _| *offset >= first);
        self.first.store(first, Ordering::Relaxed);
    }
}

struct LogReader {
    log: Arc<Log>,
    at: Offset,
}

#[async_trait::async_trait]
impl Reader for LogReader {
    async fn next(&mut self) -> Result<Record, Error> {
        let log = Arc::clone(&self.log);
        loop {
            let grown = log.grown.notified();
            let first = log.first.load(Ordering::Relaxed);
            if first > self.at {
                return Err(Error::Gap { asked: self.at, first });
            }
            let next =
                log.records.lock().unwrap().range(self.at..).next().map(|(o, f)| (*o, f.clone()));
            if let Some((offset, frame)) = next {
                self.at = offset + 1;
                log.given_out.fetch_add(1, Ordering::Relaxed);
                return Ok(Record { offset, frame });
            }
            grown.await;
        }
    }
}

/// The log as the port has it.
pub(super) struct LogPort(Arc<Log>);

#[async_trait::async_trait]
impl EventLog for LogPort {
    async fn create(&self, _: Stream, _: Retention) -> Result<(), Error> {
        Ok(())
    }

    async fn delete(&self, _: Stream) -> Result<(), Error> {
        Ok(())
    }

    fn append(&self, _: Stream, _: Frame) -> Append {
        unreachable!("routers do not append")
    }

    async fn read(&self, stream: Stream, from: Offset) -> Result<Box<dyn Reader>, Error> {
        assert_eq!(stream, STREAM);
        let first = self.0.first.load(Ordering::Relaxed);
        if first > from {
            return Err(Error::Gap { asked: from, first });
        }
        Ok(Box::new(LogReader { log: Arc::clone(&self.0), at: from }))
    }

    async fn earliest(&self, _: Stream) -> Result<Offset, Error> {
        Ok(self.0.first.load(Ordering::Relaxed))
    }
}

/// Lanes that confirm after a while, sometimes fail, and can be blocked.
pub(super) struct Lanes {
    draws: Arc<Draws>,
    pub(super) faulty: bool,
    pub(super) blocked: watch::Sender<bool>,
    received: Mutex<VecDeque<(Lane, LaneEntry)>>,
}

impl Lanes {
    pub(super) fn received(&self) -> Vec<(Lane, LaneEntry)> {
        self.received.lock().unwrap().iter().cloned().collect()
    }
}

pub(super) struct LanesPort(Arc<Lanes>);

#[async_trait::async_trait]
impl WorkQueue for LanesPort {
    fn publish(&self, lane: Lane, frame: Frame) -> Publish {
        let lanes = Arc::clone(&self.0);
        Box::pin(async move {
            let mut blocked = lanes.blocked.subscribe();
            let _ = blocked.wait_for(|blocked| !blocked).await;
            sleep(Duration::from_millis(lanes.draws.below(200))).await;
            let fails = lanes.faulty && lanes.draws.below(5) == 0;
            if !fails || lanes.draws.below(2) == 0 {
                let entries = frame.into_entries().into_iter();
                let entries = entries.map(|entry| (lane, LaneEntry::decode(entry).unwrap()));
                lanes.received.lock().unwrap().extend(entries);
            }
            // The answer may come late, or be lost with the process.
            sleep(Duration::from_millis(lanes.draws.below(100))).await;
            if fails { Err(Error::Unavailable("a test".to_owned())) } else { Ok(()) }
        })
    }

    async fn consume(&self, _: Lane) -> Result<Box<dyn Consumer>, Error> {
        unreachable!("routers do not consume")
    }
}

/// A checkpoint in memory.
#[derive(Default)]
pub(super) struct Checkpointed {
    state: Mutex<State>,
    pub(super) saves: AtomicU64,
}

#[derive(Clone, Default)]
pub(super) struct State {
    pub(super) epoch: u64,
    pub(super) checkpoint: Checkpoint,
    pub(super) definitions: String,
}

impl Checkpointed {
    pub(super) fn state(&self) -> State {
        self.state.lock().unwrap().clone()
    }
}

pub(super) struct CheckpointsPort(Arc<Checkpointed>);

#[async_trait::async_trait]
impl Checkpoints for CheckpointsPort {
    async fn claim(&self, _: Partition, epoch: u64) -> Result<Claimed, store::Error> {
        let mut state = self.0.state.lock().unwrap();
        if state.epoch > epoch {
            return Err(store::Error::Fenced);
        }
        state.epoch = epoch;
        Ok(Claimed { checkpoint: state.checkpoint, definitions: state.definitions.clone() })
    }

    async fn save(
        &self,
        _: Partition,
        epoch: u64,
        checkpoint: Checkpoint,
        definitions: Option<String>,
    ) -> Result<(), store::Error> {
        let mut state = self.0.state.lock().unwrap();
        if state.epoch != epoch {
            return Err(store::Error::Fenced);
        }
        state.checkpoint = checkpoint;
        if let Some(definitions) = definitions {
            state.definitions = definitions;
        }
        self.0.saves.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

/// A registry that can be away.
#[derive(Default)]
pub(super) struct Told {
    pub(super) away: AtomicBool,
    pub(super) definitions: Mutex<Rebuilt>,
    pub(super) paused: Mutex<Vec<(Uid, String)>>,
}

pub(super) struct ControlPort(Arc<Told>);

impl Told {
    fn reach(&self) -> Result<(), tripline_contracts::Error> {
        if self.away.load(Ordering::Relaxed) {
            return Err(tonic::Status::unavailable("a test").into());
        }
        Ok(())
    }
}

#[async_trait::async_trait]
impl Control for ControlPort {
    async fn definitions(&self, bus: Uid) -> Result<Rebuilt, tripline_contracts::Error> {
        assert_eq!(bus, BUS);
        self.0.reach()?;
        Ok(self.0.definitions.lock().unwrap().clone())
    }

    async fn pause(
        &self,
        tenant: Uid,
        trigger: Uid,
        reason: &str,
    ) -> Result<(), tripline_contracts::Error> {
        assert_eq!(tenant, DEFAULT_TENANT);
        self.0.reach()?;
        self.0.paused.lock().unwrap().push((trigger, reason.to_owned()));
        Ok(())
    }
}

/// All that a router meets.
pub(super) struct World {
    pub(super) log: Arc<Log>,
    pub(super) lanes: Arc<Lanes>,
    pub(super) checkpoints: Arc<Checkpointed>,
    pub(super) registry: Arc<Told>,
    pub(super) draws: Arc<Draws>,
    pub(super) health: Health,
    pub(super) metrics: Metrics,
    pub(super) around: Arc<Surroundings>,
}

impl World {
    pub(super) fn new(seed: u64, faulty: bool) -> Self {
        let draws = Arc::new(Draws::new(seed));
        let log = Arc::new(Log::default());
        let lanes = Arc::new(Lanes {
            draws: Arc::clone(&draws),
            faulty,
            blocked: watch::Sender::new(false),
            received: Mutex::default(),
        });
        let (checkpoints, registry) = (Arc::<Checkpointed>::default(), Arc::<Told>::default());
        let (health, metrics) = (Health::default(), Metrics::default());
        let board = Board::new(health.part("event-monitor: routing"));
        board.started();
        let around = Arc::new(Surroundings {
            log: Arc::new(LogPort(Arc::clone(&log))),
            lanes: Arc::new(LanesPort(Arc::clone(&lanes))),
            checkpoints: Arc::new(CheckpointsPort(Arc::clone(&checkpoints))),
            control: Arc::new(ControlPort(Arc::clone(&registry))),
            snapshot: watch::channel(Arc::new(snapshot())).1,
            clock: Arc::new(Still),
            entropy: Arc::<Draws>::clone(&draws),
            metrics: metrics.register(crate::metrics::Metrics::register),
            board,
            limits: Limits { lanes: 3, entries_max: 5, dedupe_identities_max: 1000 },
            tracer: tripline_trace::Tracer::default(),
        });
        Self { log, lanes, checkpoints, registry, draws, health, metrics, around }
    }
}

fn snapshot() -> Snapshot {
    let bus = Bus {
        tenant: DEFAULT_TENANT,
        uid: BUS,
        name: "default".to_owned(),
        revision: 1,
        partitions: 4,
        retention: RETENTION,
        dedupe_window: WINDOW,
    };
    Snapshot { buses: BTreeMap::from([(BUS, Arc::new(bus))]), sources: None }
}

/// An event whose type and key follow from its id, so that copies are alike.
pub(super) fn event(id: u64, origin: Origin, accepted_at: Timestamp) -> Accepted {
    let (kind, key) = (["a", "b"][usize::try_from(id % 2).unwrap()], id % 3);
    let json = format!(
        r#"{{"specversion":"1.0","id":"{id}","source":"s","type":"{kind}","partitionkey":"{key}"}}"#
    );
    let event = Event::from_json(Bytes::from(json)).unwrap();
    Accepted { origin, accepted_at, traceparent: None, event }
}

pub(super) fn marker(
    trigger: Uid,
    revision: u64,
    definition: Option<TriggerDefinition>,
) -> LogEntry {
    LogEntry::Marker(Marker::Trigger { trigger, revision, definition })
}

pub(super) fn everything() -> TriggerDefinition {
    TriggerDefinition { source: None, pattern: None, function: uid(50) }
}
