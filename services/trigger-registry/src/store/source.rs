//! The table of sources.

#![allow(unreachable_pub, reason = "the entity macros make everything public")]

use sea_orm::entity::prelude::*;
use sea_orm::{Condition, DatabaseConnection, QueryOrder as _, QuerySelect as _};
use tripline_kernel::{TenantUid, Uid};

use super::meta::{meta_of, with_meta};
use super::resources::{Stored, rows};
use super::{Error, bytes, document, parse_document};
use crate::page;
use crate::resource::{Kind, Meta, Ref};
use crate::source::{Source, Spec};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "sources")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub uid: Vec<u8>,
    pub tenant: Vec<u8>,
    pub name: String,
    pub revision: i64,
    pub created_at: i64,
    pub updated_at: i64,
    pub kind: String,
    pub settings: String,
    pub secrets_sealed: Vec<u8>,
    pub bus_uid: Vec<u8>,
    pub bus_name: String,
    pub paused: Option<i64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Stored for Source {
    type Entity = Entity;
    const KIND: Kind = Kind::Source;
    const UID: Column = Column::Uid;
    const TENANT: Column = Column::Tenant;
    const NAME: Column = Column::Name;
    const CREATED_AT: Column = Column::CreatedAt;

    async fn narrow(
        _: &DatabaseConnection,
        _: TenantUid,
        by: &page::Filters,
    ) -> Result<Option<Condition>, Error> {
        let kind = by.kind.as_ref().map(|kind| Column::Kind.eq(kind));
        let bus = by.bus.as_ref().map(|bus| Column::BusName.eq(bus));
        Ok(Some(Condition::all().add_option(kind).add_option(bus)))
    }

    fn meta(&self) -> &Meta {
        &self.meta
    }

    fn to_row(&self) -> Model {
        with_meta!(Model, &self.meta, {
            kind: self.spec.kind.clone(),
            settings: document(&self.spec.settings),
            secrets_sealed: self.secrets_sealed.clone(),
            bus_uid: bytes(self.spec.bus.uid),
            bus_name: self.spec.bus.name.as_str().to_owned(),
            paused: Some(i64::from(self.paused)),
        })
    }

    fn from_row(row: Model) -> Result<Self, Error> {
        let bus_name = row.bus_name.parse().map_err(|_| Error::Corrupt("bus name"))?;
        Ok(Self {
            meta: meta_of!(row)?,
            spec: Spec {
                kind: row.kind,
                settings: parse_document(&row.settings, "source settings")?,
                bus: Ref { uid: super::uid(&row.bus_uid)?, name: bus_name },
            },
            secrets_sealed: row.secrets_sealed,
            paused: row.paused.is_some_and(|paused| paused != 0),
        })
    }
}

/// At most `limit` sources that bring events to this bus, by name.
pub(crate) async fn on_bus(
    db: &impl ConnectionTrait,
    tenant: TenantUid,
    bus: Uid,
    limit: u64,
) -> Result<Vec<Source>, Error> {
    let query = Entity::find()
        .filter(Column::Tenant.eq(bytes(tenant)))
        .filter(Column::BusUid.eq(bytes(bus)))
        .order_by_asc(Column::Name)
        .limit(limit);
    rows(query.all(db).await?)
}
