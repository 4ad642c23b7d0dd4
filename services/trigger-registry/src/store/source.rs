//! The table of sources.

#![allow(unreachable_pub, reason = "the entity macros make everything public")]

use sea_orm::entity::prelude::*;

use super::resources::{MetaRow, Stored};
use super::{Error, bytes, document, parse_document};
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
            kind: self.spec.kind.clone(),
            settings: document(&self.spec.settings),
            secrets_sealed: self.secrets_sealed.clone(),
            bus_uid: bytes(self.spec.bus.uid),
            bus_name: self.spec.bus.name.as_str().to_owned(),
        }
    }

    fn from_row(row: Model) -> Result<Self, Error> {
        let Model { uid, tenant, name, revision, created_at, updated_at, .. } = row;
        let meta = MetaRow { uid, tenant, name, revision, created_at, updated_at };
        let bus_name = row.bus_name.parse().map_err(|_| Error::Corrupt("bus name"))?;
        Ok(Self {
            meta: meta.try_into()?,
            spec: Spec {
                kind: row.kind,
                settings: parse_document(&row.settings, "source settings")?,
                bus: Ref { uid: super::uid(&row.bus_uid)?, name: bus_name },
            },
            secrets_sealed: row.secrets_sealed,
        })
    }
}
