//! What sources remember: cursors, whatever they need to miss nothing.

use bytes::Bytes;
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{
    ColumnTrait as _, Condition, ConnectionTrait, EntityTrait as _, QueryFilter as _, Set,
};
use tripline_db::begin_write;
use tripline_kernel::Uid;

use super::entity::source_memory::{ActiveModel, Column, Entity};
use super::lease::any_of;
use super::{Error, Store, Unit, bytes as of_uid, entity, signed};

/// The most bytes of a key under which something is remembered.
pub(crate) const KEY_BYTES_MAX: usize = 2048;

/// The right to do a unit of work, as long as nobody else has taken it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tenure {
    pub(crate) unit: Unit,
    /// The replica that holds it.
    pub(crate) holder: Uid,
    pub(crate) epoch: u64,
}

impl Store {
    /// What was remembered under this key.
    pub(crate) async fn recall(&self, unit: Unit, key: &[u8]) -> Result<Option<Bytes>, Error> {
        let of = Condition::all()
            .add(Column::Tenant.eq(of_uid(unit.tenant)))
            .add(Column::Source.eq(of_uid(unit.uid)))
            .add(Column::MemoryKey.eq(key.to_vec()));
        let row = Entity::find().filter(of).one(&self.db).await?;
        Ok(row.map(|row| Bytes::from(row.value)))
    }

    /// Remembers `value` under `key`, if the lease is still held.
    ///
    /// # Errors
    /// [`Error::Fenced`] when it is not.
    pub(crate) async fn remember(
        &self,
        tenure: Tenure,
        key: &[u8],
        value: &[u8],
    ) -> Result<(), Error> {
        let transaction = begin_write(&self.db).await?;
        hold(&transaction, tenure).await?;
        let row = ActiveModel {
            tenant: Set(of_uid(tenure.unit.tenant)),
            source: Set(of_uid(tenure.unit.uid)),
            memory_key: Set(key.to_vec()),
            value: Set(value.to_vec()),
        };
        let mut replace = OnConflict::columns([Column::Tenant, Column::Source, Column::MemoryKey]);
        replace.update_column(Column::Value);
        Entity::insert(row).on_conflict(replace).exec_without_returning(&transaction).await?;
        transaction.commit().await?;
        Ok(())
    }
}

/// Makes sure that the lease is held until the end of the transaction, whose first statement this is.
///
/// # Errors
/// [`Error::Fenced`] when it is not held any more.
pub(super) async fn hold(transaction: &impl ConnectionTrait, tenure: Tenure) -> Result<(), Error> {
    use entity::lease::Column as Lease;
    // Writing the lease's row unchanged locks it: nobody takes it over between this look and the commit.
    let held = entity::lease::Entity::update_many()
        .col_expr(Lease::Epoch, Expr::value(signed(tenure.epoch)))
        .filter(any_of(&[tenure.unit]))
        .filter(Lease::Holder.eq(of_uid(tenure.holder)))
        .filter(Lease::Epoch.eq(signed(tenure.epoch)))
        .exec(transaction)
        .await?;
    if held.rows_affected == 0 { Err(Error::Fenced) } else { Ok(()) }
}
