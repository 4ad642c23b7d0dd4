//! The table of buses.

#![allow(unreachable_pub, reason = "the entity macros make everything public")]

use std::time::Duration;

use sea_orm::entity::prelude::*;
use tripline_bus::Retention;

use super::resources::{MetaRow, Stored};
use super::{Error, number, stored};
use crate::bus::Bus;
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

    fn meta(&self) -> &Meta {
        &self.meta
    }

    fn to_row(&self) -> Model {
        let MetaRow { uid, tenant, name, revision, created_at, updated_at } = (&self.meta).into();
        Model {
            uid,
            tenant,
            name,
            revision,
            created_at,
            updated_at,
            partitions: self.partitions.into(),
            retention_seconds: stored(self.retention.time.as_secs()),
            retention_bytes: stored(self.retention.bytes),
            dedupe_window_seconds: stored(self.dedupe_window.as_secs()),
        }
    }

    fn from_row(row: Model) -> Result<Self, Error> {
        let Model { uid, tenant, name, revision, created_at, updated_at, .. } = row;
        let meta = MetaRow { uid, tenant, name, revision, created_at, updated_at };
        Ok(Self {
            meta: meta.try_into()?,
            partitions: number(row.partitions, "partitions")?,
            retention: Retention {
                time: Duration::from_secs(number(row.retention_seconds, "retention")?),
                bytes: number(row.retention_bytes, "retention")?,
            },
            dedupe_window: Duration::from_secs(number(row.dedupe_window_seconds, "dedupe window")?),
        })
    }
}
