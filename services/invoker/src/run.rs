//! Putting the service together, and taking it apart.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::service::Routes;
use tripline_bus::Lane;
use tripline_contracts::pb::invoker_server::InvokerServer;
use tripline_contracts::transport::{Demand, serve};
use tripline_kernel::backoff;
use tripline_runtime::{Check, Context};

use crate::core::Core;
use crate::dispatcher::Dispatcher;
use crate::error::Error;
use crate::grpc::Service;
use crate::lookup::Lookup;
use crate::metrics::{Load, Metrics};
use crate::schedule::Schedule;
use crate::snapshot::Snapshot;
use crate::store::{Migrator, Store};
use crate::tenure::{Keeper, Tenure};
use crate::todo::Todo;
use crate::writer::{Inbox, Writer};
use crate::{Options, Ports, feed, fetch, lanes, retention, upkeep};

/// How long the start waits for the registry before it takes in events that would only wait for it.
const KNOWLEDGE_WAIT: Duration = Duration::from_secs(2);
/// How long the last records and the end of the epoch may take, once the calls have ended.
const CLOSE_WAIT: Duration = Duration::from_secs(5);
/// The waits between attempts to begin an epoch grow from here…
const RETRY_BASE: Duration = Duration::from_millis(100);
/// …to here.
const RETRY_MAX: Duration = Duration::from_secs(5);

struct Checks {
    database: Check,
    registry: Check,
    auth: Check,
}

/// Runs the invoker until `context.stop` is cancelled, then drains: it takes in no more, lets calls under way end for
/// as long as the options allow, records them, and gives the rest back.
///
/// # Errors
/// When its database refuses it, or something that it cannot do without has ended.
pub async fn run(options: Options, ports: Ports, context: Context) -> Result<(), Error> {
    let checks = Checks {
        database: context.health.part("invoker: database"),
        registry: context.health.part("invoker: registry"),
        auth: context.health.part("invoker: auth"),
    };
    let started = tokio::select! {
        started = start(&options, &ports, &context, &checks) => started?,
        () = context.stop.cancelled() => return Ok(()),
    };
    checks.database.ready();
    let Started { core, keeper, writer, inbox } = started;

    let mut tasks = Tasks::default();
    let writer = tokio::spawn(writer.run(inbox));
    // Calls may go on after the stop: so does the epoch.
    let renewals = CancellationToken::new();
    let renewing = tokio::spawn(Arc::clone(&keeper).keep(renewals.clone()));
    let _until_dropped = renewals.clone().drop_guard();
    tasks.cancelled("upkeep", upkeep::work(Arc::clone(&core)), &context.stop);
    tasks.cancelled(
        "pauses",
        upkeep::pause(Arc::clone(&core), ports.registry.clone()),
        &context.stop,
    );
    let rules = feed::follow_rules(Arc::clone(&core), ports.auth, checks.auth);
    tasks.cancelled("rules", rules, &context.stop);
    let registry =
        feed::follow_registry(Arc::clone(&core), ports.registry, ports.targets, checks.registry);
    tasks.cancelled("registry", registry, &context.stop);
    tasks.cancelled(
        "retention",
        retention::work(Arc::clone(&core), options.clone()),
        &context.stop,
    );
    let store = Arc::clone(&core.store);
    let checkpoints = async move { store.keep_checkpointed().await };
    tasks.cancelled("checkpoints", checkpoints, &context.stop);

    let demand = Demand::new(ports.service_key, Arc::clone(&context.clock));
    let service = InvokerServer::with_interceptor(Service(Arc::clone(&core)), demand);
    let (routes, tracer) = (Routes::new(service), context.tracer.clone());
    let serving = serve(ports.listener, routes, tracer, context.stop.clone());
    let stop = context.stop.clone();
    tasks.set.spawn(async move {
        serving.await?;
        if stop.is_cancelled() { Ok(()) } else { Err(Error::TaskEnded("grpc")) }
    });

    // An event of a function that is not known yet would only be put aside.
    let known = timeout(KNOWLEDGE_WAIT, core.snapshot.complete());
    tokio::select! { _ = known => {}, () = context.stop.cancelled() => {} }
    tasks.cancelled("fetch", fetch::work(Arc::clone(&core)), &context.stop);
    core.schedule.reload();
    for lane in 0..options.lanes {
        let queue = Arc::clone(&ports.lanes);
        let consuming = lanes::consume(Arc::clone(&core), queue, Lane(lane), context.stop.clone());
        tasks.until_stop("lane", consuming, &context.stop);
    }

    let outcome = tasks.first_failure(&context.stop).await;
    let grace = Duration::from_secs(options.drain_seconds);
    drain(&core, &keeper, Ending { tasks, writer, renewals, renewing, grace }).await;
    outcome
}

/// Brings the schema of the invoker's database up to date, waiting while the database is away.
///
/// # Errors
/// When the database refuses it.
pub async fn migrate(options: &Options, context: &Context) -> Result<(), Error> {
    tripline_db::open::<Migrator>(&options.db, || context.entropy.unit()).await?;
    Ok(())
}

/// What is to end, and how long it may take.
struct Ending {
    tasks: Tasks,
    writer: JoinHandle<()>,
    renewals: CancellationToken,
    renewing: JoinHandle<()>,
    grace: Duration,
}

struct Started {
    core: Arc<Core>,
    keeper: Arc<Keeper>,
    writer: Writer,
    inbox: Inbox,
}

async fn start(
    options: &Options,
    ports: &Ports,
    context: &Context,
    checks: &Checks,
) -> Result<Started, Error> {
    let entropy = Arc::clone(&context.entropy);
    let store = Arc::new(Store::open(&options.db, || entropy.unit()).await?);
    let (tenure, schedule) = (Arc::new(Tenure::default()), Arc::new(Schedule::default()));
    let metrics = Arc::new(context.metrics.register(Metrics::register));
    context.metrics.operation("send", &metrics.call_seconds);
    let (handle, inbox) = Writer::channel();
    let core = Arc::new(Core {
        store: Arc::clone(&store),
        tenure: Arc::clone(&tenure),
        schedule: Arc::clone(&schedule),
        dispatcher: Dispatcher::new(Arc::clone(&schedule)),
        snapshot: Arc::new(Snapshot::default()),
        lookup: Lookup::new(ports.registry.clone(), ports.auth.clone()),
        writer: handle,
        chores: Arc::new(Todo::default()),
        pauses: Todo::default(),
        metrics: Arc::clone(&metrics),
        clock: Arc::clone(&context.clock),
        entropy: Arc::clone(&context.entropy),
        tracer: context.tracer.clone(),
        calls: TaskTracker::new(),
    });
    let load = Load(Arc::downgrade(&core));
    context.metrics.register(|registry| registry.register_collector(Box::new(load)));
    let writer = Writer {
        store: Arc::clone(&store),
        tenure: Arc::clone(&tenure),
        schedule: Arc::clone(&schedule),
        snapshot: Arc::clone(&core.snapshot),
        chores: Arc::clone(&core.chores),
        metrics: Arc::clone(&metrics),
        health: checks.database.clone(),
        clock: Arc::clone(&context.clock),
        entropy: Arc::clone(&context.entropy),
    };
    let (clock, sole) = (Arc::clone(&context.clock), options.sole_replica);
    let keeper = Arc::new(Keeper { store, tenure, schedule, metrics, clock, sole });
    begin(&core, &keeper).await?;
    Ok(Started { core, keeper, writer, inbox })
}

/// Begins the epoch, waiting while the database is away.
async fn begin(core: &Core, keeper: &Keeper) -> Result<(), Error> {
    let mut attempt = 0;
    loop {
        let begun = async {
            keeper.begin().await?;
            core.metrics.set(core.store.stats().await?);
            Ok::<_, tripline_db::Error>(())
        };
        match begun.await {
            Ok(()) => return Ok(()),
            Err(error) if tripline_kernel::Classify::kind(&error).is_retryable() => {
                attempt += 1;
                tracing::warn!(error = &error as &dyn std::error::Error, "cannot begin yet");
                let wait = backoff(attempt, RETRY_BASE, RETRY_MAX, core.entropy.unit());
                tokio::time::sleep(wait).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// The tasks that must live as long as the service.
#[derive(Default)]
struct Tasks {
    set: JoinSet<Result<(), Error>>,
}

impl Tasks {
    /// A task that ends by itself once `stop` is cancelled, and must not before.
    fn until_stop(
        &mut self,
        name: &'static str,
        task: impl Future<Output = ()> + Send + 'static,
        stop: &CancellationToken,
    ) {
        let stop = stop.clone();
        self.set.spawn(async move {
            task.await;
            if stop.is_cancelled() { Ok(()) } else { Err(Error::TaskEnded(name)) }
        });
    }

    /// A task that goes on for ever, and is dropped when `stop` is cancelled.
    fn cancelled(
        &mut self,
        name: &'static str,
        task: impl Future<Output = ()> + Send + 'static,
        stop: &CancellationToken,
    ) {
        let cancelled = stop.clone();
        let task = async move {
            let _ = cancelled.run_until_cancelled(task).await;
        };
        self.until_stop(name, task, stop);
    }

    /// Waits for `stop`, or for the first task to fail, which stops the others.
    async fn first_failure(&mut self, stop: &CancellationToken) -> Result<(), Error> {
        let ended = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            ended = self.set.join_next() => ended,
        };
        let outcome = match ended {
            Some(Ok(Ok(()))) if stop.is_cancelled() => Ok(()),
            Some(Ok(Err(error))) => Err(error),
            // The others say their name.
            Some(Ok(Ok(())) | Err(_)) | None => Err(Error::TaskEnded("one that panicked")),
        };
        stop.cancel();
        outcome
    }
}

/// Ends in order: nothing new starts, lanes finish their frame, calls end, records are written, the epoch ends.
async fn drain(core: &Core, keeper: &Keeper, mut ending: Ending) {
    core.dispatcher.drain();
    core.calls.close();
    let calls = async {
        while ending.tasks.set.join_next().await.is_some() {}
        core.calls.wait().await;
    };
    if timeout(ending.grace, calls).await.is_err() {
        tracing::warn!("calls that are still under way are given back; they will be made again");
    }
    let closing = async {
        core.writer.close().await;
        if ending.writer.await.is_err() {
            tracing::error!("the writer has panicked");
        }
        ending.renewals.cancel();
        if ending.renewing.await.is_err() {
            tracing::error!("the keeper of the epoch has panicked");
        }
        keeper.end().await
    };
    match timeout(CLOSE_WAIT, closing).await {
        Ok(Ok(0)) => {}
        Ok(Ok(rows)) => tracing::info!(rows, "gave back what was not run"),
        Ok(Err(error)) => tracing::warn!(
            error = &error as &dyn std::error::Error,
            "the epoch could not be ended; others will take it back"
        ),
        Err(_) => tracing::warn!("the database did not answer; others will take the epoch back"),
    }
}
