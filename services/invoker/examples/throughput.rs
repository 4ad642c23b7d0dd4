//! How many invocations a second go through admission, dispatch and recording on SQLite.
//!
//! The function answers at once and in memory, so that what is measured is the invoker and its database. The publishers
//! do as the router does: one unconfirmed frame per lane.
//!
//! `cargo run --release -p tripline-invoker --example throughput [events] [directory]`

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement, not a part of the service"
)]

#[path = "../tests/it/fakes.rs"]
#[allow(dead_code, reason = "shared with the tests, which use all of it")]
mod fakes;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use fakes::{FakeAuth, FakeRegistry, Shared};
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tripline_bus::embedded::Queue;
use tripline_bus::{Lane, WorkQueue as _};
use tripline_contracts::pb::auth_server::AuthServer;
use tripline_contracts::pb::change::Resource;
use tripline_contracts::pb::registry_server::RegistryServer;
use tripline_contracts::pb::{self, Meta, TriggerState};
use tripline_contracts::transport::{self, Client, Listener, Prove};
use tripline_event::{
    Accepted, Event, Frame, InvocationId, LaneEntry, Occurrence, Origin, Subject,
};
use tripline_invoker::{Options, Ports};
use tripline_kernel::{Clock as _, DEFAULT_TENANT, Fault, Uid};
use tripline_runtime::{Context, SystemClock};
use tripline_signing::ServiceKey;
use tripline_target::{Answer, Call, Error, Kind, Settings, Target};

const EVENTS_DEFAULT: usize = 200_000;
const LANES: u16 = 16;
const ENTRIES_PER_FRAME: usize = 64;
const TRIGGERS: u8 = 10;

/// A function that answers at once.
struct Instantly;

#[async_trait::async_trait]
impl Target for Instantly {
    fn address(&self) -> &str {
        "memory:/"
    }

    async fn call(&self, _: Call) -> Result<Answer, Error> {
        let body = Bytes::from_static(b"ok");
        let content_type = "text/plain".to_owned();
        Ok(Answer { status_code: 200, content_type, body, retry_after: None, retry_never: false })
    }
}

impl Kind for Instantly {
    fn name(&self) -> &'static str {
        "instantly"
    }

    fn secrets(&self, _: &Settings) -> Vec<String> {
        Vec::new()
    }

    fn check(&self, _: &Settings) -> Vec<Fault> {
        Vec::new()
    }

    fn open(&self, _: &Settings) -> Result<Arc<dyn Target>, Vec<Fault>> {
        Ok(Arc::new(Self))
    }
}

fn uid(number: u8) -> Uid {
    Uid::from_bytes([number; 16])
}

fn meta(name: &str, uid: Uid) -> Option<Meta> {
    let (tenant, uid) = (DEFAULT_TENANT.to_string(), uid.to_string());
    Some(Meta { tenant, name: name.to_owned(), uid, ..Meta::default() })
}

fn lay_out(registry: &FakeRegistry, auth: &FakeAuth) {
    let (bus, function) = (uid(1), uid(2));
    registry.put(Resource::Function(pb::Function {
        meta: meta("f", function),
        target_kind: "instantly".to_owned(),
        target_settings_json: "{}".to_owned(),
        signing_secret: Some("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned()),
        ..pb::Function::default()
    }));
    for number in 0..TRIGGERS {
        registry.put(Resource::Trigger(pb::Trigger {
            meta: meta("t", uid(100 + number)),
            function_uid: function.to_string(),
            state: TriggerState::Active.into(),
            definition_revision: 1,
            ..pb::Trigger::default()
        }));
    }
    auth.put(pb::Rule {
        tenant: DEFAULT_TENANT.to_string(),
        subject: Some(Subject::Bus(bus).into()),
        function_uid: function.to_string(),
        ..pb::Rule::default()
    });
}

fn entry(number: usize) -> Bytes {
    let padding = "x".repeat(300);
    let json = format!(
        r#"{{"specversion":"1.0","id":"event-{number}","source":"/bench","type":"t","data":{{"text":"{padding}"}}}}"#
    );
    let event = Event::from_json(Bytes::from(json)).unwrap();
    let trigger = uid(100 + u8::try_from(number % usize::from(TRIGGERS)).unwrap());
    let occurrence = Occurrence { tenant: DEFAULT_TENANT, bus: uid(1), trigger, replay: None };
    let accepted_at = SystemClock.now();
    let origin = Origin::ApiKey(uid(9));
    LaneEntry {
        invocation: InvocationId::of(&occurrence, &event),
        tenant: DEFAULT_TENANT,
        bus: uid(1),
        trigger,
        revision: 1,
        function: uid(2),
        subject: Subject::Bus(uid(1)),
        accepted: Accepted { origin, accepted_at, traceparent: None, event },
    }
    .encode()
}

fn metric(context: &Context, name: &str) -> usize {
    let text = context.metrics.render();
    text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok()).unwrap_or(0)
}

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let events = arguments.next().map_or(EVENTS_DEFAULT, |text| text.parse().unwrap());
    let dir = match arguments.next() {
        Some(parent) => tempfile::tempdir_in(parent).unwrap(),
        None => tempfile::tempdir().unwrap(),
    };
    let (registry, auth) = (Arc::new(FakeRegistry::default()), Arc::new(FakeAuth::default()));
    lay_out(&registry, &auth);
    let key = Arc::new(ServiceKey::derive(&[7; 32]));
    let stop = CancellationToken::new();
    let serve = |routes: Routes| {
        let (channel, incoming) = transport::in_memory();
        tokio::spawn(transport::serve(
            Listener::Memory(incoming),
            routes,
            tripline_trace::Tracer::default(),
            stop.clone(),
        ));
        Client::new(channel, Prove::new(Arc::clone(&key), Arc::new(SystemClock)))
    };
    let (queue, context) = (Arc::new(Queue::new()), Context::system(stop.clone()));
    // Nobody calls it here; without a caller's side its server would end.
    let (_caller, incoming) = transport::in_memory();
    let ports = Ports {
        listener: Listener::Memory(incoming),
        service_key: Arc::clone(&key),
        registry: serve(Routes::new(RegistryServer::new(Shared(registry)))),
        auth: serve(Routes::new(AuthServer::new(Shared(auth)))),
        lanes: Arc::clone(&queue) as _,
        targets: vec![Arc::new(Instantly)],
    };
    let url = format!("sqlite://{}", dir.path().join("invoker.db").display());
    let db = tripline_db::Options { url: SecretString::from(url), connections_max: 4 };
    let options = Options { db, lanes: LANES, sole_replica: true, ..Options::default() };
    let service = tokio::spawn(tripline_invoker::run(options, ports, context.clone()));

    let entries: Vec<_> = (0..events).map(entry).collect();
    let started = Instant::now();
    let publishers = (0..LANES).map(|lane| {
        let queue = Arc::clone(&queue);
        let mine: Vec<_> =
            entries.iter().skip(lane.into()).step_by(LANES.into()).cloned().collect();
        tokio::spawn(async move {
            for frame in mine.chunks(ENTRIES_PER_FRAME) {
                queue.publish(Lane(lane), Frame::new(frame.to_vec())).await.unwrap();
            }
        })
    });
    futures_util::future::join_all(publishers.collect::<Vec<_>>()).await;
    let admitted = started.elapsed();
    while metric(&context, "tripline_invocations_delivered_total") < events {
        assert!(!service.is_finished(), "the service has ended");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let delivered = started.elapsed();
    let per_second = |took: Duration| events as f64 / took.as_secs_f64();
    println!("admitted  {:>8.0}/s  {admitted:?}", per_second(admitted));
    println!("delivered {:>8.0}/s  {delivered:?}", per_second(delivered));
    stop.cancel();
    service.await.unwrap().unwrap();
}
