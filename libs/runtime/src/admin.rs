//! The admin port: whether the process lives, is ready, what it counts, what it is.

use std::io;
use std::net::TcpListener;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::http::KeepAlive;
use actix_web::web::{Data, get};
use actix_web::{App, HttpResponse, HttpServer};
use tokio_util::sync::CancellationToken;

use crate::{BuildInfo, Health, Metrics};

/// The media type of `/metrics`.
const METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// How long an answer under way may still take once the server stops, in seconds.
const SHUTDOWN_SECONDS: u64 = 1;
/// How long a client may take to send its request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// Connections at once. Probes and scrapers need few.
const CONNECTIONS_MAX: usize = 64;

/// What the admin port tells of.
#[derive(Clone)]
pub struct Admin {
    /// Which program this is.
    pub info: BuildInfo,
    /// Whether it is ready.
    pub health: Health,
    /// What it counts.
    pub metrics: Metrics,
    /// Once cancelled the process is not ready, whatever its parts say.
    pub stopping: CancellationToken,
}

/// Serves the admin port until `stop` is cancelled. Poll or spawn what this returns.
///
/// # Errors
/// When the listener cannot be used.
pub fn serve(listener: TcpListener, admin: Admin, stop: CancellationToken) -> io::Result<Server> {
    let admin = Data::new(admin);
    let app = move || {
        App::new()
            .app_data(admin.clone())
            .route("/livez", get().to(async || json("{\"live\":true}".to_owned())))
            .route("/readyz", get().to(readyz))
            .route("/metrics", get().to(metrics))
            .route("/version", get().to(version))
    };
    let server = HttpServer::new(app)
        .workers(1)
        .worker_max_blocking_threads(1)
        .max_connections(CONNECTIONS_MAX)
        .keep_alive(KeepAlive::Disabled)
        .client_request_timeout(REQUEST_TIMEOUT)
        .shutdown_timeout(SHUTDOWN_SECONDS)
        .shutdown_signal(stop.cancelled_owned())
        .listen(listener)?;
    Ok(server.run())
}

fn json(body: String) -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(body)
}

async fn readyz(admin: Data<Admin>) -> HttpResponse {
    let mut not_ready = admin.health.not_ready();
    if admin.stopping.is_cancelled() {
        let (part, reason) = ("process".to_owned(), "stopping".to_owned());
        not_ready.insert(0, crate::NotReady { part, reason });
    }
    let body = serde_json::json!({"ready": not_ready.is_empty(), "not_ready": not_ready});
    if not_ready.is_empty() {
        HttpResponse::Ok().json(body)
    } else {
        HttpResponse::ServiceUnavailable().json(body)
    }
}

async fn metrics(admin: Data<Admin>) -> HttpResponse {
    HttpResponse::Ok().content_type(METRICS_TYPE).body(admin.metrics.render())
}

async fn version(admin: Data<Admin>) -> HttpResponse {
    HttpResponse::Ok().json(admin.info)
}
