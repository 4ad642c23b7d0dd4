//! What a program does other than serve.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::SocketAddr;
use std::process::ExitCode;

use tokio_util::sync::CancellationToken;

use super::{Config, exit_code, signals};
use crate::args::Command;
use crate::config::{Loaded, leaves};
use crate::probe::{self, Question};
use crate::{BuildInfo, Context};

/// Does what was asked. The exit code to end with.
pub(super) fn run<C: Config>(command: &Command, info: &BuildInfo, loaded: Loaded<C>) -> ExitCode {
    match command {
        Command::Migrate => migrate(loaded),
        Command::CheckConfig => check(&loaded),
        Command::PrintConfig => print(info, &loaded),
        Command::Healthcheck { live, .. } => healthcheck(loaded.config.process().admin, *live),
    }
}

#[allow(clippy::print_stderr, reason = "a command says what it has to say to whoever gave it")]
fn check<C>(loaded: &Loaded<C>) -> ExitCode {
    for warning in &loaded.warnings {
        eprintln!("{warning}");
    }
    ExitCode::SUCCESS
}

fn print<C: Config>(info: &BuildInfo, loaded: &Loaded<C>) -> ExitCode {
    // A reader that has gone away is no reason to complain.
    let _gone = write!(std::io::stdout(), "{}", shown(info, loaded));
    ExitCode::SUCCESS
}

/// The configuration as TOML with dotted keys, each with where it comes from.
fn shown<C: Config>(info: &BuildInfo, loaded: &Loaded<C>) -> String {
    let mut out = format!("# The configuration of {}. Secrets are not shown.\n", info.service);
    for leaf in leaves(&loaded.config) {
        let key = leaf.path.join(".");
        let origin = loaded.origins.of(&leaf.path).unwrap_or_else(|| "default".to_owned());
        let _infallible = match leaf.toml() {
            Some(value) => writeln!(out, "{key} = {value} # {origin}"),
            None => writeln!(out, "# {key} is not set"),
        };
    }
    out
}

/// Asks the process whose admin port is there. Says on standard error why it is not well.
#[allow(clippy::print_stderr, reason = "a command says what it has to say to whoever gave it")]
pub(super) fn healthcheck(admin: SocketAddr, live: bool) -> ExitCode {
    let question = if live { Question::Live } else { Question::Ready };
    match probe::ask(admin, question) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

fn migrate<C: Config>(Loaded { config, warnings, .. }: Loaded<C>) -> ExitCode {
    let runtime = match super::begin(&config.process().log) {
        Ok(runtime) => runtime,
        Err(code) => return code,
    };
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    let outcome = runtime.block_on(async {
        let stop = CancellationToken::new();
        signals::cancel_on_signal(stop.clone())?;
        let migrating = config.migrate(Context::system(stop.clone()));
        let migrated = stop.run_until_cancelled(migrating).await;
        migrated.unwrap_or_else(|| Err(anyhow::anyhow!("stopped before the schema was up to date")))
    });
    if outcome.is_ok() {
        tracing::info!("the schema is up to date");
    }
    exit_code(outcome)
}

#[cfg(test)]
mod tests {
    use tripline_kernel::Fault;

    use super::super::Process;
    use super::*;
    use crate::config::{self, Validate};

    #[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Sample {
        name: String,
        #[serde(serialize_with = "tripline_kernel::masked")]
        password: String,
        admin: Admin,
    }

    #[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Admin {
        port: Option<u16>,
        backlog: u32,
    }

    impl Validate for Sample {
        fn validate(&self) -> Vec<Fault> {
            Vec::new()
        }
    }

    impl Config for Sample {
        fn process(&self) -> Process {
            unreachable!("only a server needs this")
        }
    }

    #[test]
    fn what_is_printed_says_where_it_comes_from_and_no_secret() {
        let info = BuildInfo { version: "1", commit: "c", service: "sample" };
        let variables = [("TRIPLINE_PASSWORD".to_owned(), "hunter2".to_owned())];
        let flags = [("admin.backlog".to_owned(), "7".to_owned())];
        let loaded = config::load_from::<Sample>(None, variables, &flags).unwrap();
        let expected = "# The configuration of sample. Secrets are not shown.\n\
            name = \"\" # default\npassword = \"***\" # TRIPLINE_PASSWORD\n\
            # admin.port is not set\nadmin.backlog = 7 # --set\n";
        assert_eq!(shown(&info, &loaded), expected);
        assert!(toml::from_str::<toml::Table>(expected).is_ok(), "it is TOML");
    }
}
