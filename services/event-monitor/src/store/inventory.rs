//! The inventories of sources: what each knows of its origin, in the order of the keys' bytes.

use bytes::Bytes;
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ColumnTrait as _, Condition, ConnectionTrait, EntityTrait as _, QueryFilter as _,
    QueryOrder as _, QuerySelect as _, Set,
};
use tripline_db::begin_write;
use tripline_kernel::{Timestamp, Uid};
use tripline_source::{Change, Entry, INVENTORY_BATCH_MAX};

use super::entity::source_inventory::{ActiveModel, Column, Entity, Model};
use super::lease::hold_for_retirement;
use super::memory::hold;
use super::{Error, Store, Tenure, Unit, bytes as of_uid};

/// Most entries that one transaction removes.
const REMOVED_AT_ONCE_MAX: u64 = 5_000;

impl Store {
    /// The first entries above `after`, in order: a full batch, fewer only where there are no more.
    pub(crate) async fn inventory_entries(
        &self,
        unit: Unit,
        after: &[u8],
    ) -> Result<Vec<Entry>, Error> {
        let rows = Entity::find()
            .filter(of(unit))
            .filter(Column::EntryKey.gt(after.to_vec()))
            .order_by_asc(Column::EntryKey)
            .limit(INVENTORY_BATCH_MAX as u64)
            .all(&self.db)
            .await?;
        Ok(rows.into_iter().map(entry).collect())
    }

    /// The entries under these keys, in any order.
    pub(crate) async fn inventory_find(
        &self,
        unit: Unit,
        keys: &[Bytes],
    ) -> Result<Vec<Entry>, Error> {
        let mut found = Vec::new();
        for keys in keys.chunks(INVENTORY_BATCH_MAX) {
            let named = Column::EntryKey.is_in(keys.iter().map(|key| key.to_vec()));
            let rows = Entity::find().filter(of(unit)).filter(named).all(&self.db).await?;
            found.extend(rows.into_iter().map(entry));
        }
        Ok(found)
    }

    /// Makes all changes or none, if the lease is still held.
    ///
    /// # Errors
    /// [`Error::Fenced`] when it is not.
    pub(crate) async fn inventory_write(
        &self,
        tenure: Tenure,
        changes: &[Change],
    ) -> Result<(), Error> {
        let mut gone = Vec::new();
        let mut rows = Vec::new();
        for Change { key, value } in changes {
            match value {
                Some(value) => rows.push(row(tenure.unit, key, value)),
                None => gone.push(key.to_vec()),
            }
        }
        if changes.is_empty() {
            return Ok(());
        }
        let transaction = begin_write(&self.db).await?;
        hold(&transaction, tenure).await?;
        if !gone.is_empty() {
            let named = Column::EntryKey.is_in(gone);
            Entity::delete_many().filter(of(tenure.unit)).filter(named).exec(&transaction).await?;
        }
        if !rows.is_empty() {
            let mut replace =
                OnConflict::columns([Column::Tenant, Column::Source, Column::EntryKey]);
            replace.update_column(Column::Value);
            let insert = Entity::insert_many(rows).on_conflict(replace);
            insert.exec_without_returning(&transaction).await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Removes everything, in many small steps.
    ///
    /// # Errors
    /// [`Error::Fenced`] when the lease is not held any more.
    pub(crate) async fn inventory_clear(&self, tenure: Tenure) -> Result<(), Error> {
        loop {
            let transaction = begin_write(&self.db).await?;
            hold(&transaction, tenure).await?;
            let more = remove_some(&transaction, tenure.unit).await?;
            transaction.commit().await?;
            if !more {
                return Ok(());
            }
        }
    }

    /// Removes the inventory of a source that is gone, in many small steps, unless another replica still runs it.
    pub(super) async fn inventory_retire(
        &self,
        unit: Unit,
        replica: Uid,
        now: Timestamp,
    ) -> Result<(), Error> {
        loop {
            let transaction = begin_write(&self.db).await?;
            let more = hold_for_retirement(&transaction, unit, replica, now).await?
                && remove_some(&transaction, unit).await?;
            transaction.commit().await?;
            if !more {
                return Ok(());
            }
        }
    }
}

/// Removes the first entries; answers whether there may be more.
async fn remove_some(transaction: &impl ConnectionTrait, unit: Unit) -> Result<bool, Error> {
    let last: Option<Vec<u8>> = Entity::find()
        .select_only()
        .column(Column::EntryKey)
        .filter(of(unit))
        .order_by_asc(Column::EntryKey)
        .offset(REMOVED_AT_ONCE_MAX - 1)
        .limit(1)
        .into_tuple()
        .one(transaction)
        .await?;
    let mut first = Entity::delete_many().filter(of(unit));
    if let Some(last) = &last {
        first = first.filter(Column::EntryKey.lte(last.clone()));
    }
    first.exec(transaction).await?;
    Ok(last.is_some())
}

fn of(unit: Unit) -> Condition {
    Condition::all()
        .add(Column::Tenant.eq(of_uid(unit.tenant)))
        .add(Column::Source.eq(of_uid(unit.uid)))
}

fn row(unit: Unit, key: &Bytes, value: &Bytes) -> ActiveModel {
    ActiveModel {
        tenant: Set(of_uid(unit.tenant)),
        source: Set(of_uid(unit.uid)),
        entry_key: Set(key.to_vec()),
        value: Set(value.to_vec()),
    }
}

fn entry(row: Model) -> Entry {
    Entry { key: row.entry_key.into(), value: row.value.into() }
}
