//! The table of buses.

#![allow(unreachable_pub, reason = "the entity macros make everything public")]

use std::time::Duration;

use sea_orm::entity::prelude::*;
use sea_orm::{Condition, DatabaseConnection};
use tripline_bus::Retention;
use tripline_kernel::TenantUid;

use super::meta::{meta_of, with_meta};
use super::resources::Stored;
use super::{Error, number, stored};
use crate::bus::Bus;
use crate::page;
use crate::resource::{Kind, Meta};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "buses")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub uid: Vec<u8>,
    pub tenant: Vec<u8>,
    pub name: String,
    pub revision: i64,
    pub created_at: i64,
    pub updated_at: i64,
    pub partitions: i64,
    pub retention_seconds: i64,
    pub retention_bytes: i64,
    pub dedupe_window_seconds: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Stored for Bus {
    type Entity = Entity;
    const KIND: Kind = Kind::Bus;
    const UID: Column = Column::Uid;
    const TENANT: Column = Column::Tenant;
    const NAME: Column = Column::Name;
    const CREATED_AT: Column = Column::CreatedAt;

    async fn narrow(
        _: &DatabaseConnection,
        _: TenantUid,
        _: &page::Filters,
    ) -> Result<Option<Condition>, Error> {
        Ok(Some(Condition::all()))
    }

    fn meta(&self) -> &Meta {
        &self.meta
    }

    fn to_row(&self) -> Model {
        with_meta!(Model, &self.meta, {
            partitions: self.partitions.into(),
            retention_seconds: stored(self.retention.time.as_secs()),
            retention_bytes: stored(self.retention.bytes),
            dedupe_window_seconds: stored(self.dedupe_window.as_secs()),
        })
    }

    fn from_row(row: Model) -> Result<Self, Error> {
        Ok(Self {
            meta: meta_of!(row)?,
            partitions: number(row.partitions, "partitions")?,
            retention: Retention {
                time: Duration::from_secs(number(row.retention_seconds, "retention")?),
                bytes: number(row.retention_bytes, "retention")?,
            },
            dedupe_window: Duration::from_secs(number(row.dedupe_window_seconds, "dedupe window")?),
        })
    }
}
