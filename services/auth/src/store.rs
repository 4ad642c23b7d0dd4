//! What auth keeps, in its own database.
//!
//! Every transaction that writes begins by locking the counter of revisions. So writers follow one another, commits
//! come in the order of their revisions, and a reader that has seen one revision has missed none before it.

mod entity;
mod keys;
mod migration;
mod rules;

use std::sync::Arc;

use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait as _, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, EntityTrait as _,
    ExprTrait as _, QueryFilter as _,
};
use tokio::sync::watch;
use tripline_kernel::{Clock, Entropy, Uid};

pub(crate) use migration::Migrator;

use crate::Error;
use entity::counter;

/// The name of the counter of revisions.
const REVISION: &str = "revision";

/// What auth keeps.
#[derive(Clone)]
pub(crate) struct Store {
    db: DatabaseConnection,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    /// The newest revision that is known to be committed.
    newest: watch::Sender<u64>,
}

impl Store {
    pub(crate) fn new(
        db: DatabaseConnection,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        Self { db, clock, entropy, newest: watch::Sender::new(0) }
    }

    /// Whether other replicas may write to the same database. SQLite belongs to one process.
    pub(crate) fn is_shared(&self) -> bool {
        self.db.get_database_backend() != DbBackend::Sqlite
    }

    /// Follows the newest revision, which others learn of through [`Store::note`].
    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }

    /// Tells subscribers that this revision is committed.
    pub(crate) fn note(&self, revision: u64) {
        self.newest.send_if_modified(|newest| {
            let newer = revision > *newest;
            if newer {
                *newest = revision;
            }
            newer
        });
    }

    /// The newest revision: every change up to it is committed.
    pub(crate) async fn revision(&self) -> Result<u64, Error> {
        Ok(read_revision(&self.db).await?)
    }

    /// Begins a transaction that writes, in which `revision` is not taken yet by any change.
    async fn begin_write(&self) -> Result<Writing, DbErr> {
        let tx = tripline_db::begin_write(&self.db).await?;
        counter::Entity::update_many()
            .col_expr(counter::Column::Value, Expr::col(counter::Column::Value).add(1))
            .filter(counter::Column::Name.eq(REVISION))
            .exec(&tx)
            .await?;
        let revision = read_revision(&tx).await?;
        Ok(Writing { tx, revision })
    }

    async fn commit(&self, writing: Writing) -> Result<(), Error> {
        writing.tx.commit().await?;
        self.note(writing.revision);
        Ok(())
    }

    fn new_uid(&self) -> Uid {
        Uid::new(&*self.clock, &*self.entropy)
    }
}

/// A transaction that holds the lock of all writers. Dropped without a commit, it has changed nothing.
struct Writing {
    tx: DatabaseTransaction,
    revision: u64,
}

async fn read_revision(db: &impl sea_orm::ConnectionTrait) -> Result<u64, DbErr> {
    let row = counter::Entity::find_by_id(REVISION).one(db).await?;
    row.map_or(Ok(0), |row| from_i64(row.value))
}

/// A uid as it is stored.
fn bytes(uid: Uid) -> Vec<u8> {
    uid.as_bytes().to_vec()
}

fn uid(stored: &[u8]) -> Result<Uid, DbErr> {
    let bytes = stored.try_into().map_err(|_| DbErr::Type("a uid has 16 bytes".to_owned()))?;
    Ok(Uid::from_bytes(bytes))
}

fn from_i64(stored: i64) -> Result<u64, DbErr> {
    u64::try_from(stored).map_err(|_| DbErr::Type("a revision is not negative".to_owned()))
}

fn to_i64(revision: u64) -> i64 {
    i64::try_from(revision).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
