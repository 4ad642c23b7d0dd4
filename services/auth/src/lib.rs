//! The auth service: tenants, API keys, and the rules that say who may invoke which function.
//!
//! A rule is kept as the set of relations that need it. [`run`] serves it over gRPC; everything is in one database.

mod error;
mod grpc;
mod options;
mod poll;
mod rule;
mod store;
mod watch;

use std::sync::Arc;

use tonic::service::Routes;
use tonic::service::interceptor::InterceptedService;
use tripline_contracts::pb::auth_server::AuthServer;
use tripline_contracts::transport::{self, Demand, Listener};
use tripline_runtime::Context;
use tripline_signing::ServiceKey;

pub use error::Error;
pub use options::Options;

use grpc::Service;
use store::{Migrator, Store};

/// What `main` gives the service.
pub struct Ports {
    /// Where the other services' calls come in.
    pub listener: Listener,
    /// What they prove themselves with.
    pub service_key: Arc<ServiceKey>,
}

/// Serves until `context.stop` is cancelled. Waits, not ready, while the database is down at the start.
///
/// At each start the default tenant is made if it is not there, and the administrator's API key is put in force.
///
/// # Errors
/// When the database refuses what it is asked at the start, or accepting connections fails for good.
pub async fn run(options: Options, ports: Ports, context: Context) -> Result<(), Error> {
    let database = context.health.part("auth: database");
    let admin_key = options.admin_key()?;
    let opening = tripline_db::open::<Migrator>(&options.db, || context.entropy.unit());
    let db = tokio::select! {
        db = opening => db?,
        () = context.stop.cancelled() => return Ok(()),
    };
    let store = Store::new(db, context.clock.clone(), context.entropy.clone());
    store.begin(admin_key.as_ref()).await?;
    database.ready();
    if store.is_shared() {
        context.tasks.spawn(poll::run(store.clone(), database, context.stop.clone()));
    }
    let service = Service::new(store, &context);
    let demand = Demand::new(ports.service_key, context.clock);
    let routes = Routes::new(InterceptedService::new(AuthServer::new(service), demand));
    transport::serve(ports.listener, routes, context.tracer, context.stop)
        .await
        .map_err(Error::Serve)
}

/// Brings the schema of auth's database up to date, waiting while the database is away.
///
/// # Errors
/// When the database refuses it.
pub async fn migrate(options: &Options, context: &Context) -> Result<(), Error> {
    tripline_db::open::<Migrator>(&options.db, || context.entropy.unit()).await?;
    Ok(())
}
