//! Wiring, serving, draining.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::middleware::from_fn;
use actix_web::web::Data;
use actix_web::{App, HttpServer};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tripline_bus::{EventLog, Gatherer};
use tripline_cache::SeenKeys;
use tripline_contracts::transport::Client;
use tripline_runtime::Context;
use tripline_sandbox::Sandbox;

use crate::authn::Authenticator;
use crate::gateway::Gateway;
use crate::metrics::Metrics;
use crate::peers::Peers;
use crate::publish::Publisher;
use crate::rates::Rate;
use crate::routes::Tails;
use crate::snapshot::Snapshot;
use crate::trials::Trials;
use crate::watch::Watch;
use crate::{Error, Options, observe, routes};

/// What the gateway is given to work with.
pub struct Ports {
    /// Where HTTP is served; bound already.
    pub http: TcpListener,
    /// trigger-registry. Like the clients below, it carries its proof of identity.
    pub registry: Client,
    /// auth.
    pub auth: Client,
    /// invoker.
    pub invoker: Client,
    /// event-monitor.
    pub monitor: Client,
    /// The event log.
    pub log: Arc<dyn EventLog>,
    /// What has been published lately: a convenience, never the truth.
    pub seen: Arc<dyn SeenKeys>,
    /// Where transforms are tried.
    pub transforms: Sandbox,
}

/// Serves HTTP until `context.stop` is cancelled, then finishes the requests under way.
///
/// Ready once trigger-registry's resources have been received. Goes on with what it knows when the other services are
/// away. Must be called within a multi-threaded tokio runtime.
///
/// # Errors
/// When the HTTP server cannot start or breaks off, or a task that it needs has ended.
pub async fn run(options: Options, ports: Ports, context: Context) -> Result<(), Error> {
    let caught_up = context.health.part("api-gateway: registry snapshot");
    let serving = context.health.part("api-gateway: http");
    // Requests under way still append while the server drains, so the gatherer outlasts it.
    let drained = CancellationToken::new();
    let _drained = drained.clone().drop_guard();

    let peers = Peers::new(ports.registry, ports.auth, ports.invoker, ports.monitor);
    let snapshot = Arc::new(Snapshot::default());
    let (clock, tasks) = (Arc::clone(&context.clock), context.tasks.clone());
    let gatherer = Gatherer::new(ports.log, tasks.clone(), drained);
    let watch = Watch {
        registry: peers.registry.clone(),
        snapshot: Arc::clone(&snapshot),
        caught_up,
        context: context.clone(),
    };
    let patterns: Vec<_> = routes().into_iter().map(|(pattern, _)| pattern).collect();
    let gateway = Data::new(Gateway {
        authenticator: Authenticator::new(peers.auth.clone(), Arc::clone(&clock), tasks.clone()),
        publisher: Publisher::new(gatherer, ports.seen, Arc::clone(&clock), tasks.clone()),
        metrics: Metrics::register(&context.metrics, &patterns),
        tracer: context.tracer.clone(),
        tails: Tails::default(),
        transforms: ports.transforms,
        trials: Trials::default(),
        clock,
        tasks: tasks.clone(),
        runtime: Handle::current(),
        stop: context.stop.clone(),
        requests: Rate::new("requests", options.requests_per_second_max),
        publishes: Rate::new("publishes", options.publishes_per_second_max),
        options: options.clone(),
        peers,
        snapshot,
    });
    let following = tasks.spawn(watch.run());
    let server = http_server(ports.http, &options, gateway, context.stop.clone())?;
    serving.ready();
    let mut server = std::pin::pin!(server);
    tokio::select! {
        ended = &mut server => ended?,
        _ = following => {
            if !context.stop.is_cancelled() {
                return Err(Error::Task("registry watch"));
            }
            server.await?;
        }
    }
    if context.stop.is_cancelled() { Ok(()) } else { Err(Error::Task("http server")) }
}

/// Not async: what actix builds the server from cannot cross an await, the server itself can.
fn http_server(
    listener: TcpListener,
    options: &Options,
    gateway: Data<Gateway>,
    stop: CancellationToken,
) -> io::Result<Server> {
    let app = move || {
        App::new().app_data(gateway.clone()).wrap(from_fn(observe::count)).configure(routes::mount)
    };
    let mut server = HttpServer::new(app);
    if options.workers > 0 {
        server = server.workers(options.workers);
    }
    Ok(server
        .keep_alive(Duration::from_secs(options.keep_alive_seconds))
        .client_request_timeout(Duration::from_millis(options.head_timeout_ms))
        .max_connections(options.connections_max)
        .tcp_nodelay(true)
        .shutdown_timeout(options.drain_timeout_seconds)
        .shutdown_signal(stop.cancelled_owned())
        .listen(listener)?
        .run())
}
