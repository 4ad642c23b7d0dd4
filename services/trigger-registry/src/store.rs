//! The registry's own database: nothing outside this module knows of tables.
//!
//! # Invariants
//! - Whoever writes first takes the counter row ([`Write`]): writers stand in line, so what a write reads stays true
//!   until it commits, and revisions are committed in their order.
//! - Each change of a resource leaves one row in the change feed, the newest of its resource.

mod bus;
mod changes;
mod counter;
mod function;
mod idempotency;
mod meta;
mod migration;
mod outbox;
mod relations;
mod resources;
mod revisions;
mod source;
mod trigger;
mod write;

#[cfg(test)]
mod tests;

pub(crate) use changes::{Changed, changed_after};
pub(crate) use idempotency::{KEY_BYTES_MAX, Kept, Key};
pub(crate) use outbox::{Entry, Grant, Task, due, is_settled, pending_count};
pub(crate) use relations::{relations_from, relations_of, relations_to};
pub(crate) use resources::{Stored, all, named, page, with_uid, with_uids};
pub(crate) use revisions::definition_at;
pub(crate) use source::on_bus as sources_on_bus;
pub(crate) use trigger::{on_bus as triggers_on_bus, using_function, using_source};
pub(crate) use write::Write;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use migration::Migrator;
use sea_orm::{ConnAcquireErr, ConnectionTrait as _, DatabaseConnection, DbBackend, DbErr};
use tokio::sync::{Semaphore, watch};
use tripline_kernel::{Classify, Clock, Entropy, ErrorKind, Uid};

/// What can go wrong with the store.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum Error {
    /// The database did not do what was asked. A write may have been made or not.
    #[error("the registry's database cannot be used right now")]
    Unavailable(#[from] DbErr),
    /// A stored value is not one that this program writes.
    #[error("the registry's database holds a wrong value: {0}")]
    Corrupt(&'static str),
}

impl Classify for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Unavailable(_) => ErrorKind::Unavailable,
            Self::Corrupt(_) => ErrorKind::Internal,
        }
    }

    fn code(&self) -> Cow<'static, str> {
        match self {
            Self::Unavailable(_) => "store-unavailable".into(),
            Self::Corrupt(_) => "store-corrupt".into(),
        }
    }

    fn retry_after_seconds(&self) -> Option<u32> {
        matches!(self, Self::Unavailable(_)).then_some(1)
    }
}

/// The database, and the news of what was committed to it.
#[derive(Clone)]
pub(crate) struct Store {
    db: DatabaseConnection,
    clock: Arc<dyn Clock>,
    head: watch::Sender<u64>,
    /// Writers of this process take turns here: in SQLite's own queue the last to come may be served first, or never.
    turn: Arc<Semaphore>,
}

/// How long a writer may wait for its turn.
const TURN_TIMEOUT: Duration = Duration::from_secs(5);

impl Store {
    /// Brings the schema up to date, waiting while the database is away.
    pub(crate) async fn migrate(
        options: &tripline_db::Options,
        entropy: &dyn Entropy,
    ) -> Result<(), tripline_db::Error> {
        tripline_db::open::<Migrator>(options, || entropy.unit()).await.map(drop)
    }

    /// Connects, waiting while the database is away, and brings the schema up to date.
    pub(crate) async fn open(
        options: &tripline_db::Options,
        clock: Arc<dyn Clock>,
        entropy: &dyn Entropy,
    ) -> Result<Self, tripline_db::Error> {
        let db = tripline_db::open::<Migrator>(options, || entropy.unit()).await?;
        Ok(Self { db, clock, head: watch::Sender::new(0), turn: Arc::new(Semaphore::new(1)) })
    }

    /// For reading.
    pub(crate) fn db(&self) -> &DatabaseConnection {
        &self.db
    }

    /// Leaves nothing of what was written over in a database that is a file: writes it anew. A server keeps its files to
    /// itself.
    pub(crate) async fn wipe(&self) -> Result<(), Error> {
        if self.db.get_database_backend() == DbBackend::Sqlite {
            for statement in ["VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"] {
                self.db.execute_unprepared(statement).await?;
            }
        }
        Ok(())
    }

    /// Begins a write, behind those that have begun before.
    pub(crate) async fn write(&self) -> Result<Write, Error> {
        let late = || DbErr::ConnectionAcquire(ConnAcquireErr::Timeout);
        let turn = Arc::clone(&self.turn).acquire_owned();
        let turn = tokio::time::timeout(TURN_TIMEOUT, turn).await.map_err(|_| late())?;
        let turn = turn.expect("nobody closes the semaphore");
        Write::begin(&self.db, self.clock.now(), self.head.clone(), turn).await
    }

    /// The newest revision that is known to be committed, as it rises. What other replicas write shows at the next
    /// [`Self::look`].
    pub(crate) fn head(&self) -> watch::Receiver<u64> {
        self.head.subscribe()
    }

    /// Looks up the newest committed revision.
    pub(crate) async fn look(&self) -> Result<u64, Error> {
        let revision = counter::revision(&self.db).await?;
        raise(&self.head, revision);
        Ok(revision)
    }
}

fn raise(head: &watch::Sender<u64>, revision: u64) {
    head.send_if_modified(|known| {
        let newer = revision > *known;
        *known = revision.max(*known);
        newer
    });
}

fn uid(bytes: &[u8]) -> Result<Uid, Error> {
    bytes.try_into().map(Uid::from_bytes).map_err(|_| Error::Corrupt("uid"))
}

fn optional_uid(bytes: Option<&[u8]>) -> Result<Option<Uid>, Error> {
    bytes.map(uid).transpose()
}

fn bytes(uid: Uid) -> Vec<u8> {
    uid.as_bytes().to_vec()
}

/// Numbers are stored as signed 64-bit integers.
fn number<T: TryFrom<i64>>(stored: i64, what: &'static str) -> Result<T, Error> {
    T::try_from(stored).map_err(|_| Error::Corrupt(what))
}

/// The reverse of [`number`]. Nothing that is stored comes near the limit.
fn stored(number: impl TryInto<i64>) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}

fn parse_document<T: serde::de::DeserializeOwned>(
    json: &str,
    what: &'static str,
) -> Result<T, Error> {
    serde_json::from_str(json).map_err(|_| Error::Corrupt(what))
}

fn document(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("documents have only text keys")
}
