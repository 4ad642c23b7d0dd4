//! Connections to a service's own database: SQLite on a laptop, MariaDB, MySQL or PostgreSQL in a cluster.
//!
//! Whatever the server's own settings are, a session has the same rules: UTC, strict types, READ COMMITTED, and a
//! commit that is on disk.

mod connect;
mod error;
mod migrate;

use std::time::Duration;

use sea_orm::{
    DatabaseConnection, DatabaseTransaction, DbErr, SqliteTransactionMode, TransactionOptions,
    TransactionTrait as _,
};
use sea_orm_migration::MigratorTrait;
use secrecy::{ExposeSecret as _, SecretString};
use tripline_kernel::{Fault, backoff, milliseconds};

pub use connect::connect;
pub use error::{Error, is_away, is_contended};

/// Where a service keeps what it owns.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// `sqlite://FILE`, `mysql://USER:PASSWORD@HOST:PORT/DATABASE` or `postgres://USER:PASSWORD@HOST:PORT/DATABASE`.
    #[serde(serialize_with = "tripline_kernel::masked")]
    #[schemars(with = "String", example = "mysql://tripline:tripline@127.0.0.1:3306/tripline")]
    pub url: SecretString,
    /// Most connections open at once. SQLite writes through one at a time in any case.
    pub connections_max: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self { url: SecretString::from(""), connections_max: 8 }
    }
}

impl Options {
    /// Every fault.
    #[must_use]
    pub fn validate(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        let known = ["sqlite:", "mysql:", "postgres:", "postgresql:"];
        if !known.iter().any(|scheme| self.url.expose_secret().starts_with(scheme)) {
            let detail =
                "must be sqlite://FILE, mysql://USER:PASSWORD@HOST:PORT/DATABASE or postgres://…";
            faults.push(Fault::new("/url", "bad-database-url", detail));
        }
        if self.connections_max == 0 {
            faults.push(Fault::new("/connections_max", "too-small", "must be at least 1"));
        }
        faults
    }
}

/// The waits between attempts to connect at start grow from here…
const RETRY_BASE: Duration = Duration::from_millis(100);
/// …to here.
const RETRY_CAP: Duration = Duration::from_secs(5);

/// Connects, waiting with back-off while the database is down, and brings the schema up to date.
///
/// Cancel by dropping. Several replicas may do this at once: one migrates, the others wait for it.
///
/// # Errors
/// When the address cannot be read, the database refuses the credentials, or a migration fails.
pub async fn open<M: MigratorTrait>(
    options: &Options,
    unit_random: impl Fn() -> f64,
) -> Result<DatabaseConnection, Error> {
    let mut attempt = 0;
    loop {
        let error = match connect_and_migrate::<M>(options).await {
            Ok(db) => return Ok(db),
            Err(error) if is_away(&error) || is_contended(&error) => error,
            Err(error) => return Err(Error(error)),
        };
        attempt += 1;
        let wait = backoff(attempt, RETRY_BASE, RETRY_CAP, unit_random());
        let retry_ms = milliseconds(wait);
        tracing::warn!(error = %error, retry_ms, "the database cannot be reached yet");
        tokio::time::sleep(wait).await;
    }
}

async fn connect_and_migrate<M: MigratorTrait>(
    options: &Options,
) -> Result<DatabaseConnection, DbErr> {
    let db = connect(options).await?;
    migrate::up::<M>(&db).await?;
    Ok(db)
}

/// Begins a transaction that writes.
///
/// On SQLite it takes the write lock at once, so that it may read first: one that reads and then writes would fail when
/// another has written in between.
///
/// # Errors
/// When the database is away, or another writer holds SQLite's lock for too long ([`is_contended`]).
pub async fn begin_write(db: &DatabaseConnection) -> Result<DatabaseTransaction, DbErr> {
    let options = TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..TransactionOptions::default()
    };
    db.begin_with_options(options).await
}

#[cfg(test)]
mod tests;
