//! The api-gateway service as a program.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use tripline_api_gateway::{Options, Ports};
use tripline_bus_rabbitmq as rabbitmq;
use tripline_cache::SeenKeys;
use tripline_cache_redis as redis;
use tripline_contracts::transport::Prove;
use tripline_kernel::Fault;
use tripline_runtime::config::{Validate, under};
use tripline_runtime::host::{self, Host, Process};
use tripline_runtime::{BuildInfo, build_info, secret, telemetry};
use tripline_sandbox::Sandbox;
use tripline_split::{self as split, Bus, Listen, Peer, Stop};

/// `deploy/config/api-gateway.toml` shows every key.
#[derive(Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Config {
    /// The public API.
    http: Listen<8080>,
    /// Health, metrics and version: `/livez`, `/readyz`, `/metrics`, `/version`.
    admin: Listen<9101>,
    /// What is logged, and how.
    log: telemetry::Options,
    /// How the process ends.
    stop: Stop,
    /// A file with at least 32 secret bytes, the same for all five services, mode 0600.
    #[schemars(example = "/etc/tripline/bootstrap.secret")]
    bootstrap_secret_file: PathBuf,
    /// Where the other services are.
    peers: Peers,
    /// The bus that the services share.
    bus: Bus<rabbitmq::Options>,
    /// Remembers what was published lately; never the truth of anything.
    cache: Cache,
    /// The gateway itself.
    gateway: Options,
}

#[derive(Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Peers {
    /// Address of trigger-registry.
    registry: Peer<8102>,
    /// Address of event-monitor.
    monitor: Peer<8103>,
    /// Address of invoker.
    invoker: Peer<8104>,
    /// Address of auth.
    auth: Peer<8105>,
}

#[derive(Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Cache {
    /// `redis`: all replicas know of each other's publishes; `memory`: each knows of its own.
    kind: CacheKind,
    /// Where it is, for the kind `redis`.
    redis: redis::Options,
}

#[derive(
    Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
enum CacheKind {
    /// All replicas know of each other's publishes.
    #[default]
    Redis,
    /// Each replica knows of its own.
    Memory,
}

impl Validate for Config {
    fn validate(&self) -> Vec<Fault> {
        let holds = "the secret of all services";
        let peers = &self.peers;
        let redis = match self.cache.kind {
            CacheKind::Redis => self.cache.redis.validate(),
            CacheKind::Memory => Vec::new(),
        };
        under("/log", self.log.validate())
            .chain(secret::required("/bootstrap_secret_file", &self.bootstrap_secret_file, holds))
            .chain(peers.registry.validate("/peers/registry"))
            .chain(peers.monitor.validate("/peers/monitor"))
            .chain(peers.invoker.validate("/peers/invoker"))
            .chain(peers.auth.validate("/peers/auth"))
            .chain(under("/bus", self.bus.validate(rabbitmq::Options::validate)))
            .chain(under("/cache/redis", redis))
            .chain(under("/gateway", self.gateway.validate()))
            .collect()
    }
}

impl host::Config for Config {
    fn process(&self) -> Process {
        Process { admin: self.admin.addr, log: self.log.clone(), grace: self.stop.grace() }
    }
}

const INFO: BuildInfo = build_info!("api-gateway");

fn main() -> ExitCode {
    if tripline_sandbox::is_worker() {
        return tripline_sandbox::work();
    }
    host::run(INFO, wire)
}

async fn wire(mut config: Config, host: Host) -> anyhow::Result<()> {
    let (http, context) = (host.bind_http(config.http.addr)?, host.context());
    let service_key = Arc::new(split::service_key(&config.bootstrap_secret_file)?);
    let prove = Prove::new(service_key, Arc::clone(&context.clock));
    let registry = config.peers.registry.client(&prove)?;
    let monitor = config.peers.monitor.client(&prove)?;
    let invoker = config.peers.invoker.client(&prove)?;
    let auth = config.peers.auth.client(&prove)?;
    let seen: Arc<dyn SeenKeys> = match config.cache.kind {
        CacheKind::Redis => Arc::new(redis::Seen::open(&config.cache.redis)?),
        CacheKind::Memory => Arc::new(tripline_cache::memory::Seen::default()),
    };

    let connecting = rabbitmq::Log::connect(&config.bus.rabbitmq, Arc::clone(&context.entropy));
    let Some(log) = split::connect("bus", &context, connecting).await? else { return Ok(()) };
    let log = Arc::new(log);
    let transforms = Sandbox::of_this_executable();
    let ports = Ports { http, registry, auth, invoker, monitor, log, seen, transforms };
    let drain = config.stop.drain_seconds(config.gateway.drain_timeout_seconds);
    config.gateway.drain_timeout_seconds = drain;
    Ok(tripline_api_gateway::run(config.gateway, ports, context).await?)
}

#[cfg(test)]
mod tests {
    use super::{Config, INFO, split};

    #[test]
    fn the_reference_tells_of_every_key() {
        assert_eq!(split::reference::check::<Config>(INFO.service), Ok(()));
    }
}
