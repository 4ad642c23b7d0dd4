//! Every definition that a trigger had, for as long as the trigger lives.

#![allow(unreachable_pub, reason = "the entity macros make everything public")]

use sea_orm::entity::prelude::*;
use tripline_kernel::Uid;

use super::{Error, Write, bytes, document, parse_document, stored};
use crate::trigger::{Spec, Trigger};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "trigger_revisions")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub trigger_uid: Vec<u8>,
    #[sea_orm(primary_key, auto_increment = false)]
    pub revision: i64,
    pub tenant: Vec<u8>,
    pub relation_uid: Vec<u8>,
    pub document: String,
    pub created_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Write {
    /// Keeps the definition that the trigger has now.
    pub(crate) async fn keep_definition(&self, trigger: &Trigger) -> Result<(), Error> {
        let row = Model {
            trigger_uid: bytes(trigger.meta.uid),
            revision: stored(trigger.definition_revision),
            tenant: bytes(trigger.meta.tenant),
            relation_uid: bytes(trigger.relation),
            document: document(&trigger.spec),
            created_at: self.now().as_micros(),
        };
        Entity::insert(ActiveModel::from(row).reset_all())
            .exec_without_returning(self.db())
            .await?;
        Ok(())
    }

    /// Forgets all definitions of a trigger.
    pub(crate) async fn forget_definitions(&self, trigger: Uid) -> Result<(), Error> {
        let rows = Entity::delete_many().filter(Column::TriggerUid.eq(bytes(trigger)));
        rows.exec(self.db()).await?;
        Ok(())
    }
}

/// The definition that a trigger had, and the relation that went with it.
pub(crate) async fn definition_at(
    db: &impl ConnectionTrait,
    trigger: Uid,
    revision: u64,
) -> Result<Option<(Spec, Uid)>, Error> {
    let Some(row) = Entity::find_by_id((bytes(trigger), stored(revision))).one(db).await? else {
        return Ok(None);
    };
    Ok(Some((parse_document(&row.document, "trigger revision")?, super::uid(&row.relation_uid)?)))
}
