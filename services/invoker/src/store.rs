//! What the invoker keeps: invocations with their payloads and attempts, epochs, durable counters.
//!
//! Invariants:
//! - An invocation id is stored once. Which rows of a batch are new is found out exactly.
//! - A row is `running` only while it has an owner, an epoch; only its owner's record of it is taken.
//! - Counters change in the transaction of what they count: `matched` = `delivered` + `dead` + `cancelled` + rows that
//!   are pending or running.
//! - Payloads stand in a table of their own: a succeeded row gives its pages back for the next ones, and lists never
//!   read them.
//!
//! No other module knows SQL.

mod admit;
mod checkpoint;
mod claim;
mod epoch;
mod health;
mod keys;
mod migration;
mod read;
mod record;
mod retention;
mod row;
mod script;
mod sequence;
mod sql;
mod stats;

use sea_orm::{
    ConnectionTrait as _, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, SqlErr,
};
use tokio::sync::{Semaphore, SemaphorePermit};

pub(crate) use admit::Row;
pub(crate) use claim::Group;
pub(crate) use epoch::Epoch;
pub(crate) use health::Answered;
pub(crate) use migration::Migrator;
use migration::Phrases;
pub(crate) use read::{Detail, Filter, Found, Page};
pub(crate) use retention::Ended;
pub(crate) use sequence::Sequence;
pub(crate) use stats::Stats;

use checkpoint::Growth;
use sql::Query;

/// Most rows that one statement writes.
const ROWS_PER_STATEMENT_MAX: usize = 128;
/// Most rows that one transaction of a clean-up touches.
const ROWS_PER_SWEEP_MAX: usize = 500;
/// Write transactions at once on a server that takes several.
const WRITERS_MAX: usize = 4;

/// What SQLite is told on the connection that writes. Its cache must hold all the pages that one transaction changes, or
/// they are written twice. It copies its log into the file only where `checkpoint` has not done so in time: beyond
/// 256 MiB.
const SQLITE_WRITER: [&str; 2] = ["PRAGMA cache_size=-8192", "PRAGMA wal_autocheckpoint=65536"];

/// The invoker's database.
#[derive(Debug)]
pub(crate) struct Store {
    db: DatabaseConnection,
    /// On SQLite one connection that alone writes: a write through another would empty its cache. Else the same as `db`.
    writer: DatabaseConnection,
    /// Turns at writing. SQLite has one writer; waiting here is fair and wakes at once, its own lock is neither.
    turns: Semaphore,
    growth: Growth,
}

/// Why a batch was not written. Nothing of it was.
#[derive(Debug)]
pub(crate) enum BatchError {
    /// One of the invocations is stored already.
    Duplicate,
    /// One of the records is of a row that this process does not own any more.
    NotOurs,
    /// The epoch has ended: this process was taken for dead.
    EpochEnded,
    /// The database did not do it.
    Db(tripline_db::Error),
}

impl From<DbErr> for BatchError {
    fn from(error: DbErr) -> Self {
        Self::Db(tripline_db::Error(error))
    }
}

/// A transaction that has its turn.
struct Write<'a> {
    tx: DatabaseTransaction,
    growth: &'a Growth,
    _turn: SemaphorePermit<'a>,
}

impl Write<'_> {
    async fn run(&self, query: Query) -> Result<u64, DbErr> {
        let changed = self.tx.execute_raw(query.build()).await?.rows_affected();
        self.growth.add(changed);
        Ok(changed)
    }

    /// Whether the epoch still lives. Until this transaction ends, nobody can take it back.
    async fn guard(&self, store: &Store, epoch: i64) -> Result<bool, DbErr> {
        Ok(self.run(store.guard(epoch)).await? == 1)
    }

    async fn commit(self) -> Result<(), DbErr> {
        self.tx.commit().await
    }
}

impl Store {
    /// Opens the database, waiting while it is away.
    ///
    /// # Errors
    /// When it refuses.
    pub(crate) async fn open(
        options: &tripline_db::Options,
        unit_random: impl Fn() -> f64,
    ) -> Result<Self, tripline_db::Error> {
        let db = tripline_db::open::<Migrator>(options, unit_random).await?;
        if db.get_database_backend() != DbBackend::Sqlite {
            let turns = Semaphore::new(WRITERS_MAX);
            return Ok(Self { writer: db.clone(), db, turns, growth: Growth::default() });
        }
        let one = tripline_db::Options { connections_max: 1, ..options.clone() };
        let writer = tripline_db::connect(&one).await?;
        for setting in SQLITE_WRITER {
            writer.execute_unprepared(setting).await?;
        }
        Ok(Self { db, writer, turns: Semaphore::new(1), growth: Growth::default() })
    }

    fn query(&self, sql: &str) -> Query {
        Query::new(self.db.get_database_backend(), sql)
    }

    /// Whether the database is a file: one writer, and statements that cost less than a commit.
    pub(crate) fn is_sqlite(&self) -> bool {
        self.db.get_database_backend() == DbBackend::Sqlite
    }

    /// Changes one row if the epoch lives, and nothing of it.
    fn guard(&self, epoch: i64) -> Query {
        let mut query = self.query("UPDATE epochs SET slot=slot WHERE epoch=");
        query.bind(epoch);
        query
    }

    fn phrases(&self) -> &'static Phrases {
        Phrases::of(self.db.get_database_backend())
    }

    async fn write(&self) -> Result<Write<'_>, DbErr> {
        let turn = self.turns.acquire().await.expect("the semaphore is never closed");
        let tx = tripline_db::begin_write(&self.writer).await?;
        Ok(Write { tx, growth: &self.growth, _turn: turn })
    }

    /// Waits until it is this caller's turn to write. What comes in meanwhile can go into the same transaction.
    pub(crate) async fn turn_comes(&self) {
        drop(self.turns.acquire().await);
    }
}

fn is_taken(error: &DbErr) -> bool {
    matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_)))
}

#[cfg(test)]
mod tests;
