//! Checkpoints: how far each partition has been routed, and what was in force there.

use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _, Set,
};
use tripline_bus::{Offset, Stream};
use tripline_kernel::Uid;

use super::entity::checkpoint::{ActiveModel, Column, Entity, Model};
use super::{Error, Store, bytes, signed, unsigned};

/// One partition of a bus, and whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Partition {
    pub(crate) tenant: Uid,
    pub(crate) stream: Stream,
}

/// A place in a partition that everything before it is done with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    /// The first frame that is not done with.
    pub(crate) next: Offset,
    /// From which frame on the dedupe window at `next` is rebuilt.
    pub(crate) dedupe_start: Offset,
    /// Events taken in before `next`, over the partition's whole life, copies left out.
    pub(crate) accepted: u64,
    /// Copies dropped before `next`, over the partition's whole life.
    pub(crate) deduplicated: u64,
}

/// A checkpoint as its new owner finds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Claimed {
    pub(crate) checkpoint: Checkpoint,
    /// The definitions in force at the checkpoint, as JSON; empty when none was ever written.
    pub(crate) definitions: String,
}

/// Partition, next offset, start of the dedupe window, accepted, deduplicated.
type Routed = (i32, i64, i64, i64, i64);

impl Store {
    /// Makes the checkpoint belong to `epoch` and reads it. From here on a write under an earlier epoch is refused.
    ///
    /// # Errors
    /// [`Error::Fenced`] when it belongs to a later epoch.
    pub(crate) async fn claim(&self, partition: Partition, epoch: u64) -> Result<Claimed, Error> {
        let row = ActiveModel {
            tenant: Set(bytes(partition.tenant)),
            bus: Set(bytes(partition.stream.bus)),
            partition: Set(i32::from(partition.stream.partition)),
            epoch: Set(0),
            next_offset: Set(0),
            dedupe_start: Set(0),
            definitions: Set(String::new()),
            accepted: Set(0),
            deduplicated: Set(0),
        };
        Entity::insert_many([row])
            .on_conflict_do_nothing_on([Column::Tenant, Column::Bus, Column::Partition])
            .exec_without_returning(&self.db)
            .await?;
        let claimed = Entity::update_many()
            .col_expr(Column::Epoch, Expr::value(signed(epoch)))
            .filter(of(partition))
            .filter(Column::Epoch.lte(signed(epoch)))
            .exec(&self.db)
            .await?;
        if claimed.rows_affected == 0 {
            return Err(Error::Fenced);
        }
        let row = Entity::find().filter(of(partition)).one(&self.db).await?;
        let row = row.ok_or(Error::Damaged("checkpoint"))?;
        Ok(row.into())
    }

    /// Events of a tenant taken in and copies dropped, before the checkpoints of all its partitions.
    pub(crate) async fn counted(&self, tenant: Uid) -> Result<(u64, u64), Error> {
        let query = Entity::find()
            .select_only()
            .columns([Column::Accepted, Column::Deduplicated])
            .filter(Column::Tenant.eq(bytes(tenant)))
            .into_tuple::<(i64, i64)>();
        let counts = query.all(&self.db).await?;
        let add = |(accepted, copies), &(more, more_copies): &(i64, i64)| {
            (accepted + unsigned(more), copies + unsigned(more_copies))
        };
        Ok(counts.iter().fold((0, 0), add))
    }

    /// The checkpoints of all partitions of a bus that a router has begun, by number. Without the definitions, which may
    /// be many megabytes each.
    pub(crate) async fn routed(
        &self,
        tenant: Uid,
        bus: Uid,
    ) -> Result<Vec<(u16, Checkpoint)>, Error> {
        let query = Entity::find()
            .select_only()
            .columns([
                Column::Partition,
                Column::NextOffset,
                Column::DedupeStart,
                Column::Accepted,
                Column::Deduplicated,
            ])
            .filter(Column::Tenant.eq(bytes(tenant)))
            .filter(Column::Bus.eq(bytes(bus)))
            .order_by_asc(Column::Partition)
            .into_tuple::<Routed>();
        let rows = query.all(&self.db).await?;
        let routed = |(partition, next, dedupe_start, accepted, deduplicated): Routed| {
            let partition = u16::try_from(partition);
            let checkpoint = Checkpoint {
                next: unsigned(next),
                dedupe_start: unsigned(dedupe_start),
                accepted: unsigned(accepted),
                deduplicated: unsigned(deduplicated),
            };
            Ok((partition.map_err(|_| Error::Damaged("checkpoint"))?, checkpoint))
        };
        rows.into_iter().map(routed).collect()
    }

    /// The definitions stored with the checkpoint of a partition, as JSON; empty when none was ever written. Nothing
    /// when no router has begun it.
    pub(crate) async fn definitions(&self, partition: Partition) -> Result<Option<String>, Error> {
        let query = Entity::find()
            .select_only()
            .column(Column::Definitions)
            .filter(of(partition))
            .into_tuple::<String>();
        Ok(query.one(&self.db).await?)
    }

    /// Writes a checkpoint; the definitions only where they have changed since they were last written.
    ///
    /// # Errors
    /// [`Error::Fenced`] when the checkpoint does not belong to `epoch` any more.
    pub(crate) async fn save_checkpoint(
        &self,
        partition: Partition,
        epoch: u64,
        checkpoint: Checkpoint,
        definitions: Option<String>,
    ) -> Result<(), Error> {
        let mut update = Entity::update_many()
            .col_expr(Column::NextOffset, Expr::value(signed(checkpoint.next)))
            .col_expr(Column::DedupeStart, Expr::value(signed(checkpoint.dedupe_start)))
            .col_expr(Column::Accepted, Expr::value(signed(checkpoint.accepted)))
            .col_expr(Column::Deduplicated, Expr::value(signed(checkpoint.deduplicated)));
        if let Some(definitions) = definitions {
            update = update.col_expr(Column::Definitions, Expr::value(definitions));
        }
        let saved = update
            .filter(of(partition))
            .filter(Column::Epoch.eq(signed(epoch)))
            .exec(&self.db)
            .await?;
        if saved.rows_affected == 0 { Err(Error::Fenced) } else { Ok(()) }
    }
}

impl From<Model> for Claimed {
    fn from(row: Model) -> Self {
        let checkpoint = Checkpoint {
            next: unsigned(row.next_offset),
            dedupe_start: unsigned(row.dedupe_start),
            accepted: unsigned(row.accepted),
            deduplicated: unsigned(row.deduplicated),
        };
        Self { checkpoint, definitions: row.definitions }
    }
}

fn of(partition: Partition) -> sea_orm::Condition {
    sea_orm::Condition::all()
        .add(Column::Tenant.eq(bytes(partition.tenant)))
        .add(Column::Bus.eq(bytes(partition.stream.bus)))
        .add(Column::Partition.eq(i32::from(partition.stream.partition)))
}
