//! Leases: which replica does which unit of work.

use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{
    ColumnTrait as _, Condition, ConnectionTrait, EntityTrait as _, QueryFilter as _, Set,
};
use tripline_db::begin_write;
use tripline_kernel::{Timestamp, Uid};

use super::entity::lease::{ActiveModel, Column, Entity, Model};
use super::entity::{source_memory, source_status};
use super::{Error, Store, bytes, signed, uid, unsigned};

/// What a lease is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum UnitKind {
    /// The presence of a replica. Its unit is the replica itself.
    Replica,
    /// Routing a partition of a bus.
    Partition,
    /// Running a source.
    Source,
}

/// One thing that one replica does at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Unit {
    pub(crate) tenant: Uid,
    pub(crate) kind: UnitKind,
    /// The bus, the source or the replica.
    pub(crate) uid: Uid,
    /// The partition of the bus; 0 for the others.
    pub(crate) partition: u16,
}

/// A unit and who does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lease {
    pub(crate) unit: Unit,
    /// The replica; [`Uid::NIL`] when it was given back.
    pub(crate) holder: Uid,
    /// Rises each time that the unit is taken.
    pub(crate) epoch: u64,
    pub(crate) until: Timestamp,
}

/// Most units named in one statement.
const UNITS_PER_STATEMENT_MAX: usize = 100;

impl Store {
    /// Renews everything that `replica` holds, its presence included, in one statement. Answers how much that was.
    ///
    /// A lease that ran out and that nobody took is renewed too: its epoch shows that nobody did.
    pub(crate) async fn renew(&self, replica: Uid, until: Timestamp) -> Result<u64, Error> {
        let renewed = Entity::update_many()
            .col_expr(Column::LeaseUntil, Expr::value(until.as_micros()))
            .filter(Column::Holder.eq(bytes(replica)))
            .exec(&self.db)
            .await?;
        Ok(renewed.rows_affected)
    }

    /// Makes `replica` known to the others, and forgets those that have been gone since `gone_before`.
    pub(crate) async fn announce(
        &self,
        replica: Uid,
        until: Timestamp,
        gone_before: Timestamp,
    ) -> Result<(), Error> {
        Entity::delete_many()
            .filter(Column::Kind.eq(number(UnitKind::Replica)))
            .filter(Column::LeaseUntil.lt(gone_before.as_micros()))
            .exec(&self.db)
            .await?;
        let unit = Unit { tenant: Uid::NIL, kind: UnitKind::Replica, uid: replica, partition: 0 };
        let row = ActiveModel {
            holder: Set(bytes(replica)),
            lease_until: Set(until.as_micros()),
            ..vacant(&unit)
        };
        insert_new(&self.db, vec![row]).await
    }

    /// Ends the presence of `replica`.
    pub(crate) async fn leave(&self, replica: Uid) -> Result<(), Error> {
        Entity::delete_many()
            .filter(Column::Kind.eq(number(UnitKind::Replica)))
            .filter(Column::Uid.eq(bytes(replica)))
            .exec(&self.db)
            .await?;
        Ok(())
    }

    /// Ends every lease that another than `replica` holds. Only for a process that knows that no other lives.
    pub(crate) async fn evict_others(&self, replica: Uid) -> Result<(), Error> {
        Entity::delete_many()
            .filter(Column::Kind.eq(number(UnitKind::Replica)))
            .filter(Column::Holder.ne(bytes(replica)))
            .exec(&self.db)
            .await?;
        Entity::update_many()
            .col_expr(Column::Holder, Expr::value(bytes(Uid::NIL)))
            .col_expr(Column::LeaseUntil, Expr::value(0_i64))
            .filter(Column::Holder.ne(bytes(replica)))
            .exec(&self.db)
            .await?;
        Ok(())
    }

    /// Every lease, whoever holds it.
    pub(crate) async fn leases(&self) -> Result<Vec<Lease>, Error> {
        Entity::find().all(&self.db).await?.iter().map(lease).collect()
    }

    /// Makes leases, held by nobody, for units that have none.
    pub(crate) async fn enlist(&self, units: &[Unit]) -> Result<(), Error> {
        for units in units.chunks(UNITS_PER_STATEMENT_MAX) {
            insert_new(&self.db, units.iter().map(vacant).collect()).await?;
        }
        Ok(())
    }

    /// Takes those of `units` whose lease has run out. The caller reads [`Self::leases`] to see which it got.
    pub(crate) async fn acquire(
        &self,
        units: &[Unit],
        replica: Uid,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<(), Error> {
        for units in units.chunks(UNITS_PER_STATEMENT_MAX) {
            Entity::update_many()
                .col_expr(Column::Holder, Expr::value(bytes(replica)))
                .col_expr(Column::Epoch, Expr::col(Column::Epoch).add(1))
                .col_expr(Column::LeaseUntil, Expr::value(until.as_micros()))
                .filter(any_of(units))
                .filter(Column::LeaseUntil.lte(now.as_micros()))
                .exec(&self.db)
                .await?;
        }
        Ok(())
    }

    /// Gives a lease back, so that another may take it at once.
    pub(crate) async fn release(&self, unit: Unit, replica: Uid, epoch: u64) -> Result<(), Error> {
        Entity::update_many()
            .col_expr(Column::Holder, Expr::value(bytes(Uid::NIL)))
            .col_expr(Column::LeaseUntil, Expr::value(0_i64))
            .filter(any_of(&[unit]))
            .filter(Column::Holder.eq(bytes(replica)))
            .filter(Column::Epoch.eq(signed(epoch)))
            .exec(&self.db)
            .await?;
        Ok(())
    }

    /// Removes a source that is gone, with its inventory, status and memory, unless another replica still runs it. When
    /// this fails half-way the lease is still there, and it is done again.
    pub(crate) async fn retire(
        &self,
        unit: Unit,
        replica: Uid,
        now: Timestamp,
    ) -> Result<(), Error> {
        self.inventory_retire(unit, replica, now).await?;
        let transaction = begin_write(&self.db).await?;
        let ours = retirable(replica, now);
        let removed =
            Entity::delete_many().filter(any_of(&[unit])).filter(ours).exec(&transaction).await?;
        if removed.rows_affected > 0 {
            source_memory::Entity::delete_many()
                .filter(source_memory::Column::Tenant.eq(bytes(unit.tenant)))
                .filter(source_memory::Column::Source.eq(bytes(unit.uid)))
                .exec(&transaction)
                .await?;
            source_status::Entity::delete_many()
                .filter(source_status::Column::Tenant.eq(bytes(unit.tenant)))
                .filter(source_status::Column::Source.eq(bytes(unit.uid)))
                .exec(&transaction)
                .await?;
        }
        transaction.commit().await?;
        Ok(())
    }
}

async fn insert_new(db: &impl ConnectionTrait, rows: Vec<ActiveModel>) -> Result<(), Error> {
    Entity::insert_many(rows).on_conflict_do_nothing_on(key()).exec_without_returning(db).await?;
    Ok(())
}

/// Leases that `replica` may remove: its own, and those that have run out.
fn retirable(replica: Uid, now: Timestamp) -> Condition {
    Condition::any()
        .add(Column::Holder.eq(bytes(replica)))
        .add(Column::LeaseUntil.lte(now.as_micros()))
}

/// Makes sure, until the end of the transaction whose first statement this is, that `replica` may remove the unit.
/// Answers whether it may.
pub(super) async fn hold_for_retirement(
    transaction: &impl ConnectionTrait,
    unit: Unit,
    replica: Uid,
    now: Timestamp,
) -> Result<bool, Error> {
    let held = Entity::update_many()
        .col_expr(Column::Epoch, Expr::col(Column::Epoch))
        .filter(any_of(&[unit]))
        .filter(retirable(replica, now))
        .exec(transaction)
        .await?;
    Ok(held.rows_affected > 0)
}

fn key() -> [Column; 4] {
    [Column::Tenant, Column::Kind, Column::Uid, Column::Partition]
}

fn vacant(unit: &Unit) -> ActiveModel {
    ActiveModel {
        tenant: Set(bytes(unit.tenant)),
        kind: Set(number(unit.kind)),
        uid: Set(bytes(unit.uid)),
        partition: Set(i32::from(unit.partition)),
        holder: Set(bytes(Uid::NIL)),
        epoch: Set(0),
        lease_until: Set(0),
    }
}

pub(super) fn any_of(units: &[Unit]) -> Condition {
    units.iter().fold(Condition::any(), |any, unit| {
        any.add(
            Condition::all()
                .add(Column::Tenant.eq(bytes(unit.tenant)))
                .add(Column::Kind.eq(number(unit.kind)))
                .add(Column::Uid.eq(bytes(unit.uid)))
                .add(Column::Partition.eq(i32::from(unit.partition))),
        )
    })
}

fn lease(row: &Model) -> Result<Lease, Error> {
    let kind = match row.kind {
        0 => UnitKind::Replica,
        1 => UnitKind::Partition,
        2 => UnitKind::Source,
        _ => return Err(Error::Damaged("lease")),
    };
    let unit = Unit {
        tenant: uid(&row.tenant, "lease")?,
        kind,
        uid: uid(&row.uid, "lease")?,
        partition: u16::try_from(row.partition).map_err(|_| Error::Damaged("lease"))?,
    };
    Ok(Lease {
        unit,
        holder: uid(&row.holder, "lease")?,
        epoch: unsigned(row.epoch),
        until: Timestamp::from_micros(row.lease_until),
    })
}

fn number(kind: UnitKind) -> i16 {
    match kind {
        UnitKind::Replica => 0,
        UnitKind::Partition => 1,
        UnitKind::Source => 2,
    }
}
