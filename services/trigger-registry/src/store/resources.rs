//! What is done alike with all kinds of resources.

use sea_orm::entity::prelude::*;
use sea_orm::{Condition, DatabaseConnection, IntoActiveModel, QueryOrder as _, QuerySelect as _};
use tripline_kernel::{Name, TenantUid, Uid};

use super::{Error, bytes};
use crate::page;
use crate::resource::{Kind, Meta};

/// A resource with a table of its own.
pub(crate) trait Stored: Sized + Send + Sync {
    /// The table.
    type Entity: EntityTrait<
            Model: IntoActiveModel<<Self::Entity as EntityTrait>::ActiveModel>,
            ActiveModel: Send,
        >;
    /// What it is called in the change feed.
    const KIND: Kind;
    /// The column of uids.
    const UID: <Self::Entity as EntityTrait>::Column;
    /// The column of tenants.
    const TENANT: <Self::Entity as EntityTrait>::Column;
    /// The column of names.
    const NAME: <Self::Entity as EntityTrait>::Column;
    /// The column of the times at which they were made.
    const CREATED_AT: <Self::Entity as EntityTrait>::Column;

    /// What the filters of this kind, beside those that all kinds have, ask of a row. Nothing when no row can fit.
    fn narrow(
        db: &DatabaseConnection,
        tenant: TenantUid,
        by: &page::Filters,
    ) -> impl Future<Output = Result<Option<Condition>, Error>> + Send;

    fn meta(&self) -> &Meta;
    fn to_row(&self) -> <Self::Entity as EntityTrait>::Model;
    fn from_row(row: <Self::Entity as EntityTrait>::Model) -> Result<Self, Error>;
}

/// The resource of this name.
pub(crate) async fn named<R: Stored>(
    db: &impl ConnectionTrait,
    tenant: TenantUid,
    name: &Name,
) -> Result<Option<R>, Error> {
    let query =
        R::Entity::find().filter(R::TENANT.eq(bytes(tenant))).filter(R::NAME.eq(name.as_str()));
    query.one(db).await?.map(R::from_row).transpose()
}

/// The tenant's resource of this uid.
pub(crate) async fn with_uid<R: Stored>(
    db: &impl ConnectionTrait,
    tenant: TenantUid,
    uid: Uid,
) -> Result<Option<R>, Error> {
    let query = R::Entity::find().filter(R::TENANT.eq(bytes(tenant))).filter(R::UID.eq(bytes(uid)));
    query.one(db).await?.map(R::from_row).transpose()
}

/// Those of these resources that there are, of all tenants: for the change feed.
pub(crate) async fn with_uids<R: Stored>(
    db: &impl ConnectionTrait,
    uids: Vec<Uid>,
) -> Result<Vec<R>, Error> {
    if uids.is_empty() {
        return Ok(Vec::new());
    }
    let uids = uids.into_iter().map(bytes);
    rows(R::Entity::find().filter(R::UID.is_in(uids)).all(db).await?)
}

/// All resources of this kind, of all tenants: for the start.
pub(crate) async fn all<R: Stored>(db: &impl ConnectionTrait) -> Result<Vec<R>, Error> {
    rows(R::Entity::find().order_by_asc(R::UID).all(db).await?)
}

/// The part of the tenant's list that is asked for.
pub(crate) async fn page<R: Stored>(
    db: &DatabaseConnection,
    asked: &page::Asked,
) -> Result<page::Page<R>, Error> {
    let by = &asked.by;
    let Some(fitting) = R::narrow(db, asked.tenant, by).await? else {
        return Ok(page::Page { items: Vec::new(), next_cursor: String::new() });
    };
    let mut query = R::Entity::find().filter(R::TENANT.eq(bytes(asked.tenant))).filter(fitting);
    if let Some(after) = &asked.after {
        query = query.filter(R::NAME.gt(after.as_str()));
    }
    if let Some(time) = by.created_after {
        query = query.filter(R::CREATED_AT.gt(time));
    }
    if let Some(time) = by.created_before {
        query = query.filter(R::CREATED_AT.lt(time));
    }
    let one_more = u64::from(asked.limit) + 1;
    let found = rows(query.order_by_asc(R::NAME).limit(one_more).all(db).await?)?;
    Ok(page::Page::of(found, asked.limit, |resource: &R| &resource.meta().name))
}

/// The uid of the resource of this name. What is no name is the name of nothing.
pub(super) async fn uid_of<R: Stored>(
    db: &DatabaseConnection,
    tenant: TenantUid,
    text: &str,
) -> Result<Option<Uid>, Error> {
    let Ok(name) = text.parse::<Name>() else { return Ok(None) };
    Ok(named::<R>(db, tenant, &name).await?.map(|found| found.meta().uid))
}

pub(super) async fn insert<R: Stored>(
    db: &impl ConnectionTrait,
    resource: &R,
) -> Result<(), Error> {
    let row = resource.to_row().into_active_model().reset_all();
    R::Entity::insert(row).exec_without_returning(db).await?;
    Ok(())
}

pub(super) async fn update<R: Stored>(
    db: &impl ConnectionTrait,
    resource: &R,
) -> Result<(), Error> {
    let row = resource.to_row().into_active_model().reset_all();
    let uid = bytes(resource.meta().uid);
    R::Entity::update_many().set(row).filter(R::UID.eq(uid)).exec(db).await?;
    Ok(())
}

pub(super) async fn delete<R: Stored>(db: &impl ConnectionTrait, uid: Uid) -> Result<(), Error> {
    R::Entity::delete_many().filter(R::UID.eq(bytes(uid))).exec(db).await?;
    Ok(())
}

pub(super) fn rows<R: Stored>(
    found: Vec<<R::Entity as EntityTrait>::Model>,
) -> Result<Vec<R>, Error> {
    found.into_iter().map(R::from_row).collect()
}
