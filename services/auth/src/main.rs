//! The auth service as a program.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use tripline_auth::{Options, Ports};
use tripline_contracts::transport::Listener;
use tripline_kernel::Fault;
use tripline_runtime::config::{self, Validate};
use tripline_runtime::host::{self, Host, Process};
use tripline_runtime::{BuildInfo, Context, build_info, secret, telemetry};
use tripline_split::{self as split, Listen, Stop};

/// `deploy/config/auth.toml` shows every key.
#[derive(Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Config {
    /// Where the other services call.
    grpc: Listen<8105>,
    /// Health, metrics and version: `/livez`, `/readyz`, `/metrics`, `/version`.
    admin: Listen<9105>,
    /// What is logged, and how.
    log: telemetry::Options,
    /// How the process ends.
    stop: Stop,
    /// A file with at least 32 secret bytes, the same for all five services, mode 0600.
    #[schemars(example = "/etc/tripline/bootstrap.secret")]
    bootstrap_secret_file: PathBuf,
    /// Auth itself.
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

    async fn migrate(self, context: Context) -> anyhow::Result<()> {
        Ok(tripline_auth::migrate(&self.auth, &context).await?)
    }
}

const INFO: BuildInfo = build_info!("auth");

fn main() -> ExitCode {
    host::run(INFO, wire)
}

async fn wire(config: Config, host: Host) -> anyhow::Result<()> {
    let listener = Listener::Tcp(host.bind_grpc(config.grpc.addr)?);
    let service_key = Arc::new(split::service_key(&config.bootstrap_secret_file)?);
    let ports = Ports { listener, service_key };
    Ok(tripline_auth::run(config.auth, ports, host.context()).await?)
}

#[cfg(test)]
mod tests {
    use super::{Config, INFO, split};

    #[test]
    fn the_reference_tells_of_every_key() {
        assert_eq!(split::reference::check::<Config>(INFO.service), Ok(()));
    }
}
