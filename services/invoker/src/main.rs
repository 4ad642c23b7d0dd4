//! The invoker service as a program.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use tripline_bus_rabbitmq as rabbitmq;
use tripline_contracts::transport::{Listener, Prove};
use tripline_invoker::{Options, Ports};
use tripline_kernel::Fault;
use tripline_outbound as outbound;
use tripline_runtime::config::{Validate, under};
use tripline_runtime::host::{self, Host, Process};
use tripline_runtime::{BuildInfo, Context, build_info, secret, telemetry};
use tripline_split::{self as split, Bus, Listen, Peer, Stop};

/// `deploy/config/invoker.toml` shows every key.
#[derive(Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Config {
    /// Where the other services call.
    grpc: Listen<8104>,
    /// Health, metrics and version: `/livez`, `/readyz`, `/metrics`, `/version`.
    admin: Listen<9104>,
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
    /// Where functions may be.
    outbound: outbound::Options,
    /// The invoker itself.
    invoker: Options,
}

#[derive(Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Peers {
    /// Address of trigger-registry.
    registry: Peer<8102>,
    /// Address of auth.
    auth: Peer<8105>,
}

impl Validate for Config {
    fn validate(&self) -> Vec<Fault> {
        let holds = "the secret of all services";
        under("/log", self.log.validate())
            .chain(secret::required("/bootstrap_secret_file", &self.bootstrap_secret_file, holds))
            .chain(self.peers.registry.validate("/peers/registry"))
            .chain(self.peers.auth.validate("/peers/auth"))
            .chain(under("/bus", self.bus.validate(rabbitmq::Options::validate)))
            .chain(under("/outbound", self.outbound.validate()))
            .chain(under("/invoker", self.invoker.validate()))
            .collect()
    }
}

impl host::Config for Config {
    fn process(&self) -> Process {
        Process { admin: self.admin.addr, log: self.log.clone(), grace: self.stop.grace() }
    }

    async fn migrate(self, context: Context) -> anyhow::Result<()> {
        Ok(tripline_invoker::migrate(&self.invoker, &context).await?)
    }
}

const INFO: BuildInfo = build_info!("invoker");

fn main() -> ExitCode {
    host::run(INFO, wire)
}

async fn wire(mut config: Config, host: Host) -> anyhow::Result<()> {
    let (listener, context) = (host.bind_grpc(config.grpc.addr)?, host.context());
    let service_key = Arc::new(split::service_key(&config.bootstrap_secret_file)?);
    let prove = Prove::new(Arc::clone(&service_key), Arc::clone(&context.clock));
    let registry = config.peers.registry.client(&prove)?;
    let auth = config.peers.auth.client(&prove)?;
    let functions = split::outbound(&config.outbound)?;

    let connecting = rabbitmq::Queue::connect(&config.bus.rabbitmq, Arc::clone(&context.entropy));
    let Some(lanes) = split::connect("bus", &context, connecting).await? else { return Ok(()) };
    let ports = Ports {
        listener: Listener::Tcp(listener),
        service_key,
        registry,
        auth,
        lanes: Arc::new(lanes),
        targets: vec![Arc::new(tripline_target::http::Kind::new(functions))],
    };
    config.invoker.drain_seconds = config.stop.drain_seconds(config.invoker.drain_seconds);
    Ok(tripline_invoker::run(config.invoker, ports, context).await?)
}

#[cfg(test)]
mod tests {
    use super::{Config, INFO, split};

    #[test]
    fn the_reference_tells_of_every_key() {
        assert_eq!(split::reference::check::<Config>(INFO.service), Ok(()));
    }
}
