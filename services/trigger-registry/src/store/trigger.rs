//! The table of triggers.

#![allow(unreachable_pub, reason = "the entity macros make everything public")]

use sea_orm::entity::prelude::*;
use sea_orm::{Condition, DatabaseConnection, QueryOrder as _, QuerySelect as _};
use tripline_kernel::{TenantUid, Uid};

use super::meta::{meta_of, with_meta};
use super::resources::{Stored, rows, uid_of};
use super::{Error, bytes, document, number, parse_document, stored};
use crate::bus::Bus;
use crate::function::Function;
use crate::page;
use crate::resource::{Kind, Meta};
use crate::source::Source;
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
    pub bus_uid: Option<Vec<u8>>,
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
    const CREATED_AT: Column = Column::CreatedAt;

    async fn narrow(
        db: &DatabaseConnection,
        tenant: TenantUid,
        by: &page::Filters,
    ) -> Result<Option<Condition>, Error> {
        let mut all = Condition::all();
        if let Some(state) = &by.state {
            all = all.add(Column::State.eq(state));
        }
        if let Some(bus) = &by.bus {
            let Some(bus) = uid_of::<Bus>(db, tenant, bus).await? else { return Ok(None) };
            all = all.add(Column::BusUid.eq(bytes(bus)));
        }
        if let Some(source) = &by.source {
            let Some(source) = uid_of::<Source>(db, tenant, source).await? else { return Ok(None) };
            all = all.add(Column::SourceUid.eq(bytes(source)));
        }
        if let Some(function) = &by.function {
            let Some(function) = uid_of::<Function>(db, tenant, function).await? else {
                return Ok(None);
            };
            all = all.add(Column::FunctionUid.eq(bytes(function)));
        }
        Ok(Some(all))
    }

    fn meta(&self) -> &Meta {
        &self.meta
    }

    fn to_row(&self) -> Model {
        with_meta!(Model, &self.meta, {
            bus_uid: Some(bytes(self.spec.bus.uid)),
            source_uid: self.spec.source.as_ref().map(|source| bytes(source.uid)),
            function_uid: bytes(self.spec.function.uid),
            document: document(&self.spec),
            state: self.state.as_str().to_owned(),
            state_reason: self.state.reason().to_owned(),
            relation_uid: bytes(self.relation),
            definition_revision: stored(self.definition_revision),
        })
    }

    fn from_row(row: Model) -> Result<Self, Error> {
        let state = State::named(&row.state, row.state_reason);
        Ok(Self {
            meta: meta_of!(row)?,
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

/// At most `limit` triggers on this bus, also those on their way out, by name.
pub(crate) async fn on_bus(
    db: &impl ConnectionTrait,
    tenant: TenantUid,
    bus: Uid,
    limit: u64,
) -> Result<Vec<Trigger>, Error> {
    let query = Entity::find()
        .filter(Column::Tenant.eq(bytes(tenant)))
        .filter(Column::BusUid.eq(bytes(bus)))
        .order_by_asc(Column::Name)
        .limit(limit);
    rows(query.all(db).await?)
}

fn staying(tenant: TenantUid) -> Select<Entity> {
    Entity::find()
        .filter(Column::Tenant.eq(bytes(tenant)))
        .filter(Column::State.ne(State::Deleting.as_str()))
        .order_by_asc(Column::Name)
}
