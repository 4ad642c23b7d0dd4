//! The running registry.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tripline_bus::{EventLog, Gatherer};
use tripline_contracts::pb::auth_client::AuthClient;
use tripline_contracts::pb::registry_server::RegistryServer;
use tripline_contracts::transport::{Client, Demand, Listener, serve};
use tripline_kernel::{Classify, ErrorKind};
use tripline_runtime::{Check, Context};
use tripline_signing::{MasterKey, ServiceKey};
use tripline_source as source;
use tripline_target as target;
use tripline_trace::Tracer;

use crate::Options;
use crate::grpc::Service;
use crate::kinds::Kinds;
use crate::metrics::Metrics;
use crate::registry::{Registry, Secrets};
use crate::relay::{Relay, Settled};
use crate::store::Store;

/// How often the newest revision is looked up, for what other replicas write.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What the process gives the registry.
pub struct Ports {
    /// Where it serves.
    pub listener: Listener,
    /// Proves callers.
    pub service_key: Arc<ServiceKey>,
    /// Keeps the rules.
    pub auth: Client,
    /// Takes the markers.
    pub log: Arc<dyn EventLog>,
    /// The kinds of sources that may be configured.
    pub sources: Vec<Arc<dyn source::Kind>>,
    /// The kinds of targets that functions may have.
    pub targets: Vec<Arc<dyn target::Kind>>,
    /// Seals secrets at rest.
    pub master_key: MasterKey,
}

/// Why the registry stopped without being told to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database cannot be used.
    #[error("the registry's database cannot be opened")]
    Database(#[from] tripline_db::Error),
    /// The first resources could not be made.
    #[error("the registry cannot make the default bus")]
    Start(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A part that the registry cannot be without has ended.
    #[error("the registry's {0} has ended")]
    Ended(&'static str),
    /// A part that the registry cannot be without has died.
    #[error("a task of the registry has died")]
    Died(#[from] tokio::task::JoinError),
}

impl Classify for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Database(error) => error.kind(),
            Self::Start(_) => ErrorKind::Unavailable,
            Self::Ended(_) | Self::Died(_) => ErrorKind::Internal,
        }
    }

    fn code(&self) -> Cow<'static, str> {
        match self {
            Self::Database(error) => error.code(),
            Self::Start(_) => "store-unavailable".into(),
            Self::Ended(_) | Self::Died(_) => "internal".into(),
        }
    }
}

/// Brings the schema of the registry's database up to date, waiting while the database is away.
///
/// # Errors
/// When the database refuses it.
pub async fn migrate(options: &Options, context: &Context) -> Result<(), Error> {
    Ok(Store::migrate(&options.db, &*context.entropy).await?)
}

/// Runs the registry until `context.stop` is cancelled, then finishes the calls that are under way.
///
/// Waits while the database is away. Works without auth and without the event log: changes of triggers then wait in the
/// outbox, also over restarts.
///
/// # Errors
/// When the database cannot be used, or a vital task ends by itself.
pub async fn run(options: Options, ports: Ports, context: Context) -> Result<(), Error> {
    let database = context.health.part("trigger-registry: database");
    let metrics = Metrics::register(&context.metrics);
    let opening = Store::open(&options.db, Arc::clone(&context.clock), context.entropy.as_ref());
    let store = tokio::select! {
        opened = opening => opened?,
        () = context.stop.cancelled() => return Ok(()),
    };
    let settled = Settled::new();
    let entropy = Arc::clone(&context.entropy);
    let stop = context.stop.child_token();
    let relay = Relay {
        store: store.clone(),
        markers: Gatherer::new(Arc::clone(&ports.log), context.tasks.clone(), stop.clone()),
        log: ports.log,
        auth: AuthClient::new(ports.auth),
        entropy: Arc::clone(&entropy),
        settled: settled.clone(),
        metrics,
        abort: context.abort,
    };
    let registry = Arc::new(Registry {
        store: store.clone(),
        secrets: Secrets::new(ports.master_key, Arc::clone(&entropy)),
        sources: Kinds::of_sources(ports.sources),
        targets: Kinds::of_targets(ports.targets),
        clock: Arc::clone(&context.clock),
        entropy,
        settled,
        apply_wait: options.apply_wait(),
        stop: stop.clone(),
        abort: context.abort,
    });
    let prepared = async {
        registry.make_default_bus().await?;
        registry.seal_functions().await
    };
    prepared.await.map_err(|error| Error::Start(Box::new(error)))?;
    database.ready();
    let service = Service { registry, stop: stop.clone() };
    let demand = Demand::new(ports.service_key, Arc::clone(&context.clock));
    let server = RegistryServer::with_interceptor(service, demand);
    let routes = tonic::service::Routes::new(server);
    let mut parts = JoinSet::new();
    parts.spawn(served(ports.listener, routes, context.tracer.clone(), stop.clone()));
    parts.spawn(looked(store, database, stop.clone()));
    let until = stop.clone();
    parts.spawn(async move {
        relay.run(&until).await;
        "relay"
    });
    joined(parts, &stop).await
}

async fn served(
    listener: Listener,
    routes: tonic::service::Routes,
    tracer: Tracer,
    stop: CancellationToken,
) -> &'static str {
    if let Err(error) = serve(listener, routes, tracer, stop).await {
        tracing::error!(error = &error as &dyn std::error::Error, "the registry cannot serve");
    }
    "server"
}

/// Looks up the newest revision, which also shows whether the database can be used.
async fn looked(store: Store, database: Check, stop: CancellationToken) -> &'static str {
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut usable = true;
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = stop.cancelled() => return "look-out",
        }
        match (store.look().await, usable) {
            (Ok(_), true) | (Err(_), false) => {}
            (Ok(_), false) => {
                tracing::info!("the registry's database can be used again");
                database.ready();
                usable = true;
            }
            (Err(error), true) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "{error}");
                database.not_ready(error.to_string());
                usable = false;
            }
        }
    }
}

/// Waits for all parts. The first to end without being told to ends the others.
async fn joined(mut parts: JoinSet<&'static str>, stop: &CancellationToken) -> Result<(), Error> {
    let mut outcome = Ok(());
    while let Some(ended) = parts.join_next().await {
        if outcome.is_ok() {
            outcome = match ended {
                Ok(_) if stop.is_cancelled() => Ok(()),
                Ok(part) => Err(Error::Ended(part)),
                Err(died) => Err(Error::Died(died)),
            };
        }
        stop.cancel();
    }
    outcome
}
