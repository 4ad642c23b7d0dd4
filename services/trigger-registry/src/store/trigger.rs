//! The table of triggers.

#![allow(unreachable_pub, reason = "the entity macros make everything public")]

use sea_orm::entity::prelude::*;
use sea_orm::{QueryOrder as _, QuerySelect as _};
use tripline_kernel::{TenantUid, Uid};

use super::resources::{MetaRow, Stored, rows};
use super::{Error, bytes, document, number, parse_document, stored};
use crate::resource::{Kind, Meta};
use crate::trigger::{State, Trigger};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "triggers")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub uid: Vec<u8>,
    pub tenant: Vec<u8>,
    pub name: String,
    pub revision: i64,
    pub created_at: i64,
    pub updated_at: i64,
    /// Repeated from the document, to be searched by.
    pub source_uid: Option<Vec<u8>>,
    /// Repeated from the document, to be searched by.
    pub function_uid: Vec<u8>,
    pub document: String,
    pub state: String,
    pub state_reason: String,
    pub relation_uid: Vec<u8>,
    pub definition_revision: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Stored for Trigger {
    type Entity = Entity;
    const KIND: Kind = Kind::Trigger;
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
            source_uid: self.spec.source.as_ref().map(|source| bytes(source.uid)),
            function_uid: bytes(self.spec.function.uid),
            document: document(&self.spec),
            state: self.state.as_str().to_owned(),
            state_reason: self.state.reason().to_owned(),
            relation_uid: bytes(self.relation),
            definition_revision: stored(self.definition_revision),
        }
    }

    fn from_row(row: Model) -> Result<Self, Error> {
        let Model { uid, tenant, name, revision, created_at, updated_at, .. } = row;
        let meta = MetaRow { uid, tenant, name, revision, created_at, updated_at };
        let state = State::named(&row.state, row.state_reason);
        Ok(Self {
            meta: meta.try_into()?,
            spec: parse_document(&row.document, "trigger")?,
            state: state.ok_or(Error::Corrupt("trigger state"))?,
            relation: super::uid(&row.relation_uid)?,
            definition_revision: number(row.definition_revision, "definition revision")?,
        })
    }
}

/// The triggers that invoke this function, but for those on their way out, by name.
pub(crate) async fn using_function(
    db: &impl ConnectionTrait,
    tenant: TenantUid,
    function: Uid,
) -> Result<Vec<Trigger>, Error> {
    let query = staying(tenant).filter(Column::FunctionUid.eq(bytes(function)));
    rows(query.all(db).await?)
}

/// At most `limit` triggers that go by this source, but for those on their way out, by name.
pub(crate) async fn using_source(
    db: &impl ConnectionTrait,
    tenant: TenantUid,
    source: Uid,
    limit: u64,
) -> Result<Vec<Trigger>, Error> {
    let query = staying(tenant).filter(Column::SourceUid.eq(bytes(source))).limit(limit);
    rows(query.all(db).await?)
}

fn staying(tenant: TenantUid) -> Select<Entity> {
    Entity::find()
        .filter(Column::Tenant.eq(bytes(tenant)))
        .filter(Column::State.ne(State::Deleting.as_str()))
        .order_by_asc(Column::Name)
}
