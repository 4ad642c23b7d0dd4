//! Answers that were given to requests with an idempotency key, kept with what the requests did.

#![allow(unreachable_pub, reason = "the entity macros make everything public")]

use std::time::Duration;

use sea_orm::entity::prelude::*;
use sea_orm::{QueryOrder as _, QuerySelect as _, Set};
use tripline_kernel::TenantUid;

use super::{Error, Write, bytes};

/// How long an answer is kept at least. A key that is used again after that is a new one.
pub(crate) const KEPT: Duration = Duration::from_secs(24 * 60 * 60);
/// Longest key, in bytes.
pub(crate) const KEY_BYTES_MAX: u32 = 255;
/// Most answers that are too old and go when a new one is kept: more than one, so that they get fewer.
const FORGOTTEN_MAX: u64 = 16;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "idempotency")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant: Vec<u8>,
    #[sea_orm(primary_key, auto_increment = false)]
    pub idempotency_key: String,
    pub request_hash: Vec<u8>,
    pub answer: Vec<u8>,
    pub created_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// What an idempotency key stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) tenant: TenantUid,
    pub(crate) key: String,
    /// The request that came with it, as a hash.
    pub(crate) request: [u8; 32],
}

/// What is kept for a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// The answer to the same request.
    Answer(Vec<u8>),
    /// Something else was asked for with this key.
    OtherRequest,
}

impl Write {
    /// What is kept for this key, if anything.
    pub(crate) async fn kept(&self, key: &Key) -> Result<Option<Kept>, Error> {
        let found = Entity::find_by_id((bytes(key.tenant), key.key.clone())).one(self.db()).await?;
        let kept_from = self.now().before(KEPT).as_micros();
        Ok(found.filter(|row| row.created_at > kept_from).map(|row| {
            if row.request_hash == key.request {
                Kept::Answer(row.answer)
            } else {
                Kept::OtherRequest
            }
        }))
    }

    /// Keeps the answer to a request, for which nothing is kept yet.
    pub(crate) async fn keep_answer(&self, key: &Key, answer: Vec<u8>) -> Result<(), Error> {
        self.forget_answers().await?;
        Entity::delete_by_id((bytes(key.tenant), key.key.clone())).exec(self.db()).await?;
        let row = Model {
            tenant: bytes(key.tenant),
            idempotency_key: key.key.clone(),
            request_hash: key.request.to_vec(),
            answer,
            created_at: self.now().as_micros(),
        };
        Entity::insert(ActiveModel::from(row).reset_all())
            .exec_without_returning(self.db())
            .await?;
        Ok(())
    }

    /// Puts the answer as it was given in the place of the one that was expected.
    pub(crate) async fn amend_answer(&self, key: &Key, answer: Vec<u8>) -> Result<(), Error> {
        let row = ActiveModel { answer: Set(answer), ..Default::default() };
        Entity::update_many()
            .set(row)
            .filter(Column::Tenant.eq(bytes(key.tenant)))
            .filter(Column::IdempotencyKey.eq(&key.key))
            .filter(Column::RequestHash.eq(key.request.to_vec()))
            .exec(self.db())
            .await?;
        Ok(())
    }

    async fn forget_answers(&self) -> Result<(), Error> {
        let old = Entity::find()
            .filter(Column::CreatedAt.lte(self.now().before(KEPT).as_micros()))
            .order_by_asc(Column::CreatedAt)
            .limit(FORGOTTEN_MAX);
        for row in old.all(self.db()).await? {
            Entity::delete_by_id((row.tenant, row.idempotency_key)).exec(self.db()).await?;
        }
        Ok(())
    }
}
