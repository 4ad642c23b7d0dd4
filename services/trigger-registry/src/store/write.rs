//! One write transaction, and the revisions it gives out.

use sea_orm::{DatabaseConnection, DatabaseTransaction, TransactionTrait as _};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tripline_kernel::Timestamp;

use super::resources::Stored;
use super::{Error, changes, counter, raise, resources};
use crate::resource::Meta;

/// A write transaction. Dropped without a commit, it has changed nothing, and used up no revision.
pub(crate) struct Write {
    transaction: DatabaseTransaction,
    /// The counter as it stands in this transaction.
    counter: u64,
    /// The last revision that was given out, by this write or before it.
    revision: u64,
    now: Timestamp,
    head: watch::Sender<u64>,
    /// Given back after the transaction has ended: fields are dropped in this order.
    _turn: OwnedSemaphorePermit,
}

impl Write {
    pub(super) async fn begin(
        db: &DatabaseConnection,
        now: Timestamp,
        head: watch::Sender<u64>,
        turn: OwnedSemaphorePermit,
    ) -> Result<Self, Error> {
        let transaction = db.begin().await?;
        // A write comes first: SQLite refuses a transaction that reads and then finds that another one has written.
        counter::take(&transaction).await?;
        let counter = counter::revision(&transaction).await?;
        let revision = counter.checked_sub(1).ok_or(Error::Corrupt("revision counter"))?;
        Ok(Self { transaction, counter, revision, now, head, _turn: turn })
    }

    /// For reading within the transaction, and for writing what is not a resource.
    pub(crate) fn db(&self) -> &DatabaseTransaction {
        &self.transaction
    }

    /// When the write began.
    pub(crate) fn now(&self) -> Timestamp {
        self.now
    }

    /// Gives the next revision to a resource that is about to be written.
    pub(crate) fn stamp(&mut self, meta: &mut Meta) {
        self.revision += 1;
        meta.revision = self.revision;
        // The write began before a new resource was given its time.
        meta.updated_at = self.now.max(meta.created_at);
    }

    /// Adds a resource, as stamped.
    pub(crate) async fn insert<R: Stored>(&mut self, resource: &R) -> Result<(), Error> {
        resources::insert(&self.transaction, resource).await?;
        changes::record(&self.transaction, R::KIND, resource.meta(), false).await
    }

    /// Writes a resource that is there already, as stamped.
    pub(crate) async fn update<R: Stored>(&mut self, resource: &R) -> Result<(), Error> {
        resources::update(&self.transaction, resource).await?;
        changes::record(&self.transaction, R::KIND, resource.meta(), false).await
    }

    /// Removes a resource. Its tombstone stays in the change feed.
    pub(crate) async fn remove<R: Stored>(&mut self, resource: &R) -> Result<(), Error> {
        let mut meta = resource.meta().clone();
        self.stamp(&mut meta);
        resources::delete::<R>(&self.transaction, meta.uid).await?;
        changes::record(&self.transaction, R::KIND, &meta, true).await
    }

    /// Makes everything of this write lasting, and then known to watchers.
    pub(crate) async fn commit(self) -> Result<(), Error> {
        if self.revision != self.counter {
            counter::set(&self.transaction, self.revision).await?;
        }
        self.transaction.commit().await?;
        raise(&self.head, self.revision);
        Ok(())
    }
}
