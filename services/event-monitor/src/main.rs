//! The event-monitor service as a program.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use tripline_bus_rabbitmq as rabbitmq;
use tripline_contracts::transport::{Listener, Prove};
use tripline_event_monitor::{Options, Ports};
use tripline_kernel::Fault;
use tripline_outbound as outbound;
use tripline_runtime::config::{Validate, under};
use tripline_runtime::host::{self, Host, Process};
use tripline_runtime::{BuildInfo, Context, build_info, secret, telemetry};
use tripline_split::{self as split, Bus, Listen, Peer, Stop};

/// `deploy/config/event-monitor.toml` shows every key.
#[derive(Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Config {
    /// Where the other services call.
    grpc: Listen<8103>,
    /// Health, metrics and version: `/livez`, `/readyz`, `/metrics`, `/version`.
    admin: Listen<9103>,
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
    /// Where sources may be.
    sources: outbound::Options,
    /// Event-monitor itself.
    monitor: Options,
}

#[derive(Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Peers {
    /// Address of trigger-registry.
    registry: Peer<8102>,
}

impl Validate for Config {
    fn validate(&self) -> Vec<Fault> {
        let holds = "the secret of all services";
        under("/log", self.log.validate())
            .chain(secret::required("/bootstrap_secret_file", &self.bootstrap_secret_file, holds))
            .chain(self.peers.registry.validate("/peers/registry"))
            .chain(under("/bus", self.bus.validate(rabbitmq::Options::validate)))
            .chain(under("/sources", self.sources.validate()))
            .chain(under("/monitor", self.monitor.validate()))
            .collect()
    }
}

impl host::Config for Config {
    fn process(&self) -> Process {
        Process { admin: self.admin.addr, log: self.log.clone(), grace: self.stop.grace() }
    }

    async fn migrate(self, context: Context) -> anyhow::Result<()> {
        Ok(tripline_event_monitor::migrate(&self.monitor, &context).await?)
    }
}

const INFO: BuildInfo = build_info!("event-monitor");

fn main() -> ExitCode {
    host::run(INFO, wire)
}

async fn wire(config: Config, host: Host) -> anyhow::Result<()> {
    let (listener, context) = (host.bind_grpc(config.grpc.addr)?, host.context());
    let service_key = Arc::new(split::service_key(&config.bootstrap_secret_file)?);
    let prove = Prove::new(Arc::clone(&service_key), Arc::clone(&context.clock));
    let registry = config.peers.registry.client(&prove)?;
    let sources = split::outbound(&config.sources)?;

    let rabbitmq = &config.bus.rabbitmq;
    let connecting = async {
        tokio::try_join!(
            rabbitmq::Log::connect(rabbitmq, Arc::clone(&context.entropy)),
            rabbitmq::Queue::connect(rabbitmq, Arc::clone(&context.entropy)),
        )
    };
    let connected = split::connect("bus", &context, connecting).await?;
    let Some((log, lanes)) = connected else { return Ok(()) };
    let ports = Ports {
        listener: Listener::Tcp(listener),
        service_key,
        registry,
        log: Arc::new(log),
        lanes: Arc::new(lanes),
        sources: vec![
            Arc::new(tripline_source_minio::Kind::new(sources, Arc::clone(&context.clock))),
            Arc::new(tripline_source_file::Kind::new()),
        ],
    };
    Ok(tripline_event_monitor::run(config.monitor, ports, context).await?)
}

#[cfg(test)]
mod tests {
    use super::{Config, INFO, split};

    #[test]
    fn the_reference_tells_of_every_key() {
        assert_eq!(split::reference::check::<Config>(INFO.service), Ok(()));
    }
}
