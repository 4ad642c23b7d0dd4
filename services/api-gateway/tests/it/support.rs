//! One gateway with everything around it faked.

pub(crate) mod client;
pub(crate) mod log;
pub(crate) mod peers;
pub(crate) mod registry;
mod shelf;

use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use pb::auth_server::AuthServer;
use pb::invoker_server::InvokerServer;
use pb::monitor_server::MonitorServer;
use pb::registry_server::RegistryServer;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::server::NamedService;
use tonic::service::Routes;
use tonic::service::interceptor::InterceptedService;
use tripline_api_gateway::{Error, Options, Ports, run};
use tripline_contracts::pb;
use tripline_contracts::transport::{Client, Demand, Listener, Prove, in_memory, serve};
use tripline_kernel::{Clock, DEFAULT_TENANT, Timestamp, Uid};
use tripline_runtime::Context;
use tripline_sandbox::Sandbox;
use tripline_signing::ServiceKey;
use tripline_trace::{Recorder, Tracer};

use client::{Answer, Request};
use log::{FakeLog, FakeSeen};
use peers::{FakeAuth, FakeInvoker, FakeMonitor};
use registry::FakeRegistry;

pub(crate) const KEY: &str = "a-good-key-of-the-test";
pub(crate) const TENANT: Uid = DEFAULT_TENANT;
/// The key of a tenant that has nothing.
pub(crate) const OTHER_KEY: &str = "a-key-of-another-tenant";
pub(crate) const OTHER_TENANT: Uid = Uid::from_bytes([0x0f; 16]);
pub(crate) const BUS: Uid = Uid::from_bytes([0xb0; 16]);
pub(crate) const PARTITIONS: u16 = 4;
pub(crate) const API_KEY: Uid = Uid::from_bytes([0xa0; 16]);
/// How long anything may take that should happen at once.
pub(crate) const SOON: Duration = Duration::from_secs(10);

/// A clock that tests move.
pub(crate) struct TestClock(AtomicI64);

impl TestClock {
    pub(crate) fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds * 1_000_000, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }
}

pub(crate) struct Stack {
    pub(crate) address: SocketAddr,
    pub(crate) registry: Arc<FakeRegistry>,
    pub(crate) auth: Arc<FakeAuth>,
    pub(crate) invoker: Arc<FakeInvoker>,
    pub(crate) monitor: Arc<FakeMonitor>,
    pub(crate) log: Arc<FakeLog>,
    pub(crate) seen: Arc<FakeSeen>,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) context: Context,
    pub(crate) running: JoinHandle<Result<(), Error>>,
    /// Ends the fakes with the stack.
    services: CancellationToken,
}

impl Drop for Stack {
    fn drop(&mut self) {
        self.context.stop.cancel();
        self.services.cancel();
    }
}

impl Stack {
    /// A gateway that is ready.
    pub(crate) async fn start() -> Self {
        Self::with(Options::default(), Arc::new(FakeRegistry::default())).await.ready().await
    }

    pub(crate) async fn with(options: Options, registry: Arc<FakeRegistry>) -> Self {
        Self::launch(options, registry, None).await
    }

    /// A gateway that is ready and gives its spans to `recorder`.
    pub(crate) async fn traced(recorder: Arc<dyn Recorder>) -> Self {
        Self::launch(Options::default(), Arc::default(), Some(recorder)).await.ready().await
    }

    async fn launch(
        options: Options,
        registry: Arc<FakeRegistry>,
        recorder: Option<Arc<dyn Recorder>>,
    ) -> Self {
        let clock = Arc::new(TestClock(AtomicI64::new(1_750_000_000_000_000)));
        let system = Context::system(CancellationToken::new());
        let tracer = recorder.map(|to| Tracer::new(to, clock.clone(), system.entropy.clone()));
        let tracer = tracer.unwrap_or_default();
        let context = Context { clock: clock.clone(), tracer, ..system };
        let wire = Wire {
            key: Arc::new(ServiceKey::derive(&[7; 32])),
            clock: clock.clone(),
            stop: CancellationToken::new(),
        };
        let (auth, invoker, monitor) = (Arc::default(), Arc::default(), Arc::default());
        let (log, seen) = (Arc::new(FakeLog::default()), Arc::new(FakeSeen::default()));
        let http = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = http.local_addr().unwrap();
        let ports = Ports {
            http,
            registry: wire.connect(RegistryServer::from_arc(registry.clone())),
            auth: wire.connect(AuthServer::from_arc(Arc::clone(&auth))),
            invoker: wire.connect(InvokerServer::from_arc(Arc::clone(&invoker))),
            monitor: wire.connect(MonitorServer::from_arc(Arc::clone(&monitor))),
            log: log.clone(),
            seen: seen.clone(),
            transforms: Sandbox::new(env!("CARGO_BIN_EXE_tripline-api-gateway").into()),
        };
        let options = Options { workers: 1, ..options };
        let running = tokio::spawn(run(options, ports, context.clone()));
        let services = wire.stop;
        Self {
            address,
            registry,
            auth,
            invoker,
            monitor,
            log,
            seen,
            clock,
            context,
            running,
            services,
        }
    }

    pub(crate) async fn ready(self) -> Self {
        eventually("the gateway is ready", || self.context.health.not_ready().is_empty()).await;
        self
    }

    /// A request with a good key.
    pub(crate) fn request(&self, method: &str, path: &str) -> Request {
        self.bare(method, path).header("authorization", &format!("Bearer {KEY}"))
    }

    /// A request with the key of a tenant that has nothing.
    pub(crate) fn foreign(&self, method: &str, path: &str) -> Request {
        self.bare(method, path).header("authorization", &format!("Bearer {OTHER_KEY}"))
    }

    /// A request without a key.
    pub(crate) fn bare(&self, method: &str, path: &str) -> Request {
        Request::new(self.address, method, path)
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.request("GET", path).send().await
    }

    pub(crate) async fn put(&self, path: &str, document: &str) -> Answer {
        self.request("PUT", path).json(document).send().await
    }

    pub(crate) async fn publish(&self, event: &str) -> Answer {
        let request = self.request("POST", "/v1/buses/default/events");
        request.body("application/cloudevents+json", event).send().await
    }
}

/// An event in structured mode.
pub(crate) fn event(id: &str) -> String {
    format!(r#"{{"specversion":"1.0","id":"{id}","source":"/s","type":"t"}}"#)
}

/// Waits until `holds` does.
pub(crate) async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let wait = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(SOON, wait).await.unwrap_or_else(|_| panic!("not in time: {what}"));
}

/// Connects fakes to the gateway as the services are connected in one process.
struct Wire {
    key: Arc<ServiceKey>,
    clock: Arc<TestClock>,
    stop: CancellationToken,
}

impl Wire {
    fn connect<S>(&self, server: S) -> Client
    where
        S: Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible>,
        S: NamedService + Clone + Send + Sync + 'static,
        S::Future: Send + 'static,
    {
        let (channel, incoming) = in_memory();
        let demand = Demand::new(self.key.clone(), self.clock.clone());
        let routes = Routes::new(InterceptedService::new(server, demand));
        tokio::spawn(serve(
            Listener::Memory(incoming),
            routes,
            Tracer::default(),
            self.stop.clone(),
        ));
        InterceptedService::new(channel, Prove::new(self.key.clone(), self.clock.clone()))
    }
}
