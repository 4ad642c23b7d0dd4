//! The table of relations.

#![allow(unreachable_pub, reason = "the entity macros make everything public")]

use sea_orm::entity::prelude::*;
use sea_orm::sea_query::SimpleExpr;
use sea_orm::{QueryOrder as _, Set};
use tripline_event::Subject;
use tripline_kernel::{TenantUid, Uid};

use super::{Error, Write, bytes, document, optional_uid, parse_document, uid};
use crate::trigger;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "relations")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub uid: Vec<u8>,
    pub tenant: Vec<u8>,
    pub trigger_uid: Vec<u8>,
    pub subject: String,
    pub function_uid: Vec<u8>,
    pub rule_uid: Option<Vec<u8>>,
    pub created_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Write {
    /// Adds a relation that is not granted yet.
    pub(crate) async fn insert_relation(&self, relation: &trigger::Relation) -> Result<(), Error> {
        let row = Model {
            uid: bytes(relation.uid),
            tenant: bytes(relation.tenant),
            trigger_uid: bytes(relation.trigger),
            subject: document(&relation.subject),
            function_uid: bytes(relation.function),
            rule_uid: relation.rule.map(bytes),
            created_at: self.now().as_micros(),
        };
        Entity::insert(ActiveModel::from(row).reset_all())
            .exec_without_returning(self.db())
            .await?;
        Ok(())
    }

    /// Notes under which rule auth counts the relation.
    pub(crate) async fn relation_granted(&self, relation: Uid, rule: Uid) -> Result<(), Error> {
        let row = ActiveModel { rule_uid: Set(Some(bytes(rule))), ..Default::default() };
        let query = Entity::update_many().set(row).filter(Column::Uid.eq(bytes(relation)));
        query.exec(self.db()).await?;
        Ok(())
    }

    /// Forgets relations that were revoked.
    pub(crate) async fn remove_relations(&self, relations: &[Uid]) -> Result<(), Error> {
        if relations.is_empty() {
            return Ok(());
        }
        let uids = relations.iter().copied().map(bytes);
        Entity::delete_many().filter(Column::Uid.is_in(uids)).exec(self.db()).await?;
        Ok(())
    }
}

/// The relations of a trigger: that of the newest definition, and those of earlier ones.
pub(crate) async fn relations_of(
    db: &impl ConnectionTrait,
    trigger: &trigger::Trigger,
) -> Result<Vec<trigger::Relation>, Error> {
    let of_trigger = Column::TriggerUid.eq(bytes(trigger.meta.uid));
    all(db, trigger.meta.tenant, of_trigger).await
}

/// The relations of any triggers that start from this subject.
pub(crate) async fn relations_from(
    db: &impl ConnectionTrait,
    tenant: TenantUid,
    subject: Subject,
) -> Result<Vec<trigger::Relation>, Error> {
    all(db, tenant, Column::Subject.eq(document(&subject))).await
}

/// The relations of any triggers that lead to this function.
pub(crate) async fn relations_to(
    db: &impl ConnectionTrait,
    tenant: TenantUid,
    function: Uid,
) -> Result<Vec<trigger::Relation>, Error> {
    all(db, tenant, Column::FunctionUid.eq(bytes(function))).await
}

async fn all(
    db: &impl ConnectionTrait,
    tenant: TenantUid,
    which: SimpleExpr,
) -> Result<Vec<trigger::Relation>, Error> {
    let query = Entity::find()
        .filter(Column::Tenant.eq(bytes(tenant)))
        .filter(which)
        .order_by_asc(Column::Uid);
    let parse = |row: Model| {
        Ok(trigger::Relation {
            uid: uid(&row.uid)?,
            tenant: uid(&row.tenant)?,
            trigger: uid(&row.trigger_uid)?,
            subject: parse_document(&row.subject, "subject")?,
            function: uid(&row.function_uid)?,
            rule: optional_uid(row.rule_uid.as_deref())?,
        })
    };
    query.all(db).await?.into_iter().map(parse).collect()
}
