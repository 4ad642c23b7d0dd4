//! What the `main` of every program does: flags, configuration, logs, ports, signals, drain, exit code.
//!
//! Order, always: flags, configuration, TLS provider, runtime, logs, **ports**, connections, ready; then stop, drain,
//! exit. A port that is taken is found before anything is connected.

mod command;
mod signals;
mod supervise;

use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context as _;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use crate::args::{Args, Command};
use crate::config::{self, Loaded, Validate};
use crate::{BuildInfo, Context, problem, telemetry};

pub use supervise::Services;

/// The exit code for a configuration that cannot be used (`EX_CONFIG` of sysexits).
pub const EXIT_CONFIG: u8 = 78;
/// How long work under way may take to finish once a process is told to stop, unless configured.
pub const GRACE_SECONDS_DEFAULT: u64 = 20;
/// How long blocking work may hold up the end of the process.
const RUNTIME_SHUTDOWN: Duration = Duration::from_secs(1);

/// What the host must know of a configuration.
pub trait Config: DeserializeOwned + Serialize + Validate {
    /// What concerns the whole process.
    fn process(&self) -> Process;

    /// Brings the schema of the service's database up to date, waiting while the database is away. A service without a
    /// database has nothing to do.
    fn migrate(self, _context: Context) -> impl Future<Output = anyhow::Result<()>> {
        std::future::ready(Ok(()))
    }
}

/// What concerns a process as a whole, apart from its services.
#[derive(Clone, Debug)]
pub struct Process {
    /// Where the admin port listens.
    pub admin: SocketAddr,
    /// What is logged, and how.
    pub log: telemetry::Options,
    /// How long work under way may take to finish once the process is told to stop.
    pub grace: Duration,
}

/// What `main` works with while it wires its services together.
#[derive(Clone)]
pub struct Host {
    context: Context,
    addresses: Arc<Mutex<Addresses>>,
}

/// Where a process is reached, as URLs. The line that says that it is ready.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct Addresses {
    ready: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    http: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    grpc: Option<String>,
    admin: String,
    pid: u32,
}

impl Host {
    /// What each service is given.
    #[must_use]
    pub fn context(&self) -> Context {
        self.context.clone()
    }

    /// Binds the public HTTP port.
    ///
    /// # Errors
    /// When the address is taken or is not one of this machine.
    pub fn bind_http(&self, address: SocketAddr) -> anyhow::Result<TcpListener> {
        let listener = bind(address)?;
        self.addresses().http = Some(url(&listener)?);
        Ok(listener)
    }

    /// Binds the gRPC port.
    ///
    /// # Errors
    /// When the address is taken or is not one of this machine.
    pub fn bind_grpc(&self, address: SocketAddr) -> anyhow::Result<tokio::net::TcpListener> {
        let listener = bind(address)?;
        self.addresses().grpc = Some(url(&listener)?);
        listener.set_nonblocking(true)?;
        Ok(tokio::net::TcpListener::from_std(listener)?)
    }

    fn addresses(&self) -> std::sync::MutexGuard<'_, Addresses> {
        self.addresses.lock().expect("nothing panics while it holds this lock")
    }
}

fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).with_context(|| format!("cannot listen on {address}"))
}

fn url(listener: &TcpListener) -> anyhow::Result<String> {
    Ok(format!("http://{}", listener.local_addr()?))
}

/// Runs a program that is one service: reads flags and configuration, then [`serve`]s, or does what a command asks.
///
/// `wire` binds its ports first, then opens what the service needs, and returns when the service ends.
pub fn run<C, W>(info: BuildInfo, wire: W) -> ExitCode
where
    C: Config,
    W: AsyncFnOnce(C, Host) -> anyhow::Result<()>,
{
    let args = Args::parse_for(&info);
    if let Some(Command::Healthcheck { live, admin: Some(admin) }) = args.command {
        return command::healthcheck(admin, live);
    }
    let loaded = match config::load::<C>(args.config.as_deref(), &args.overrides()) {
        Ok(loaded) => loaded,
        Err(error) => return refuse(&error),
    };
    if let Some(command) = &args.command {
        return command::run(command, &info, loaded);
    }
    let Loaded { config, warnings, .. } = loaded;
    let process = config.process();
    serve(info, &[info.service], process, async move |host| {
        for warning in warnings {
            tracing::warn!("{warning}");
        }
        wire(config, host).await
    })
}

/// Says on standard error what is wrong with the configuration. The exit code to end with.
#[allow(clippy::print_stderr, reason = "logging begins only once there is a configuration")]
pub fn refuse(error: &config::Error) -> ExitCode {
    eprintln!("the configuration cannot be used:");
    for fault in error.faults() {
        eprintln!("  {fault}");
    }
    ExitCode::from(EXIT_CONFIG)
}

/// Runs the `services` that `wire` starts until a signal stops them or one of them ends. The exit code to end with.
///
/// Ready once each of `services` has a part of its name in [`Context::health`] and all parts are ready.
pub fn serve<W>(info: BuildInfo, services: &[&str], process: Process, wire: W) -> ExitCode
where
    W: AsyncFnOnce(Host) -> anyhow::Result<()>,
{
    let abort = match config::abort_at() {
        Ok(abort) => abort,
        Err(error) => return refuse(&error),
    };
    let runtime = match begin(&process.log) {
        Ok(runtime) => runtime,
        Err(code) => return code,
    };
    let stop = CancellationToken::new();
    let outcome = runtime.block_on(async {
        signals::cancel_on_signal(stop.clone())?;
        let program = supervise::Program { info, services, process, abort };
        supervise::supervise(program, stop, wire).await
    });
    runtime.shutdown_timeout(RUNTIME_SHUTDOWN);
    exit_code(outcome)
}

/// What every program needs before it does anything: TLS, threads, a log.
#[allow(clippy::print_stderr, reason = "logging that cannot begin cannot be logged")]
fn begin(log: &telemetry::Options) -> Result<Runtime, ExitCode> {
    // Fails only when a provider is installed already, which is as good.
    let _installed = rustls::crypto::ring::default_provider().install_default();
    if let Err(error) = telemetry::init(log) {
        eprintln!("{error}");
        return Err(ExitCode::FAILURE);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    Ok(runtime.expect("the operating system grants threads"))
}

/// Logs a failure. The exit code to end with.
fn exit_code(outcome: anyhow::Result<()>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = %problem::Chain(error.as_ref()), "failed: {error:#}");
            let refused = error.chain().any(|cause| cause.is::<config::Error>());
            if refused { ExitCode::from(EXIT_CONFIG) } else { ExitCode::FAILURE }
        }
    }
}

#[cfg(test)]
mod tests;
