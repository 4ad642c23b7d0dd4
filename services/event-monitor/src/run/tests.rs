//! The whole service, with the embedded log and queue.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio_util::sync::CancellationToken;
use tripline_bus::embedded::{Log, OsDisk, Queue};
use tripline_bus::{EventLog, Lane, Retention, Stream, WorkQueue};
use tripline_contracts::transport::{Client, Listener, Prove, in_memory};
use tripline_event::{
    Accepted, Event, Frame, LaneEntry, LogEntry, Marker, Origin, TriggerDefinition,
};
use tripline_kernel::{Clock as _, DEFAULT_TENANT, Uid};
use tripline_runtime::{Context, SystemClock};
use tripline_signing::ServiceKey;

use super::run;
use crate::registry::Bus;
use crate::store::Store;
use crate::{Options, Ports};

const BUS: Uid = Uid::from_bytes([2; 16]);
const STREAM: Stream = Stream { bus: BUS, partition: 0 };
const SOON: Duration = Duration::from_secs(20);

async fn known_bus(dir: &Path) {
    let bus = Bus {
        tenant: DEFAULT_TENANT,
        uid: BUS,
        name: "default".to_owned(),
        revision: 1,
        partitions: 1,
        retention: Duration::from_secs(3600),
        dedupe_window: Duration::from_secs(300),
    };
    let store = Store::in_directory(dir).await;
    store.replace_buses(&[bus]).await.unwrap();
    store.close().await;
}

fn open_log(dir: &Path) -> Arc<dyn EventLog> {
    let disk = Arc::new(OsDisk::new(dir.join("log")));
    let options = tripline_bus::embedded::Options {
        dir: dir.join("log"),
        ..tripline_bus::embedded::Options::default()
    };
    Arc::new(Log::open(&options, disk, Arc::new(SystemClock)).unwrap())
}

async fn append(log: &dyn EventLog, entries: &[LogEntry]) {
    let frame = Frame::new(entries.iter().map(LogEntry::encode).collect());
    log.append(STREAM, frame).await.unwrap();
}

fn marker() -> LogEntry {
    let definition = TriggerDefinition { source: None, pattern: None, function: Uid::NIL };
    let trigger = Uid::from_bytes([3; 16]);
    LogEntry::Marker(Marker::Trigger { trigger, revision: 1, definition: Some(definition) })
}

fn event(id: &str) -> LogEntry {
    let json = format!(r#"{{"specversion":"1.0","id":"{id}","source":"s","type":"t"}}"#);
    LogEntry::Event(Accepted {
        origin: Origin::ApiKey(Uid::NIL),
        accepted_at: SystemClock.now(),
        traceparent: None,
        event: Event::from_json(Bytes::from(json)).unwrap(),
    })
}

/// The next event to arrive in the only lane.
async fn received(lanes: &dyn WorkQueue) -> String {
    let mut consumer = lanes.consume(Lane(0)).await.unwrap();
    let delivery = tokio::time::timeout(SOON, consumer.next()).await.unwrap().unwrap();
    let entry = delivery.frame.entries()[0].clone();
    consumer.ack(delivery.id).await.unwrap();
    LaneEntry::decode(entry).unwrap().accepted.event.id().to_owned()
}

#[tokio::test]
async fn known_buses_are_routed_while_the_registry_is_away() {
    let dir = tempfile::tempdir().unwrap();
    known_bus(dir.path()).await;
    let log = open_log(dir.path());
    let lanes: Arc<dyn WorkQueue> = Arc::new(Queue::new());
    let retention = Retention { time: Duration::from_secs(3600), bytes: 1 << 30 };
    log.create(STREAM, retention).await.unwrap();
    append(&*log, &[LogEntry::Marker(Marker::Begin), marker(), event("1")]).await;

    let service_key = Arc::new(ServiceKey::derive(&[1; 32]));
    for expected in ["1", "2"] {
        let context = Context::system(CancellationToken::new());
        let url = format!("sqlite://{}", dir.path().join("monitor.db").display());
        let options = Options {
            db: tripline_db::Options { url: url.into(), ..tripline_db::Options::default() },
            lanes: 1,
            sole_replica: true,
            ..Options::default()
        };
        // Nobody accepts at the other end of the registry's channel.
        let (registry, _) = in_memory();
        let (_callers, listener) = in_memory();
        let prove = Prove::new(Arc::clone(&service_key), Arc::clone(&context.clock));
        let ports = Ports {
            listener: Listener::Memory(listener),
            service_key: Arc::clone(&service_key),
            registry: Client::new(registry, prove),
            log: Arc::clone(&log),
            lanes: Arc::clone(&lanes),
            sources: Vec::new(),
        };
        let serving = tokio::spawn(run(options, ports, context.clone()));
        assert_eq!(received(&*lanes).await, expected, "once, across a calm restart");
        tokio::time::timeout(SOON, context.health.ready()).await.unwrap();
        context.stop.cancel();
        tokio::time::timeout(SOON, serving).await.unwrap().unwrap().unwrap();
        append(&*log, &[event(expected), event("2")]).await;
    }
}
