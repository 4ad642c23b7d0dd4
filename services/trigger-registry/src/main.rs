//! The trigger-registry service as a program.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use tripline_bus_rabbitmq as rabbitmq;
use tripline_contracts::transport::{Listener, Prove};
use tripline_kernel::Fault;
use tripline_outbound as outbound;
use tripline_runtime::config::{Validate, under};
use tripline_runtime::host::{self, Host, Process};
use tripline_runtime::{BuildInfo, Context, build_info, secret, telemetry};
use tripline_signing::MasterKey;
use tripline_split::{self as split, Bus, Listen, Peer, Stop};
use tripline_trigger_registry::{Options, Ports};

/// `deploy/config/trigger-registry.toml` shows every key.
#[derive(Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Config {
    /// Where the other services call.
    grpc: Listen<8102>,
    /// Health, metrics and version: `/livez`, `/readyz`, `/metrics`, `/version`.
    admin: Listen<9102>,
    /// What is logged, and how.
    log: telemetry::Options,
    /// How the process ends.
    stop: Stop,
    /// A file with at least 32 secret bytes, the same for all five services, mode 0600.
    #[schemars(example = "/etc/tripline/bootstrap.secret")]
    bootstrap_secret_file: PathBuf,
    /// A file with the 32 bytes (raw, hex or base64) that secrets at rest are sealed with, mode 0600. What was sealed
    /// with one key opens with no other: keep a copy.
    #[schemars(example = "/etc/tripline/master.key")]
    master_key_file: PathBuf,
    /// Where the other services are.
    peers: Peers,
    /// The bus that the services share.
    bus: Bus<rabbitmq::Options>,
    /// Where functions may be.
    outbound: outbound::Options,
    /// Where sources may be.
    sources: outbound::Options,
    /// The registry itself.
    registry: Options,
}

#[derive(Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Peers {
    /// Address of auth.
    auth: Peer<8105>,
}

impl Validate for Config {
    fn validate(&self) -> Vec<Fault> {
        let files = [
            ("/bootstrap_secret_file", &self.bootstrap_secret_file, "the secret of all services"),
            (
                "/master_key_file",
                &self.master_key_file,
                "the 32 bytes that secrets are sealed with",
            ),
        ];
        under("/log", self.log.validate())
            .chain(
                files.into_iter().filter_map(|(at, file, holds)| secret::required(at, file, holds)),
            )
            .chain(self.peers.auth.validate("/peers/auth"))
            .chain(under("/bus", self.bus.validate(rabbitmq::Options::validate)))
            .chain(under("/outbound", self.outbound.validate()))
            .chain(under("/sources", self.sources.validate()))
            .chain(under("/registry", self.registry.validate()))
            .collect()
    }
}

impl host::Config for Config {
    fn process(&self) -> Process {
        Process { admin: self.admin.addr, log: self.log.clone(), grace: self.stop.grace() }
    }

    async fn migrate(self, context: Context) -> anyhow::Result<()> {
        Ok(tripline_trigger_registry::migrate(&self.registry, &context).await?)
    }
}

const INFO: BuildInfo = build_info!("trigger-registry");

fn main() -> ExitCode {
    host::run(INFO, wire)
}

async fn wire(config: Config, host: Host) -> anyhow::Result<()> {
    let (listener, context) = (host.bind_grpc(config.grpc.addr)?, host.context());
    let service_key = Arc::new(split::service_key(&config.bootstrap_secret_file)?);
    let master_key =
        secret::configured("master_key_file", &config.master_key_file, secret::read_key)?;
    let prove = Prove::new(Arc::clone(&service_key), Arc::clone(&context.clock));
    let auth = config.peers.auth.client(&prove)?;
    let functions = split::outbound(&config.outbound)?;
    let sources = split::outbound(&config.sources)?;

    let connecting = rabbitmq::Log::connect(&config.bus.rabbitmq, Arc::clone(&context.entropy));
    let Some(log) = split::connect("bus", &context, connecting).await? else { return Ok(()) };
    let ports = Ports {
        listener: Listener::Tcp(listener),
        service_key,
        auth,
        log: Arc::new(log),
        sources: vec![
            Arc::new(tripline_source_minio::Kind::new(sources, Arc::clone(&context.clock))),
            Arc::new(tripline_source_file::Kind::new()),
        ],
        targets: vec![Arc::new(tripline_target::http::Kind::new(functions))],
        master_key: MasterKey::from_bytes(&master_key),
    };
    Ok(tripline_trigger_registry::run(config.registry, ports, context).await?)
}

#[cfg(test)]
mod tests {
    use super::{Config, INFO, split};

    #[test]
    fn the_reference_tells_of_every_key() {
        assert_eq!(split::reference::check::<Config>(INFO.service), Ok(()));
    }
}
