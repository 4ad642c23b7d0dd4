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
use tripline_runtime::{build_info, secret, telemetry};
use tripline_split::{self as split, Bus, Listen, Peer, Stop};

/// `deploy/config/api-gateway.toml` shows every key.
#[derive(Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    http: Listen<8080>,
    admin: Listen<9101>,
    log: telemetry::Options,
    stop: Stop,
    bootstrap_secret_file: PathBuf,
    peers: Peers,
    bus: Bus<rabbitmq::Options>,
    cache: Cache,
    gateway: Options,
}

#[derive(Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Peers {
    registry: Peer<8102>,
    monitor: Peer<8103>,
    invoker: Peer<8104>,
    auth: Peer<8105>,
}

#[derive(Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Cache {
    kind: CacheKind,
    redis: redis::Options,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, serde::Deserialize)]
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

fn main() -> ExitCode {
    host::run(build_info!("api-gateway"), wire)
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
    let ports = Ports { http, registry, auth, invoker, monitor, log, seen };
    let drain = config.stop.drain_seconds(config.gateway.drain_timeout_seconds);
    config.gateway.drain_timeout_seconds = drain;
    Ok(tripline_api_gateway::run(config.gateway, ports, context).await?)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use tripline_runtime::config;

    use super::Config;

    #[test]
    fn the_example_shows_keys_that_there_are() {
        let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/config/api-gateway.toml");
        let loaded = config::load_from::<Config>(Some(Path::new(example)), [], &[]);
        assert_eq!(loaded.map(|loaded| loaded.warnings), Ok(Vec::new()));
    }
}
