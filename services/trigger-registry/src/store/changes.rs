//! The change feed: one row for each resource that is or was, with its newest revision.

#![allow(unreachable_pub, reason = "the entity macros make everything public")]

use sea_orm::entity::prelude::*;
use sea_orm::sea_query::OnConflict;
use sea_orm::{QueryOrder as _, QuerySelect as _};

use super::meta::{meta_of, with_meta};
use super::{Error, stored};
use crate::resource::{Kind, Meta};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "changes")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub uid: Vec<u8>,
    pub tenant: Vec<u8>,
    pub name: String,
    pub revision: i64,
    pub created_at: i64,
    pub updated_at: i64,
    pub kind: String,
    pub deleted: bool,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// The newest change of one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Changed {
    pub(crate) meta: Meta,
    pub(crate) kind: Kind,
    pub(crate) deleted: bool,
}

/// Notes that a resource was changed, or is gone, as of its revision.
pub(super) async fn record(
    db: &impl ConnectionTrait,
    kind: Kind,
    meta: &Meta,
    deleted: bool,
) -> Result<(), Error> {
    let row = with_meta!(Model, meta, { kind: kind.as_str().to_owned(), deleted });
    let replace = OnConflict::column(Column::Uid)
        .update_columns([Column::Revision, Column::UpdatedAt, Column::Deleted])
        .to_owned();
    Entity::insert(ActiveModel::from(row).reset_all())
        .on_conflict(replace)
        .exec_without_returning(db)
        .await?;
    Ok(())
}

/// The next changes above a revision, at most `limit`, in the order of revisions.
pub(crate) async fn changed_after(
    db: &impl ConnectionTrait,
    revision: u64,
    limit: u64,
) -> Result<Vec<Changed>, Error> {
    let query = Entity::find()
        .filter(Column::Revision.gt(stored(revision)))
        .order_by_asc(Column::Revision)
        .limit(limit);
    let parse = |row: Model| {
        Ok(Changed {
            meta: meta_of!(row)?,
            kind: Kind::named(&row.kind).ok_or(Error::Corrupt("kind of a change"))?,
            deleted: row.deleted,
        })
    };
    query.all(db).await?.into_iter().map(parse).collect()
}
