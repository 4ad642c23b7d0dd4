//! What must still happen elsewhere: at most one task for each resource, the newest.
//!
//! A newer task of a resource does everything that an older one would have done, so it takes the older one's place.

#![allow(unreachable_pub, reason = "the entity macros make everything public")]

use sea_orm::entity::prelude::*;
use sea_orm::sea_query::OnConflict;
use sea_orm::{QueryOrder as _, QuerySelect as _};
use tripline_bus::Retention;
use tripline_event::{Subject, TriggerDefinition};
use tripline_kernel::{TenantUid, Uid};

use super::{Error, Write, bytes, document, number, parse_document, stored, uid};
use crate::resource::Meta;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "outbox")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub uid: Vec<u8>,
    pub tenant: Vec<u8>,
    pub revision: i64,
    pub name: String,
    pub document: String,
    pub created_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// A task, and the resource it is for.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) tenant: TenantUid,
    pub(crate) uid: Uid,
    /// The revision of the change that asked for this.
    pub(crate) revision: u64,
    /// The resource's name, for people who read logs.
    pub(crate) name: String,
    pub(crate) task: Task,
}

/// What must happen. Doing it twice does no harm.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Task {
    /// Make the bus's streams, and begin each.
    OpenBus { partitions: u16, retention_seconds: u64, retention_bytes: u64 },
    /// Delete the streams of a bus that is gone.
    CloseBus { partitions: u16 },
    /// Bring a trigger's definition into force: grant, then mark every partition.
    Apply { bus: Uid, partitions: u16, grant: Option<Grant>, definition: TriggerDefinition },
    /// Take a trigger out of force: mark every partition, then revoke.
    Remove { bus: Uid, partitions: u16, revoke: Vec<Uid> },
    /// Revoke relations of triggers that live on, since their source or function is gone.
    Revoke { relations: Vec<Uid> },
}

impl Task {
    /// Makes the streams of a bus.
    pub(crate) fn open_bus(partitions: u16, retention: Retention) -> Self {
        let retention_seconds = retention.time.as_secs();
        Self::OpenBus { partitions, retention_seconds, retention_bytes: retention.bytes }
    }
}

/// A relation to be granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Grant {
    pub(crate) relation: Uid,
    pub(crate) subject: Subject,
    pub(crate) function: Uid,
}

impl Write {
    /// Leaves a task for the relay, as of the resource's revision.
    pub(crate) async fn leave_task(&self, meta: &Meta, task: &Task) -> Result<(), Error> {
        let row = Model {
            uid: bytes(meta.uid),
            tenant: bytes(meta.tenant),
            revision: stored(meta.revision),
            name: meta.name.as_str().to_owned(),
            document: document(task),
            created_at: self.now().as_micros(),
        };
        let replace = OnConflict::column(Column::Uid)
            .update_columns([Column::Revision, Column::Document, Column::CreatedAt])
            .to_owned();
        Entity::insert(ActiveModel::from(row).reset_all())
            .on_conflict(replace)
            .exec_without_returning(self.db())
            .await?;
        Ok(())
    }

    /// Takes a task away that is done. False when it has gone or a newer one stands in its place.
    pub(crate) async fn take_task(&self, entry: &Entry) -> Result<bool, Error> {
        let query = Entity::delete_many()
            .filter(Column::Uid.eq(bytes(entry.uid)))
            .filter(Column::Revision.eq(stored(entry.revision)));
        Ok(query.exec(self.db()).await?.rows_affected == 1)
    }
}

/// The oldest tasks, at most `limit`.
pub(crate) async fn due(db: &impl ConnectionTrait, limit: u64) -> Result<Vec<Entry>, Error> {
    let query = Entity::find().order_by_asc(Column::Revision).limit(limit);
    let parse = |row: Model| {
        Ok(Entry {
            tenant: uid(&row.tenant)?,
            uid: uid(&row.uid)?,
            revision: number(row.revision, "outbox revision")?,
            name: row.name,
            task: parse_document(&row.document, "outbox task")?,
        })
    };
    query.all(db).await?.into_iter().map(parse).collect()
}

/// How many tasks there are.
pub(crate) async fn pending_count(db: &impl ConnectionTrait) -> Result<u64, Error> {
    Ok(Entity::find().count(db).await?)
}

/// Whether there is no task for the resource.
pub(crate) async fn is_settled(db: &impl ConnectionTrait, resource: Uid) -> Result<bool, Error> {
    let query = Entity::find()
        .select_only()
        .column(Column::Revision)
        .filter(Column::Uid.eq(bytes(resource)))
        .into_tuple::<i64>();
    Ok(query.one(db).await?.is_none())
}
