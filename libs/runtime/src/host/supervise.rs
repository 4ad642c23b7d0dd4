//! The life of a process: bound, ready, stopping, drained.

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use prometheus_client::metrics::info::Info;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::{Addresses, Host, Process, bind, url};
use crate::admin::{self, Admin};
use crate::telemetry::otlp::Export;
use crate::{Abort, BuildInfo, Context, args};

/// How long the admin port may take to close. It closes last, so that a drain can be watched.
const ADMIN_SHUTDOWN: Duration = Duration::from_secs(2);

/// What is run, and how.
pub(super) struct Program<'a> {
    pub(super) info: BuildInfo,
    pub(super) services: &'a [&'a str],
    pub(super) process: Process,
    pub(super) abort: Abort,
}

/// Runs what `wire` starts until `stop` is cancelled or it ends, then drains within the grace period.
pub(super) async fn supervise<W>(
    program: Program<'_>,
    stop: CancellationToken,
    wire: W,
) -> anyhow::Result<()>
where
    W: AsyncFnOnce(Host) -> anyhow::Result<()>,
{
    let Program { info, services, process, abort } = program;
    let mut context = Context { abort, ..Context::system(stop.clone()) };
    let exporting = match &process.log.otlp_endpoint {
        Some(endpoint) => {
            let (export, tracer) = Export::begin(endpoint, info, &context)?;
            context.tracer = tracer;
            Some(export)
        }
        None => None,
    };
    services.iter().for_each(|service| context.health.expect(*service));
    register(&context, info);
    let listener = bind(process.admin)?;
    let addresses = Addresses {
        ready: true,
        admin: url(&listener)?,
        pid: std::process::id(),
        ..Addresses::default()
    };
    let host = Host { context: context.clone(), addresses: Arc::new(Mutex::new(addresses)) };
    let (health, metrics) = (context.health.clone(), context.metrics.clone());
    let last = CancellationToken::new();
    let admin = Admin { info, health, metrics, stopping: stop.clone() };
    let admin = tokio::spawn(admin::serve(listener, admin, last.clone())?);
    let announcing = tokio::spawn(announce(host.clone(), process.clone()));

    let outcome = drain(&context, process.grace, wire(host)).await;
    announcing.abort();
    if let Some(export) = exporting {
        export.end().await;
    }
    last.cancel();
    if timeout(ADMIN_SHUTDOWN, admin).await.is_err() {
        tracing::warn!("the admin port did not close in time");
    }
    outcome
}

/// Runs `work` until it ends, or until the grace period after `stop` is over.
async fn drain(
    context: &Context,
    grace: Duration,
    work: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<()> {
    let mut work = pin!(work);
    let (mut outcome, asked) = tokio::select! {
        outcome = &mut work => (Some(outcome), context.stop.is_cancelled()),
        () = context.stop.cancelled() => (None, true),
    };
    context.stop.cancel();
    let deadline = Instant::now() + grace;
    if outcome.is_none() {
        outcome = timeout_at(deadline, work).await.ok();
    }
    context.tasks.close();
    let drained = timeout_at(deadline, context.tasks.wait()).await.is_ok();
    match outcome {
        Some(Err(error)) => Err(error),
        Some(Ok(())) if !asked => anyhow::bail!("ended without being asked to"),
        Some(Ok(())) if drained => Ok(()),
        Some(Ok(())) | None => anyhow::bail!("work was left unfinished after {grace:?}"),
    }
}

/// Says once, when the process is ready, where it is reached.
async fn announce(host: Host, process: Process) {
    host.context.health.ready().await;
    let addresses = host.addresses().clone();
    let Addresses { http, grpc, admin, .. } = &addresses;
    tracing::info!(http, grpc, admin, "ready");
    args::announce(&addresses, &process.log);
}

fn register(context: &Context, build: BuildInfo) {
    let labels = [("service", build.service), ("version", build.version), ("commit", build.commit)];
    context.metrics.register(|registry| {
        registry.register("build", "The program that runs", Info::new(labels.to_vec()));
    });
}

/// Services in one process that live and die together: the first to end, for whatever reason, stops the rest.
pub struct Services {
    running: JoinSet<(&'static str, anyhow::Result<()>)>,
    stop: CancellationToken,
}

impl Services {
    /// No services yet. `stop` stops them all.
    #[must_use]
    pub fn new(stop: CancellationToken) -> Self {
        Self { running: JoinSet::new(), stop }
    }

    /// Runs a service.
    pub fn spawn<F, E>(&mut self, name: &'static str, service: F)
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<anyhow::Error>,
    {
        let service = Box::pin(service);
        self.running.spawn(async move { (name, service.await.map_err(Into::into)) });
    }

    /// Waits until every service has ended.
    ///
    /// # Errors
    /// The first failure, which is also that of a service that ends without being asked to.
    pub async fn wait(mut self) -> anyhow::Result<()> {
        let mut outcome = Ok(());
        while let Some(ended) = self.running.join_next().await {
            let asked = self.stop.is_cancelled();
            // The others must not limp on.
            self.stop.cancel();
            let failure = match ended {
                Ok((_, Ok(()))) if asked => continue,
                Ok((name, Ok(()))) => anyhow::anyhow!("{name} ended without being asked to"),
                Ok((name, Err(error))) => error.context(format!("{name} failed")),
                Err(panic) => anyhow::Error::new(panic).context("a service panicked"),
            };
            if outcome.is_ok() {
                outcome = Err(failure);
            } else {
                tracing::error!("{failure:#}");
            }
        }
        outcome
    }
}
