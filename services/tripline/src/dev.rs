//! `tripline dev`: all five services in one process, on an embedded log and SQLite in one data directory.
//!
//! The services are the same libraries that run as containers; they speak the same gRPC, over memory.

mod demo;
pub(crate) mod files;
pub(crate) mod healthcheck;
pub(crate) mod migrate;
mod wiring;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio_util::sync::CancellationToken;
use tripline_bus::{EventLog, embedded};
use tripline_runtime::host::{self, Host, Services};
use tripline_runtime::{Context, build_info, telemetry};

/// Runs all of Tripline in this process.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct DevArgs {
    /// Keep everything in this directory [default: `$XDG_DATA_HOME/tripline`].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Where the public API listens. Port 0 takes any free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    http: SocketAddr,
    /// Where health and metrics listen. Port 0 takes any free one.
    #[arg(long, value_name = "ADDR", default_value = ADMIN_DEFAULT)]
    admin: SocketAddr,
    /// Make a demo function, a watched folder and a trigger, and show each call.
    #[arg(long)]
    demo: bool,
    /// Send the spans of sampled traces to the OpenTelemetry collector at this address (OTLP over gRPC).
    #[arg(long, value_name = "URL", value_parser = otlp_endpoint)]
    otlp_endpoint: Option<String>,
    /// How to log: json or text. With json, one line on standard output says when and where it is ready.
    #[arg(long, value_name = "FORMAT", value_parser = ["json", "text"])]
    log: Option<String>,
    /// What to log: a level, or levels by module, such as `info,tripline_invoker=debug` [default: info].
    #[arg(long, value_name = "FILTER", value_parser = log_filter)]
    log_filter: Option<String>,
}

/// Reads what to log.
fn log_filter(filter: &str) -> Result<String, String> {
    checked(&telemetry::Options { filter: filter.to_owned(), ..Default::default() })?;
    Ok(filter.to_owned())
}

/// Reads where to send spans.
fn otlp_endpoint(endpoint: &str) -> Result<String, String> {
    checked(&telemetry::Options {
        otlp_endpoint: Some(endpoint.to_owned()),
        ..Default::default()
    })?;
    Ok(endpoint.to_owned())
}

fn checked(options: &telemetry::Options) -> Result<(), String> {
    options.validate().pop().map_or(Ok(()), |fault| Err(fault.detail))
}

/// Where health and metrics listen, unless told otherwise.
const ADMIN_DEFAULT: &str = "127.0.0.1:9090";
/// The services, as `/readyz` and the logs name them.
const SERVICES: [&str; 5] = ["api-gateway", "trigger-registry", "event-monitor", "invoker", "auth"];

/// Runs until a signal, or until a service fails. The exit code to end with.
pub(crate) fn run(args: DevArgs) -> ExitCode {
    let format = match args.log.as_deref() {
        Some("json") => Some(telemetry::Format::Json),
        Some(_) => Some(telemetry::Format::Text),
        None => None,
    };
    // The demo shows calls; what the services say would bury them.
    let filter = if args.demo { "warn" } else { "info" };
    let filter = args.log_filter.clone().unwrap_or_else(|| filter.to_owned());
    let log = telemetry::Options { format, filter, otlp_endpoint: args.otlp_endpoint.clone() };
    let grace = Duration::from_secs(host::GRACE_SECONDS_DEFAULT);
    let process = host::Process { admin: args.admin, log, grace };
    host::serve(build_info!("tripline"), &SERVICES, process, async move |host| {
        wire(args, host).await
    })
}

/// Binds, opens the data directory, and runs the five services.
async fn wire(args: DevArgs, host: Host) -> anyhow::Result<()> {
    let http = host.bind_http(args.http)?;
    let url = format!("http://{}", http.local_addr()?);
    let context = host.context();
    let data = match args.data {
        Some(data) => data,
        None => files::default_data_dir()?,
    };
    let files = files::Files::open(&data, &*context.entropy)
        .with_context(|| format!("cannot use the data directory {}", data.display()))?;
    let log = open_log(&files, &context)?;
    let mut services = Services::new(context.stop.clone());
    services.spawn("event log", watch_log(log.failed(), context.stop.clone()));
    let log: Arc<dyn EventLog> = Arc::new(log);
    if args.demo {
        let demo =
            demo::Demo { url, api_key: files.api_key.expose().to_owned(), data: data.clone() };
        services.spawn("demo", demo.run(context.clone()));
    }
    wiring::Wiring::new(&files, log, &context)?.spawn(&mut services, http);
    services.wait().await
}

fn open_log(files: &files::Files, context: &Context) -> anyhow::Result<embedded::Log> {
    let options = embedded::Options { dir: files.path("log"), ..embedded::Options::default() };
    let disk = Arc::new(embedded::OsDisk::new(&options.dir));
    let clock = Arc::clone(&context.clock);
    embedded::Log::open(&options, disk, clock).context("cannot open the event log")
}

/// Ends with an error once the log can promise nothing any more: the next start finds out what the disk holds.
async fn watch_log(failed: CancellationToken, stop: CancellationToken) -> anyhow::Result<()> {
    tokio::select! {
        () = failed.cancelled() => anyhow::bail!("a write or a sync of the event log failed"),
        () = stop.cancelled() => Ok(()),
    }
}

/// A file of the data directory, as SQLite wants it named.
fn sqlite_url(path: &Path) -> String {
    format!("sqlite://{}", path.display())
}

#[cfg(test)]
mod tests {
    use clap::Args as _;

    use super::DevArgs;

    #[test]
    fn what_cannot_be_used_for_telemetry_is_refused_with_the_flags() {
        let refused = |flag: &str, value: &str| {
            let command = DevArgs::augment_args(clap::Command::new("dev"));
            command.try_get_matches_from(["dev", flag, value]).is_err()
        };
        assert!(!refused("--otlp-endpoint", "http://127.0.0.1:4317"));
        for bad in ["127.0.0.1:4317", "http://", "http://who:hush@127.0.0.1:4317"] {
            assert!(refused("--otlp-endpoint", bad), "{bad}");
        }
        assert!(!refused("--log-filter", "info,tripline_invoker=debug"));
        assert!(refused("--log-filter", "tripline_invoker=loudly"));
    }
}
