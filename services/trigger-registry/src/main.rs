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
use tripline_runtime::{build_info, secret, telemetry};
use tripline_signing::MasterKey;
use tripline_split::{self as split, Bus, Listen, Peer, Stop};
use tripline_trigger_registry::{Options, Ports};

/// `deploy/config/trigger-registry.toml` shows every key.
#[derive(Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    grpc: Listen<8102>,
    admin: Listen<9102>,
    log: telemetry::Options,
    stop: Stop,
    bootstrap_secret_file: PathBuf,
    master_key_file: PathBuf,
    peers: Peers,
    bus: Bus<rabbitmq::Options>,
    /// Where functions may be.
    outbound: outbound::Options,
    /// Where sources may be.
    sources: outbound::Options,
    registry: Options,
}

#[derive(Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Peers {
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
}

fn main() -> ExitCode {
    host::run(build_info!("trigger-registry"), wire)
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
    use std::path::Path;

    use tripline_runtime::config;

    use super::Config;

    #[test]
    fn the_example_shows_keys_that_there_are() {
        let example =
            concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/config/trigger-registry.toml");
        let loaded = config::load_from::<Config>(Some(Path::new(example)), [], &[]);
        assert_eq!(loaded.map(|loaded| loaded.warnings), Ok(Vec::new()));
    }
}
