//! Putting the service together, and taking it apart.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tripline_bus::{Gatherer, Stream};
use tripline_contracts::pb::monitor_server::MonitorServer;
use tripline_contracts::transport::{Demand, serve};
use tripline_kernel::Uid;
use tripline_runtime::{Check, Context};

use crate::board::Board;
use crate::error::Error;
use crate::grpc::Service;
use crate::lease::{Checks, Keeper, Work};
use crate::metrics::Metrics;
use crate::options::{Options, Ports};
use crate::registry::{Follower, Registry, Snapshot};
use crate::sources::Prober;
use crate::standing::Standings;
use crate::store::{self, Migrator, Partition, Store, Tenure, UnitKind};
use crate::{router, sources};

/// Runs event-monitor until `context.stop` is cancelled, then drains: routers wait for what is in the lanes and write
/// their last checkpoint, sources end, leases are given back.
///
/// # Errors
/// When its database refuses it, or something that it cannot do without has ended.
pub async fn run(options: Options, ports: Ports, context: Context) -> Result<(), Error> {
    let database = context.health.part("event-monitor: database");
    let registry = context.health.part("event-monitor: registry");
    let board = Board::new(context.health.part("event-monitor: routing"));
    let (store, known) = tokio::select! {
        started = start(&options, &context) => started?,
        () = context.stop.cancelled() => return Ok(()),
    };
    database.ready();
    let control = Registry::new(ports.registry.clone());
    let (follower, snapshot) = Follower::new(
        control.clone(),
        store.clone(),
        Arc::clone(&context.entropy),
        registry,
        known,
    );

    // Sources still append while they are being stopped: the gatherer goes last.
    let appending = CancellationToken::new();
    let _appending_ends = appending.clone().drop_guard();
    let parts = Parts { store, snapshot, board, database, appending };
    let prober = Prober::new(ports.sources.clone(), context.tasks.clone());
    let service = Service {
        store: parts.store.clone(),
        snapshot: parts.snapshot.clone(),
        prober,
        standings: Standings::new(parts.store.clone()),
    };
    let demand = Demand::new(Arc::clone(&ports.service_key), Arc::clone(&context.clock));
    let keeper = parts.keeper(&options, &ports, &context, control);
    let stop = context.stop.child_token();

    let mut tasks = JoinSet::new();
    let routes = Routes::new(MonitorServer::with_interceptor(service, demand));
    let serving = serve(ports.listener, routes, context.tracer.clone(), stop.clone());
    tasks.spawn(async move { ("gRPC service", serving.await.map_err(Error::from)) });
    let following = follower.run(stop.clone());
    tasks.spawn(async move {
        following.await;
        ("registry feed", Ok(()))
    });
    let keeping = keeper.run(stop.clone());
    tasks.spawn(async move { ("leases", keeping.await) });
    until_all_ended(tasks, &stop).await
}

/// Waits for all tasks. The first to end unasked stops the others.
async fn until_all_ended(
    mut tasks: JoinSet<(&'static str, Result<(), Error>)>,
    stop: &CancellationToken,
) -> Result<(), Error> {
    let mut outcome = Ok(());
    while let Some(ended) = tasks.join_next().await {
        let ended = match ended {
            Ok((task, Ok(()))) if !stop.is_cancelled() => Err(Error::TaskEnded(task)),
            Ok((_, result)) => result,
            Err(_) => Err(Error::TaskEnded("one that panicked")),
        };
        stop.cancel();
        outcome = outcome.and(ended);
    }
    outcome
}

/// Brings the schema of event-monitor's database up to date, waiting while the database is away.
///
/// # Errors
/// When the database refuses it.
pub async fn migrate(options: &Options, context: &Context) -> Result<(), Error> {
    tripline_db::open::<Migrator>(&options.db, || context.entropy.unit()).await?;
    Ok(())
}

async fn start(
    options: &Options,
    context: &Context,
) -> Result<(Store, Vec<crate::registry::Bus>), Error> {
    let db = tripline_db::open::<Migrator>(&options.db, || context.entropy.unit()).await?;
    let store = Store::new(db);
    let known = store.buses().await.map_err(|error| match error {
        store::Error::Database(error) => Error::Store(error),
        store::Error::Damaged(what) => Error::Damaged(what),
        store::Error::Fenced | store::Error::Late => Error::Damaged("bus"),
    })?;
    Ok((store, known))
}

/// What the keeper's work is made of.
struct Parts {
    store: Store,
    snapshot: watch::Receiver<Arc<Snapshot>>,
    board: Board,
    database: Check,
    appending: CancellationToken,
}

impl Parts {
    fn keeper(
        self,
        options: &Options,
        ports: &Ports,
        context: &Context,
        control: Registry,
    ) -> Keeper {
        let metrics = context.metrics.register(Metrics::register);
        let routers = Arc::new(router::Surroundings {
            log: Arc::clone(&ports.log),
            lanes: Arc::clone(&ports.lanes),
            checkpoints: Arc::new(self.store.clone()),
            control: Arc::new(control),
            snapshot: self.snapshot.clone(),
            clock: Arc::clone(&context.clock),
            entropy: Arc::clone(&context.entropy),
            metrics: metrics.clone(),
            board: self.board.clone(),
            limits: options.limits(),
            tracer: context.tracer.clone(),
        });
        let gatherer = Gatherer::new(Arc::clone(&ports.log), context.tasks.clone(), self.appending);
        let hosts = Arc::new(sources::Surroundings {
            store: self.store.clone(),
            gatherer,
            kinds: ports.sources.clone(),
            snapshot: self.snapshot.clone(),
            clock: Arc::clone(&context.clock),
            entropy: Arc::clone(&context.entropy),
            metrics,
            tasks: context.tasks.clone(),
        });
        let work: Work = Arc::new(move |tenure, drain| work(&routers, &hosts, tenure, drain));
        let replica = Uid::new(&*context.clock, &*context.entropy);
        let own = (self.store, Arc::clone(&context.clock), replica);
        let checks = Checks { database: self.database, board: self.board };
        Keeper::new(own, options.sole_replica, self.snapshot, checks, work)
    }
}

fn work(
    routers: &Arc<router::Surroundings>,
    hosts: &Arc<sources::Surroundings>,
    tenure: Tenure,
    drain: CancellationToken,
) -> BoxFuture<'static, ()> {
    let unit = tenure.unit;
    if unit.kind == UnitKind::Source {
        return Box::pin(sources::host(Arc::clone(hosts), tenure, drain));
    }
    let stream = Stream { bus: unit.uid, partition: unit.partition };
    let partition = Partition { tenant: unit.tenant, stream };
    Box::pin(router::host(Arc::clone(routers), partition, tenure.epoch, drain))
}
