//! Connections to a service's own database: SQLite on a laptop, MariaDB, MySQL or PostgreSQL in a cluster.

use std::borrow::Cow;
use std::time::Duration;

use sea_orm::{ConnectOptions, Database, DatabaseConnection, DbErr};
use sea_orm_migration::MigratorTrait;
use secrecy::{ExposeSecret as _, SecretString};
use tripline_kernel::{Classify, ErrorKind, backoff};

/// Where a service keeps what it owns.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// `sqlite://FILE`, `mysql://USER:PASSWORD@HOST:PORT/DATABASE` or `postgres://USER:PASSWORD@HOST:PORT/DATABASE`.
    pub url: SecretString,
    /// Most connections open at once. SQLite writes through one at a time in any case.
    pub connections_max: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self { url: SecretString::from(""), connections_max: 8 }
    }
}

/// A database did not do what was asked.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the database cannot be used: {0}")]
pub struct Error(#[from] pub DbErr);

impl Classify for Error {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Unavailable
    }

    fn code(&self) -> Cow<'static, str> {
        "store-unavailable".into()
    }

    fn retry_after_seconds(&self) -> Option<u32> {
        Some(1)
    }
}

/// How long one attempt to connect, or to get a connection from the pool, may take.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// The waits between attempts to connect at start grow from here…
const RETRY_BASE: Duration = Duration::from_millis(100);
/// …to here.
const RETRY_CAP: Duration = Duration::from_secs(5);

/// Connects, waiting with back-off while the database is down, and brings the schema up to date.
///
/// Cancel by dropping. Several replicas may do this at once.
///
/// # Errors
/// When the address cannot be read, or a migration fails for another reason than the database being away.
pub async fn open<M: MigratorTrait>(
    options: &Options,
    unit_random: impl Fn() -> f64,
) -> Result<DatabaseConnection, Error> {
    let mut attempt = 0;
    loop {
        let error = match connect_and_migrate::<M>(options).await {
            Ok(db) => return Ok(db),
            Err(error) if is_away(&error) => error,
            Err(error) => return Err(Error(error)),
        };
        attempt += 1;
        let wait = backoff(attempt, RETRY_BASE, RETRY_CAP, unit_random());
        tracing::warn!(error = %error, retry_ms = wait.as_millis(), "the database cannot be reached yet");
        tokio::time::sleep(wait).await;
    }
}

/// Connects without waiting for a database that is down.
///
/// # Errors
/// When the address cannot be read or the database not be reached.
pub async fn connect(options: &Options) -> Result<DatabaseConnection, DbErr> {
    let url = options.url.expose_secret();
    let mut connect = ConnectOptions::new(url);
    connect
        .sqlx_logging(false)
        .min_connections(0)
        .max_connections(options.connections_max.max(1))
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .connect_timeout(ACQUIRE_TIMEOUT)
        .test_before_acquire(!url.starts_with("sqlite:"));
    connect.map_sqlx_sqlite_opts(|sqlite| {
        sqlite
            .create_if_missing(true)
            .pragma("journal_mode", "WAL")
            .pragma("synchronous", "FULL")
            .pragma("busy_timeout", "5000")
            .pragma("foreign_keys", "ON")
            // A small cache: what is hot here is the end of a few tables.
            .pragma("cache_size", "-1024")
    });
    Database::connect(connect).await
}

async fn connect_and_migrate<M: MigratorTrait>(
    options: &Options,
) -> Result<DatabaseConnection, DbErr> {
    let db = connect(options).await?;
    M::up(&db, None).await?;
    Ok(db)
}

/// Whether the database could not be reached, as opposed to having refused what was asked.
#[must_use]
pub fn is_away(error: &DbErr) -> bool {
    matches!(error, DbErr::ConnectionAcquire(_) | DbErr::Conn(_))
}
