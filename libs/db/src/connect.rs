//! Sessions with the same rules on every server.

use std::time::Duration;

use sea_orm::sqlx::{Executor as _, MySql, pool::PoolOptions};
use sea_orm::{ConnectOptions, Database, DatabaseConnection, DbErr};
use secrecy::ExposeSecret as _;

use crate::Options;

/// How long one attempt to connect, or to get a connection from the pool, may take.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// A connection that nobody has used for this long is closed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(300);
/// A connection that was used this recently is taken to be alive, without asking the server.
const TRUSTED_FOR: Duration = Duration::from_secs(1);

/// A session that stays idle within a transaction for this long is ended by the server: a process that is frozen half-way
/// must not keep others from the rows it has locked for as long as its leases last. MySQL has no such limit.
const IDLE_IN_TRANSACTION_MAX: &str = "5s";

/// What each session with MySQL or MariaDB begins with. Without strict mode a value that does not fit is cut silently;
/// REPEATABLE READ, the default, locks gaps that concurrent inserts then deadlock on. MariaDB alone reads the comment.
const MYSQL_SESSION: [&str; 2] = [
    "SET SESSION time_zone = '+00:00', sql_mode = 'STRICT_ALL_TABLES,ONLY_FULL_GROUP_BY,\
     NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION,PIPES_AS_CONCAT' \
     /*M!100300 , idle_transaction_timeout = 5 */",
    "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
];

/// Connects without waiting for a database that is down.
///
/// # Errors
/// When the address cannot be read or the database not be reached.
pub async fn connect(options: &Options) -> Result<DatabaseConnection, DbErr> {
    let url = options.url.expose_secret();
    let sqlite = url.starts_with("sqlite:");
    let mut connect = ConnectOptions::new(url);
    connect
        .sqlx_logging(false)
        .min_connections(0)
        .max_connections(options.connections_max.max(1))
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .connect_timeout(ACQUIRE_TIMEOUT)
        .test_before_acquire(false);
    if sqlite {
        // Opening the file anew costs more than keeping it open.
        connect.idle_timeout(None::<Duration>).max_lifetime(None::<Duration>);
    } else {
        connect.idle_timeout(IDLE_TIMEOUT).test_before_acquire_if_idle_for(TRUSTED_FOR);
    }
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
    connect.map_sqlx_mysql_pool_opts(|pool: PoolOptions<MySql>| {
        pool.after_connect(|session, _| {
            Box::pin(async move {
                for statement in MYSQL_SESSION {
                    session.execute(statement).await?;
                }
                Ok(())
            })
        })
    });
    connect.map_sqlx_postgres_opts(|postgres| {
        postgres.options([
            ("TimeZone", "UTC"),
            ("default_transaction_isolation", "read committed"),
            ("synchronous_commit", "on"),
            ("idle_in_transaction_session_timeout", IDLE_IN_TRANSACTION_MAX),
        ])
    });
    Database::connect(connect).await
}
