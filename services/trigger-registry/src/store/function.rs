//! The table of functions.

#![allow(unreachable_pub, reason = "the entity macros make everything public")]

use sea_orm::entity::prelude::*;

use super::resources::{MetaRow, Stored};
use super::{Error, document, number, parse_document};
use crate::function::{Function, Spec};
use crate::resource::{Kind, Meta};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "functions")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub uid: Vec<u8>,
    pub tenant: Vec<u8>,
    pub name: String,
    pub revision: i64,
    pub created_at: i64,
    pub updated_at: i64,
    pub target_kind: String,
    pub target_settings: String,
    pub timeout_ms: i64,
    pub concurrency: i64,
    pub signing_sealed: Vec<u8>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Stored for Function {
    type Entity = Entity;
    const KIND: Kind = Kind::Function;
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
            target_kind: self.spec.target_kind.clone(),
            target_settings: document(&self.spec.target_settings),
            timeout_ms: self.spec.timeout_ms.into(),
            concurrency: self.spec.concurrency.into(),
            signing_sealed: self.signing_sealed.clone(),
        }
    }

    fn from_row(row: Model) -> Result<Self, Error> {
        let Model { uid, tenant, name, revision, created_at, updated_at, .. } = row;
        let meta = MetaRow { uid, tenant, name, revision, created_at, updated_at };
        Ok(Self {
            meta: meta.try_into()?,
            spec: Spec {
                target_kind: row.target_kind,
                target_settings: parse_document(&row.target_settings, "target settings")?,
                timeout_ms: number(row.timeout_ms, "timeout")?,
                concurrency: number(row.concurrency, "concurrency")?,
            },
            signing_sealed: row.signing_sealed,
        })
    }
}
