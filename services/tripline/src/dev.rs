//! `tripline dev`: all five services in one process, on an embedded log and SQLite in one data directory.
//!
//! The services are the same libraries that run as containers; they speak the same gRPC, over memory.

mod demo;
pub(crate) mod files;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use secrecy::SecretString;
use tonic::transport::Channel;
use tripline_bus::{EventLog, WorkQueue, embedded};
use tripline_contracts::transport::{self, Client, Incoming, Listener, Prove};
use tripline_kernel::Clock;
use tripline_runtime::host::{self, Host, Services};
use tripline_runtime::{Context, build_info, telemetry};
use tripline_signing::ServiceKey;

/// Runs all of Tripline in this process.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct DevArgs {
    /// Keep everything in this directory [default: $XDG_DATA_HOME/tripline].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Where the public API listens. Port 0 takes any free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    http: SocketAddr,
    /// Where health and metrics listen. Port 0 takes any free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9090")]
    admin: SocketAddr,
    /// Make a demo function, a watched folder and a trigger, and show each call.
    #[arg(long)]
    demo: bool,
    /// How to log: json or text. With json, one line on standard output says when and where it is ready.
    #[arg(long, value_name = "FORMAT", value_parser = ["json", "text"])]
    log: Option<String>,
}

/// The services, as `/readyz` and the logs name them.
const SERVICES: [&str; 5] = ["api-gateway", "trigger-registry", "event-monitor", "invoker", "auth"];
/// The networks that functions may be on: this machine. A cluster allows none unless told.
const LOOPBACK: [&str; 2] = ["127.0.0.0/8", "::1/128"];
/// HTTP workers: a laptop's share.
const HTTP_WORKERS: usize = 2;
/// Connections to each SQLite file. Each is a thread.
const CONNECTIONS_MAX: u32 = 2;

/// Runs until a signal, or until a service fails. The exit code to end with.
pub(crate) fn run(args: DevArgs) -> ExitCode {
    let format = match args.log.as_deref() {
        Some("json") => Some(telemetry::Format::Json),
        Some(_) => Some(telemetry::Format::Text),
        None => None,
    };
    // The demo shows calls; what the services say would bury them.
    let filter = if args.demo { "warn" } else { "info" };
    let log = telemetry::Options { format, filter: filter.to_owned() };
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
    if args.demo {
        let demo =
            demo::Demo { url, api_key: files.api_key.expose().to_owned(), data: data.clone() };
        services.spawn("demo", demo.run(context.clone()));
    }
    spawn_all(&mut services, Parts { http, files, log, context })?;
    services.wait().await
}

fn open_log(files: &files::Files, context: &Context) -> anyhow::Result<Arc<dyn EventLog>> {
    let options = embedded::Options { dir: files.path("log"), ..embedded::Options::default() };
    let disk = Arc::new(embedded::OsDisk::new(&options.dir));
    let log = embedded::Log::open(&options, disk, Arc::clone(&context.clock))
        .context("cannot open the event log")?;
    // A log that could not sync promises nothing any more: end, and find out at the next start what is there.
    let (failed, stop) = (log.failed(), context.stop.clone());
    context.tasks.spawn(async move {
        tokio::select! {
            () = failed.cancelled() => stop.cancel(),
            () = stop.cancelled() => {}
        }
    });
    Ok(Arc::new(log))
}

struct Parts {
    http: std::net::TcpListener,
    files: files::Files,
    log: Arc<dyn EventLog>,
    context: Context,
}

/// One side of a connection for each service that is called, and the other.
struct Links {
    service_key: Arc<ServiceKey>,
    context: Context,
}

impl Links {
    fn link(&self) -> (Channel, Listener) {
        let (channel, incoming): (Channel, Incoming) = transport::in_memory();
        (channel, Listener::Memory(incoming))
    }

    fn client(&self, channel: &Channel) -> Client {
        let prove = Prove::new(Arc::clone(&self.service_key), Arc::clone(&self.context.clock));
        Client::new(channel.clone(), prove)
    }
}

fn spawn_all(services: &mut Services, parts: Parts) -> anyhow::Result<()> {
    let Parts { http, files, log, context } = parts;
    // Nobody outside this process ever needs it.
    let mut secret = [0; ServiceKey::SECRET_BYTES_MIN];
    context.entropy.fill(&mut secret);
    let service_key = Arc::new(ServiceKey::derive(&secret));
    let links = Links { service_key: Arc::clone(&service_key), context: context.clone() };
    let (registry, registry_listener) = links.link();
    let (auth, auth_listener) = links.link();
    let (invoker, invoker_listener) = links.link();
    let (monitor, monitor_listener) = links.link();
    let lanes: Arc<dyn WorkQueue> = Arc::new(embedded::Queue::new());
    let kinds = Kinds::new(Arc::clone(&context.clock))?;
    let database = |name: &str| files.database(name, CONNECTIONS_MAX);

    let options = tripline_auth::Options {
        db: database("auth"),
        admin_api_key: Some(SecretString::from(files.api_key.expose())),
        ..tripline_auth::Options::default()
    };
    let ports =
        tripline_auth::Ports { listener: auth_listener, service_key: Arc::clone(&service_key) };
    services.spawn("auth", tripline_auth::run(options, ports, context.clone()));

    let options = tripline_trigger_registry::Options {
        db: database("registry"),
        ..tripline_trigger_registry::Options::default()
    };
    let ports = tripline_trigger_registry::Ports {
        listener: registry_listener,
        service_key: Arc::clone(&service_key),
        auth: links.client(&auth),
        log: Arc::clone(&log),
        sources: kinds.sources.clone(),
        targets: kinds.targets.clone(),
        master_key: files.master_key.clone(),
    };
    services
        .spawn("trigger-registry", tripline_trigger_registry::run(options, ports, context.clone()));

    let options = tripline_event_monitor::Options {
        db: database("monitor"),
        sole_replica: true,
        ..tripline_event_monitor::Options::default()
    };
    let ports = tripline_event_monitor::Ports {
        listener: monitor_listener,
        service_key: Arc::clone(&service_key),
        registry: links.client(&registry),
        log: Arc::clone(&log),
        lanes: Arc::clone(&lanes),
        sources: kinds.sources,
    };
    services.spawn("event-monitor", tripline_event_monitor::run(options, ports, context.clone()));

    let options = tripline_invoker::Options {
        db: database("invoker"),
        sole_replica: true,
        ..tripline_invoker::Options::default()
    };
    let ports = tripline_invoker::Ports {
        listener: invoker_listener,
        service_key: Arc::clone(&service_key),
        registry: links.client(&registry),
        auth: links.client(&auth),
        lanes,
        targets: kinds.targets,
    };
    services.spawn("invoker", tripline_invoker::run(options, ports, context.clone()));

    let options = tripline_api_gateway::Options {
        workers: HTTP_WORKERS,
        ..tripline_api_gateway::Options::default()
    };
    let ports = tripline_api_gateway::Ports {
        http,
        service_key,
        registry: links.client(&registry),
        auth: links.client(&auth),
        invoker: links.client(&invoker),
        monitor: links.client(&monitor),
        log,
        seen: Arc::new(tripline_cache::memory::Seen::default()),
    };
    services.spawn("api-gateway", tripline_api_gateway::run(options, ports, context));
    Ok(())
}

/// What sources and functions there can be.
struct Kinds {
    sources: Vec<Arc<dyn tripline_source::Kind>>,
    targets: Vec<Arc<dyn tripline_target::Kind>>,
}

impl Kinds {
    fn new(clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        let options = tripline_outbound::Options {
            allow_cidrs: LOOPBACK.map(str::to_owned).to_vec(),
            ..tripline_outbound::Options::default()
        };
        let client = || {
            let guard = tripline_outbound::Guard::new(&options)
                .map_err(|_| anyhow::anyhow!("loopback is a network"))?;
            anyhow::Ok(tripline_outbound::Client::new(guard, &options))
        };
        Ok(Self {
            sources: vec![
                Arc::new(tripline_source_minio::Kind::new(client()?, clock)),
                Arc::new(tripline_source_file::Kind::new()),
            ],
            targets: vec![Arc::new(tripline_target::http::Kind::new(client()?))],
        })
    }
}

/// A file of the data directory, as SQLite wants it named.
fn sqlite_url(path: &Path) -> String {
    format!("sqlite://{}", path.display())
}
