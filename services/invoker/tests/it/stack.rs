//! One invoker with all that stands around it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use secrecy::SecretString;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tripline_bus::embedded::Queue;
use tripline_bus::{Lane, WorkQueue as _};
use tripline_contracts::pb::auth_server::AuthServer;
use tripline_contracts::pb::change::Resource;
use tripline_contracts::pb::invoker_client::InvokerClient;
use tripline_contracts::pb::registry_server::RegistryServer;
use tripline_contracts::pb::{self, Invocation, ListInvocationsRequest, Meta, TriggerState};
use tripline_contracts::transport::{self, Client, Listener, Prove};
use tripline_event::{
    Accepted, Event, Frame, InvocationId, LaneEntry, Occurrence, Origin, Subject,
};
use tripline_invoker::{Options, Ports};
use tripline_kernel::{Clock as _, DEFAULT_TENANT, Timestamp, Uid};
use tripline_outbound::Guard;
use tripline_runtime::{Context, SystemClock};
use tripline_signing::{ServiceKey, SigningSecret};
use tripline_testkit::{Receiver, wait_for, wait_until};

use crate::fakes::{FakeAuth, FakeRegistry, Shared};

/// How long anything may take on a busy machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const LANES: u16 = 2;

pub(crate) struct Stack {
    dir: TempDir,
    pub(crate) registry: Arc<FakeRegistry>,
    pub(crate) auth: Arc<FakeAuth>,
    pub(crate) queue: Arc<Queue>,
    pub(crate) receiver: Receiver,
    running: Option<Running>,
    numbers: AtomicU32,
}

struct Running {
    /// `None` once it has been shut down.
    runtime: Option<Runtime>,
    stop: CancellationToken,
    service: JoinHandle<Result<(), tripline_invoker::Error>>,
    client: InvokerClient<Client>,
    context: Context,
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// A function and a trigger that leads to it.
#[derive(Clone, Debug)]
pub(crate) struct Way {
    pub(crate) path: String,
    pub(crate) function: Uid,
    pub(crate) trigger: Uid,
    pub(crate) bus: Uid,
}

impl Stack {
    /// Everything, and the invoker running.
    pub(crate) async fn start() -> Self {
        let mut stack = Self {
            dir: tempfile::tempdir().unwrap(),
            registry: Arc::default(),
            auth: Arc::default(),
            queue: Arc::new(Queue::new()),
            receiver: Receiver::start(),
            running: None,
            numbers: AtomicU32::new(1),
        };
        stack.start_invoker().await;
        stack
    }

    /// Starts the invoker on a runtime of its own, which can die with all its tasks.
    pub(crate) async fn start_invoker(&mut self) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let entered = runtime.enter();
        let stop = CancellationToken::new();
        let context = Context::system(stop.clone());
        context.health.expect("invoker");
        let key = Arc::new(ServiceKey::derive(&[7; 32]));
        let prove =
            |channel| Client::new(channel, Prove::new(Arc::clone(&key), Arc::new(SystemClock)));
        let serve = |routes: Routes| {
            let (channel, incoming) = transport::in_memory();
            let serving = transport::serve(
                Listener::Memory(incoming),
                routes,
                tripline_trace::Tracer::default(),
                stop.clone(),
            );
            runtime.spawn(serving);
            prove(channel)
        };
        let registry = RegistryServer::new(Shared(Arc::clone(&self.registry)));
        let auth = AuthServer::new(Shared(Arc::clone(&self.auth)));
        let (channel, incoming) = transport::in_memory();
        let outbound = tripline_outbound::Options {
            allow_cidrs: vec!["127.0.0.0/8".to_owned()],
            ..tripline_outbound::Options::default()
        };
        let guard = Guard::new(&outbound).unwrap();
        let http =
            tripline_target::http::Kind::new(tripline_outbound::Client::new(guard, &outbound));
        let ports = Ports {
            listener: Listener::Memory(incoming),
            service_key: Arc::clone(&key),
            registry: serve(Routes::new(registry)),
            auth: serve(Routes::new(auth)),
            lanes: Arc::clone(&self.queue) as _,
            targets: vec![Arc::new(http)],
        };
        let url = format!("sqlite://{}", self.dir.path().join("invoker.db").display());
        let options = Options {
            db: tripline_db::Options { url: SecretString::from(url), connections_max: 4 },
            lanes: LANES,
            sole_replica: true,
            drain_seconds: 2,
            ..Options::default()
        };
        let service = runtime.spawn(tripline_invoker::run(options, ports, context.clone()));
        let client = InvokerClient::new(prove(channel));
        drop(entered);
        let health = context.health.clone();
        wait_until(DEADLINE, async || {
            let parts = health.not_ready();
            parts.iter().all(|part| !["invoker", "invoker: database"].contains(&&*part.part))
        })
        .await
        .unwrap();
        self.running = Some(Running { runtime: Some(runtime), stop, service, client, context });
    }

    /// The process is gone between one instruction and the next.
    pub(crate) async fn crash(&mut self) {
        let mut running = self.running.take().expect("it runs");
        let runtime = running.runtime.take().expect("it was not shut down");
        // Its tasks end where they next wait; nothing of it runs on.
        tokio::task::spawn_blocking(move || runtime.shutdown_timeout(DEADLINE)).await.unwrap();
    }

    /// Tells it to stop and waits until it has.
    pub(crate) async fn stop(&mut self) {
        let mut running = self.running.take().expect("it runs");
        running.stop.cancel();
        let ended = tokio::time::timeout(DEADLINE, &mut running.service).await;
        ended.expect("it ends in time").unwrap().unwrap();
    }

    pub(crate) fn client(&self) -> InvokerClient<Client> {
        self.running.as_ref().expect("it runs").client.clone()
    }

    pub(crate) fn metrics(&self) -> String {
        self.running.as_ref().expect("it runs").context.metrics.render()
    }

    /// One of the metrics.
    pub(crate) fn metric(&self, name: &str) -> i64 {
        let text = self.metrics();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{name} in {text}")).parse().unwrap()
    }

    pub(crate) fn uid(&self) -> Uid {
        let mut bytes = [0; 16];
        bytes[12..].copy_from_slice(&self.numbers.fetch_add(1, Ordering::SeqCst).to_be_bytes());
        Uid::from_bytes(bytes)
    }

    /// A way that nobody but the test knows of yet.
    pub(crate) fn unknown_way(&self, name: &str) -> Way {
        let path = format!("/{name}");
        Way { path, function: self.uid(), trigger: self.uid(), bus: self.uid() }
    }

    /// A function at the receiver, a trigger that leads to it, and the rule.
    pub(crate) fn way(&self, name: &str) -> Way {
        let way = self.unknown_way(name);
        self.put_function(&way, 64);
        self.registry.put(Resource::Trigger(trigger(&way, TriggerState::Active)));
        self.auth.put(rule(&way));
        let secret: SigningSecret = SECRET.parse().unwrap();
        self.receiver.verify_with(&way.path, &[secret]);
        way
    }

    pub(crate) fn put_function(&self, way: &Way, concurrency: u32) {
        self.put_function_at(way, &self.receiver.url(&way.path), concurrency);
    }

    pub(crate) fn put_function_at(&self, way: &Way, url: &str, concurrency: u32) {
        self.registry.put(Resource::Function(pb::Function {
            meta: Some(meta("thumbs", way.function)),
            target_kind: "http".to_owned(),
            target_settings_json: format!(r#"{{"url":"{url}"}}"#),
            timeout_ms: 10_000,
            concurrency,
            signing_secret: Some(SECRET.to_owned()),
            ..pb::Function::default()
        }));
    }

    /// Hands over one event per id, in one frame; returns once it is acknowledged.
    pub(crate) async fn hand_over(&self, way: &Way, ids: &[&str]) {
        let entries = ids.iter().map(|id| entry(way, id).encode()).collect();
        self.queue.publish(Lane(0), Frame::new(entries)).await.unwrap();
    }

    /// All invocations of a trigger, oldest first.
    pub(crate) async fn invocations(&self, way: &Way) -> Vec<Invocation> {
        let request = ListInvocationsRequest {
            tenant: DEFAULT_TENANT.to_string(),
            trigger_uid: Some(way.trigger.to_string()),
            limit: 500,
            ..ListInvocationsRequest::default()
        };
        let mut items = self.client().list_invocations(request).await.unwrap().into_inner().items;
        items.reverse();
        items
    }

    /// Waits until the trigger's invocations are in these states, oldest first.
    pub(crate) async fn wait_for_states(&self, way: &Way, states: &[&str]) -> Vec<Invocation> {
        let found = wait_for(DEADLINE, async || {
            let items = self.invocations(way).await;
            let as_wanted = items.iter().map(|item| item.state.as_str()).eq(states.iter().copied());
            as_wanted.then_some(items)
        });
        match found.await {
            Ok(items) => items,
            Err(error) => panic!("{error}: {:#?}", self.invocations(way).await),
        }
    }

    /// Waits until nothing is pending or running, and the counters add up.
    pub(crate) async fn wait_until_settled(&self, matched: i64) {
        wait_until(DEADLINE, async || {
            self.metric("tripline_invocations_pending") == 0
                && self.metric("tripline_invocations_matched_total") == matched
        })
        .await
        .unwrap_or_else(|error| panic!("{error}: {}", self.metrics()));
        let ended = ["delivered", "dead", "cancelled"]
            .map(|name| self.metric(&format!("tripline_invocations_{name}_total")));
        assert_eq!(ended.iter().sum::<i64>(), matched);
    }
}

pub(crate) fn meta(name: &str, uid: Uid) -> Meta {
    Meta {
        tenant: DEFAULT_TENANT.to_string(),
        name: name.to_owned(),
        uid: uid.to_string(),
        ..Meta::default()
    }
}

/// A trigger that retries soon, three attempts in all.
pub(crate) fn trigger(way: &Way, state: TriggerState) -> pb::Trigger {
    pb::Trigger {
        meta: Some(meta("make-thumbs", way.trigger)),
        bus_uid: way.bus.to_string(),
        function_uid: way.function.to_string(),
        delivery: Some(pb::Delivery {
            max_attempts: 3,
            backoff_base_ms: 1,
            backoff_max_ms: 2,
            ..pb::Delivery::default()
        }),
        state: state.into(),
        definition_revision: 1,
        ..pb::Trigger::default()
    }
}

pub(crate) fn rule(way: &Way) -> pb::Rule {
    pb::Rule {
        tenant: DEFAULT_TENANT.to_string(),
        subject: Some(Subject::Bus(way.bus).into()),
        function_uid: way.function.to_string(),
        ..pb::Rule::default()
    }
}

pub(crate) fn event_json(id: &str) -> String {
    format!(r#"{{"specversion":"1.0","id":"{id}","source":"/test","type":"t","data":{{"n":1}}}}"#)
}

pub(crate) fn entry(way: &Way, id: &str) -> LaneEntry {
    entry_accepted(way, id, SystemClock.now())
}

pub(crate) fn entry_accepted(way: &Way, id: &str, accepted_at: Timestamp) -> LaneEntry {
    let event = Event::from_json(Bytes::from(event_json(id))).unwrap();
    let occurrence =
        Occurrence { tenant: DEFAULT_TENANT, bus: way.bus, trigger: way.trigger, replay: None };
    LaneEntry {
        invocation: InvocationId::of(&occurrence, &event),
        tenant: DEFAULT_TENANT,
        bus: way.bus,
        trigger: way.trigger,
        revision: 1,
        function: way.function,
        subject: Subject::Bus(way.bus),
        accepted: Accepted {
            origin: Origin::ApiKey(way.bus),
            accepted_at,
            traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into()),
            event,
        },
    }
}
