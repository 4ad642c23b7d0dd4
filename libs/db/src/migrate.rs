//! Migrations, by one replica at a time.

use sea_orm::{
    ConnAcquireErr, ConnectionTrait as _, DatabaseConnection, DatabaseTransaction, DbBackend,
    DbErr, Statement,
};
use sea_orm_migration::MigratorTrait;

/// How long a replica waits for another's migrations before it tries anew, in seconds (MySQL).
const LOCK_TIMEOUT_SECONDS: u32 = 60;
/// The lock of the migrations. One per database on MySQL, where such locks are server-wide.
const LOCK_MYSQL: &str = "CONCAT('tripline-migrate-', MD5(DATABASE()))";
/// The lock of the migrations in a PostgreSQL database: the bytes of "tripline".
const LOCK_POSTGRES: i64 = 0x7472_6970_6c69_6e65;

/// Brings the schema up to date. A schema that is up to date is only read, so a user who may change no schema will do
/// once another has run the migrations.
///
/// On SQLite and PostgreSQL all pending migrations happen together or not at all. MySQL commits each change of a table
/// by itself, so migrations there must be able to run again after a crash (`if_not_exists`).
pub(crate) async fn up<M: MigratorTrait>(db: &DatabaseConnection) -> Result<(), DbErr> {
    if is_current::<M>(db).await {
        return Ok(());
    }
    let tx = crate::begin_write(db).await?;
    lock(&tx).await?;
    let outcome = M::up(&tx, None).await;
    if tx.get_database_backend() == DbBackend::MySql {
        // The lock belongs to the session, which goes back to the pool.
        tx.execute_unprepared(&format!("DO RELEASE_LOCK({LOCK_MYSQL})")).await?;
    }
    match outcome {
        Ok(()) => tx.commit().await,
        Err(error) => {
            tx.rollback().await?;
            Err(error)
        }
    }
}

/// Whether exactly the migrations that this program knows have been applied. Anything that is in the way says no: the
/// migrations themselves then meet it.
async fn is_current<M: MigratorTrait>(db: &DatabaseConnection) -> bool {
    M::get_pending_migrations_read_only(db).await.is_ok_and(|pending| pending.is_empty())
}

async fn lock(tx: &DatabaseTransaction) -> Result<(), DbErr> {
    match tx.get_database_backend() {
        DbBackend::MySql => {
            let lock = format!("SELECT GET_LOCK({LOCK_MYSQL}, {LOCK_TIMEOUT_SECONDS})");
            let row = tx.query_one_raw(Statement::from_string(DbBackend::MySql, lock)).await?;
            let locked = row.map(|row| row.try_get_by_index::<Option<i64>>(0)).transpose()?;
            // What could not be locked in time is tried again, as a database that is away.
            let locked = locked.flatten().is_some_and(|locked| locked == 1);
            if locked { Ok(()) } else { Err(DbErr::ConnectionAcquire(ConnAcquireErr::Timeout)) }
        }
        DbBackend::Postgres => {
            let lock = format!("SELECT pg_advisory_xact_lock({LOCK_POSTGRES})");
            tx.execute_unprepared(&lock).await.map(drop)
        }
        // The transaction holds the write lock since it began.
        _ => Ok(()),
    }
}
