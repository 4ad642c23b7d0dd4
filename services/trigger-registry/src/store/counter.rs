//! The counter that revisions come from.

#![allow(unreachable_pub, reason = "the entity macros make everything public")]

use sea_orm::entity::prelude::*;
use sea_orm::sea_query::ExprTrait as _;
use sea_orm::{QuerySelect as _, Set};

use super::{Error, number, stored};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "counters")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub name: String,
    pub value: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// The row that all revisions come from. Made by the first migration.
pub(super) const REVISION: &str = "revision";

/// The newest revision.
pub(super) async fn revision(db: &impl ConnectionTrait) -> Result<u64, Error> {
    let found = Entity::find()
        .select_only()
        .column(Column::Value)
        .filter(Column::Name.eq(REVISION))
        .into_tuple::<i64>()
        .one(db)
        .await?;
    number(found.ok_or(Error::Corrupt("no revision counter"))?, "revision counter")
}

/// Raises the counter by one, and with that takes its row until the transaction ends.
pub(super) async fn take(db: &impl ConnectionTrait) -> Result<(), Error> {
    Entity::update_many()
        .col_expr(Column::Value, Expr::col(Column::Value).add(1))
        .filter(Column::Name.eq(REVISION))
        .exec(db)
        .await?;
    Ok(())
}

/// Sets the counter, by the one who has taken it.
pub(super) async fn set(db: &impl ConnectionTrait, revision: u64) -> Result<(), Error> {
    let row = ActiveModel { value: Set(stored(revision)), ..Default::default() };
    Entity::update_many().set(row).filter(Column::Name.eq(REVISION)).exec(db).await?;
    Ok(())
}
