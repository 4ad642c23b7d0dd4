//! The flags that every service understands.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::{BuildInfo, telemetry};

/// What a service was started with.
#[derive(Debug, Parser)]
#[command(
    disable_version_flag = true,
    about = "One service of Tripline. Without a command it serves until SIGTERM or SIGINT."
)]
pub(crate) struct Args {
    /// Read the configuration from this TOML file.
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) config: Option<PathBuf>,
    /// Set one configuration key, such as grpc.addr=127.0.0.1:8102. Wins over the file and the environment.
    #[arg(long, value_name = "KEY=VALUE", global = true, value_parser = pair)]
    set: Vec<(String, String)>,
    /// How to log, json or text. With json, one line on standard output says when and where the service is ready.
    #[arg(long, value_name = "FORMAT", global = true, value_parser = ["json", "text"])]
    log: Option<String>,
    /// Print the version and exit.
    #[arg(long, short = 'V')]
    version: bool,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// What a program does other than serve.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Bring the schema of the service's database up to date and exit. Waits while the database is away.
    Migrate,
    /// Check the configuration and exit, with 78 and every fault when it cannot be used.
    CheckConfig,
    /// Print the configuration as TOML, with where each value comes from. Secrets are not shown.
    PrintConfig,
    /// Ask the running service whether it is ready, and exit with 0 or 1.
    Healthcheck {
        /// Ask only whether it answers at all.
        #[arg(long)]
        live: bool,
        /// Where its admin port is, such as 127.0.0.1:9105 [default: what the configuration says].
        #[arg(value_name = "ADDR")]
        admin: Option<SocketAddr>,
    },
}

impl Args {
    /// Parses the flags of this process. Exits when they are wrong or ask only for the version or for help.
    pub(crate) fn parse_for(info: &BuildInfo) -> Self {
        let matches = Self::command().name(info.service).get_matches();
        let args = Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
        if args.version {
            let BuildInfo { service, version, commit } = info;
            // A reader that has gone away is no reason to complain.
            let _gone = writeln!(std::io::stdout(), "tripline-{service} {version} ({commit})");
            std::process::exit(0);
        }
        args
    }

    /// The configuration that the flags set.
    pub(crate) fn overrides(&self) -> Vec<(String, String)> {
        let log = self.log.iter().map(|format| ("log.format".to_owned(), format.clone()));
        self.set.iter().cloned().chain(log).collect()
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

/// Tells the process that started this one that it is ready, and where, in one line on standard output.
pub(crate) fn announce(addresses: &crate::host::Addresses, options: &telemetry::Options) {
    if options.format == Some(telemetry::Format::Json) {
        let line = serde_json::to_string(addresses).expect("texts and numbers always become JSON");
        // A reader that has gone away is no reason to stop.
        let _gone = writeln!(std::io::stdout(), "{line}");
    }
}
