//! The five services of one process, and what connects them.

use std::net::TcpListener;
use std::sync::Arc;

use secrecy::SecretString;
use tonic::transport::Channel;
use tripline_bus::{EventLog, WorkQueue, embedded};
use tripline_contracts::transport::{self, Client, Listener, Prove};
use tripline_kernel::Clock;
use tripline_runtime::Context;
use tripline_runtime::host::{self, Services};
use tripline_signing::{MasterKey, ServiceKey};

use super::files::Files;

/// The networks that functions may be on: this machine. A cluster allows none unless told.
const LOOPBACK: [&str; 2] = ["127.0.0.0/8", "::1/128"];
/// HTTP workers: a laptop's share.
const HTTP_WORKERS: usize = 2;
/// How long calls and requests under way may take to finish: less than the grace period, so that it is never reached.
const DRAIN_SECONDS: u64 = host::GRACE_SECONDS_DEFAULT - 5;
/// Connections to each SQLite file. Each is a thread.
const CONNECTIONS_MAX: u32 = 2;

/// What the services share, and their connections.
pub(super) struct Wiring<'a> {
    files: &'a Files,
    log: Arc<dyn EventLog>,
    context: Context,
    lanes: Arc<dyn WorkQueue>,
    kinds: Kinds,
    service_key: Arc<ServiceKey>,
    auth: Link,
    registry: Link,
    monitor: Link,
    invoker: Link,
}

/// Both ends of the connections to one service.
struct Link {
    client: Client,
    listener: Option<Listener>,
}

impl Link {
    fn new(service_key: &Arc<ServiceKey>, clock: &Arc<dyn Clock>) -> Self {
        let (channel, incoming): (Channel, _) = transport::in_memory();
        let prove = Prove::new(Arc::clone(service_key), Arc::clone(clock));
        Self { client: Client::new(channel, prove), listener: Some(Listener::Memory(incoming)) }
    }

    fn listener(&mut self) -> Listener {
        self.listener.take().expect("each service is started once")
    }
}

impl<'a> Wiring<'a> {
    pub(super) fn new(
        files: &'a Files,
        log: Arc<dyn EventLog>,
        context: &Context,
    ) -> anyhow::Result<Self> {
        // Nobody outside this process ever needs it.
        let mut secret = [0; ServiceKey::SECRET_BYTES_MIN];
        context.entropy.fill(&mut secret);
        let service_key = Arc::new(ServiceKey::derive(&secret));
        let link = || Link::new(&service_key, &context.clock);
        Ok(Self {
            auth: link(),
            registry: link(),
            monitor: link(),
            invoker: link(),
            files,
            log,
            context: context.clone(),
            lanes: Arc::new(embedded::Queue::new()),
            kinds: Kinds::new(&context.clock)?,
            service_key,
        })
    }

    /// Starts all five.
    pub(super) fn spawn(mut self, services: &mut Services, http: TcpListener) {
        self.spawn_auth(services);
        self.spawn_registry(services);
        self.spawn_monitor(services);
        self.spawn_invoker(services);
        self.spawn_gateway(services, http);
    }

    fn spawn_auth(&mut self, services: &mut Services) {
        use tripline_auth::{Options, Ports, run};
        let admin_api_key = Some(SecretString::from(self.files.api_key.expose()));
        let options = Options { db: self.database("auth"), admin_api_key };
        let ports =
            Ports { listener: self.auth.listener(), service_key: Arc::clone(&self.service_key) };
        services.spawn("auth", run(options, ports, self.context.clone()));
    }

    fn spawn_registry(&mut self, services: &mut Services) {
        use tripline_trigger_registry::{Options, Ports, run};
        let options = Options { db: self.database("registry"), ..Options::default() };
        let master_key: MasterKey = self.files.master_key.clone();
        let ports = Ports {
            listener: self.registry.listener(),
            service_key: Arc::clone(&self.service_key),
            auth: self.auth.client.clone(),
            log: Arc::clone(&self.log),
            sources: self.kinds.sources.clone(),
            targets: self.kinds.targets.clone(),
            master_key,
        };
        services.spawn("trigger-registry", run(options, ports, self.context.clone()));
    }

    fn spawn_monitor(&mut self, services: &mut Services) {
        use tripline_event_monitor::{Options, Ports, run};
        let db = self.database("monitor");
        let options = Options { db, sole_replica: true, ..Options::default() };
        let ports = Ports {
            listener: self.monitor.listener(),
            service_key: Arc::clone(&self.service_key),
            registry: self.registry.client.clone(),
            log: Arc::clone(&self.log),
            lanes: Arc::clone(&self.lanes),
            sources: self.kinds.sources.clone(),
        };
        services.spawn("event-monitor", run(options, ports, self.context.clone()));
    }

    fn spawn_invoker(&mut self, services: &mut Services) {
        use tripline_invoker::{Options, Ports, run};
        let db = self.database("invoker");
        let options =
            Options { db, sole_replica: true, drain_seconds: DRAIN_SECONDS, ..Options::default() };
        let ports = Ports {
            listener: self.invoker.listener(),
            service_key: Arc::clone(&self.service_key),
            registry: self.registry.client.clone(),
            auth: self.auth.client.clone(),
            lanes: Arc::clone(&self.lanes),
            targets: self.kinds.targets.clone(),
        };
        services.spawn("invoker", run(options, ports, self.context.clone()));
    }

    fn spawn_gateway(self, services: &mut Services, http: TcpListener) {
        use tripline_api_gateway::{Options, Ports, run};
        let options = Options {
            workers: HTTP_WORKERS,
            drain_timeout_seconds: DRAIN_SECONDS,
            ..Options::default()
        };
        let ports = Ports {
            http,
            registry: self.registry.client,
            auth: self.auth.client,
            invoker: self.invoker.client,
            monitor: self.monitor.client,
            log: self.log,
            seen: Arc::new(tripline_cache::memory::Seen::default()),
            transforms: tripline_sandbox::Sandbox::of_this_executable(),
        };
        services.spawn("api-gateway", run(options, ports, self.context));
    }

    fn database(&self, service: &str) -> tripline_db::Options {
        self.files.database(service, CONNECTIONS_MAX)
    }
}

/// What sources and functions there can be.
struct Kinds {
    sources: Vec<Arc<dyn tripline_source::Kind>>,
    targets: Vec<Arc<dyn tripline_target::Kind>>,
}

impl Kinds {
    fn new(clock: &Arc<dyn Clock>) -> anyhow::Result<Self> {
        let options = tripline_outbound::Options {
            allow_cidrs: LOOPBACK.map(str::to_owned).to_vec(),
            ..tripline_outbound::Options::default()
        };
        let client = || {
            let guard = tripline_outbound::Guard::new(&options)
                .map_err(|_| anyhow::anyhow!("loopback is a network"))?;
            anyhow::Ok(tripline_outbound::Client::new(guard, &options))
        };
        Ok(Self {
            sources: vec![
                Arc::new(tripline_source_minio::Kind::new(client()?, Arc::clone(clock))),
                Arc::new(tripline_source_file::Kind::new()),
            ],
            targets: vec![Arc::new(tripline_target::http::Kind::new(client()?))],
        })
    }
}
