//! The table of functions.

#![allow(unreachable_pub, reason = "the entity macros make everything public")]

use sea_orm::entity::prelude::*;
use sea_orm::{Condition, DatabaseConnection};
use tripline_kernel::{TenantUid, Timestamp};

use super::meta::{meta_of, with_meta};
use super::resources::Stored;
use super::{Error, document, number, parse_document};
use crate::function::{Earlier, Function, Spec};
use crate::page;
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
    pub earlier_signing_sealed: Option<Vec<u8>>,
    pub earlier_signing_until: Option<i64>,
    pub secrets_sealed: Option<Vec<u8>>,
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
    const CREATED_AT: Column = Column::CreatedAt;

    async fn narrow(
        _: &DatabaseConnection,
        _: TenantUid,
        by: &page::Filters,
    ) -> Result<Option<Condition>, Error> {
        let kind = by.kind.as_ref().map(|kind| Column::TargetKind.eq(kind));
        Ok(Some(Condition::all().add_option(kind)))
    }

    fn meta(&self) -> &Meta {
        &self.meta
    }

    fn to_row(&self) -> Model {
        with_meta!(Model, &self.meta, {
            target_kind: self.spec.target_kind.clone(),
            target_settings: document(&self.spec.target_settings),
            timeout_ms: self.spec.timeout_ms.into(),
            concurrency: self.spec.concurrency.into(),
            signing_sealed: self.signing_sealed.clone(),
            earlier_signing_sealed: self.earlier_signing.as_ref().map(|e| e.sealed.clone()),
            earlier_signing_until: self.earlier_signing.as_ref().map(|e| e.until.as_micros()),
            secrets_sealed: Some(self.secrets_sealed.clone()).filter(|sealed| !sealed.is_empty()),
        })
    }

    fn from_row(row: Model) -> Result<Self, Error> {
        let earlier = row.earlier_signing_sealed.clone().zip(row.earlier_signing_until);
        Ok(Self {
            meta: meta_of!(row)?,
            spec: Spec {
                target_kind: row.target_kind,
                target_settings: parse_document(&row.target_settings, "target settings")?,
                timeout_ms: number(row.timeout_ms, "timeout")?,
                concurrency: number(row.concurrency, "concurrency")?,
            },
            signing_sealed: row.signing_sealed,
            earlier_signing: earlier
                .map(|(sealed, until)| Earlier { sealed, until: Timestamp::from_micros(until) }),
            secrets_sealed: row.secrets_sealed.unwrap_or_default(),
        })
    }
}
