//! What event-monitor keeps in its database. Rows become the words of the service here and go no further.
//!
//! Writes that another replica could undo the sense of carry an epoch: the lease's. One that is behind is refused, so a
//! replica that lost its lease without noticing changes nothing.

mod bus;
mod checkpoint;
mod entity;
mod inventory;
mod lease;
mod memory;
mod schema;
mod status;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use sea_orm::{DatabaseConnection, DbErr};
use tripline_kernel::{Classify, ErrorKind, Uid};

pub(crate) use checkpoint::{Checkpoint, Claimed, Partition};
pub(crate) use lease::{Lease, Unit, UnitKind};
pub(crate) use memory::{KEY_BYTES_MAX, Tenure};
pub(crate) use schema::Migrator;
pub(crate) use status::{SourceState, SourceStatus};

/// The database of event-monitor.
#[derive(Clone)]
pub(crate) struct Store {
    db: DatabaseConnection,
}

impl Store {
    pub(crate) fn new(db: DatabaseConnection) -> Self {
        Self { db }
    }

    /// A new store in a file of its own.
    #[cfg(test)]
    pub(crate) async fn in_directory(dir: &std::path::Path) -> Self {
        let url = format!("sqlite://{}", dir.join("monitor.db").display()).into();
        let options = tripline_db::Options { url, ..tripline_db::Options::default() };
        let db = tripline_db::open::<Migrator>(&options, || 0.5).await;
        Self::new(db.expect("a directory takes a database"))
    }

    /// Takes the database away.
    #[cfg(test)]
    pub(crate) async fn close(&self) {
        self.db.close_by_ref().await.expect("a database can be closed");
    }
}

/// Why the store did not do what was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum Error {
    /// The database did not answer, or not as it should.
    #[error(transparent)]
    Database(#[from] tripline_db::Error),
    /// Another replica holds the lease now.
    #[error("another replica has taken over")]
    Fenced,
    /// The database did not answer in time.
    #[error("the database did not answer in time")]
    Late,
    /// A row does not hold what it must.
    #[error("the stored {0} cannot be read")]
    Damaged(&'static str),
}

impl From<DbErr> for Error {
    fn from(error: DbErr) -> Self {
        Self::Database(tripline_db::Error(error))
    }
}

impl Classify for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Database(error) => error.kind(),
            Self::Fenced => ErrorKind::Conflict,
            Self::Late => ErrorKind::Unavailable,
            Self::Damaged(_) => ErrorKind::Internal,
        }
    }

    fn code(&self) -> Cow<'static, str> {
        match self {
            Self::Database(error) => error.code(),
            Self::Fenced => "lease-lost".into(),
            Self::Late => "store-unavailable".into(),
            Self::Damaged(_) => "store-corrupt".into(),
        }
    }
}

fn bytes(uid: Uid) -> Vec<u8> {
    uid.as_bytes().to_vec()
}

fn uid(bytes: &[u8], what: &'static str) -> Result<Uid, Error> {
    bytes.try_into().map(Uid::from_bytes).map_err(|_| Error::Damaged(what))
}

/// SQL knows no unsigned numbers; none of ours reaches the 63rd bit.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
