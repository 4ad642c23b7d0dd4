//! The auth service as a program.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use tripline_auth::{Options, Ports};
use tripline_contracts::transport::Listener;
use tripline_kernel::Fault;
use tripline_runtime::config::{self, Validate};
use tripline_runtime::host::{self, Host, Process};
use tripline_runtime::{build_info, secret, telemetry};
use tripline_split::{self as split, Listen, Stop};

/// `deploy/config/auth.toml` shows every key.
#[derive(Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    grpc: Listen<8105>,
    admin: Listen<9105>,
    log: telemetry::Options,
    stop: Stop,
    bootstrap_secret_file: PathBuf,
    auth: Options,
}

impl Validate for Config {
    fn validate(&self) -> Vec<Fault> {
        config::under("/log", self.log.validate())
            .chain(config::under("/auth", self.auth.validate()))
            .chain(secret::required(
                "/bootstrap_secret_file",
                &self.bootstrap_secret_file,
                "the secret that all services share",
            ))
            .collect()
    }
}

impl host::Config for Config {
    fn process(&self) -> Process {
        Process { admin: self.admin.addr, log: self.log.clone(), grace: self.stop.grace() }
    }
}

fn main() -> ExitCode {
    host::run(build_info!("auth"), wire)
}

async fn wire(config: Config, host: Host) -> anyhow::Result<()> {
    let listener = Listener::Tcp(host.bind_grpc(config.grpc.addr)?);
    let service_key = Arc::new(split::service_key(&config.bootstrap_secret_file)?);
    let ports = Ports { listener, service_key };
    Ok(tripline_auth::run(config.auth, ports, host.context()).await?)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Config, config};

    #[test]
    fn the_example_shows_keys_that_there_are() {
        let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/config/auth.toml");
        let loaded = config::load_from::<Config>(Some(Path::new(example)), [], &[]);
        assert_eq!(loaded.map(|loaded| loaded.warnings), Ok(Vec::new()));
    }
}
