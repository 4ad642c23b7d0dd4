//! Tenants and API keys.

use sea_orm::{ActiveModelTrait as _, ColumnTrait as _, EntityTrait as _, QueryFilter as _, Set};
use tripline_kernel::DEFAULT_TENANT;
use tripline_signing::{ApiKey, ApiKeyHash};

use super::entity::{api_key, tenant};
use super::{Store, Writing, bytes, uid};
use crate::Error;
use crate::rule::KeyHolder;

/// The tenant that every installation begins with.
const TENANT_NAME: &str = "default";
/// The API key that the configuration sets.
const ADMIN_NAME: &str = "admin";

impl Store {
    /// Makes the default tenant if it is not there, and puts the administrator's key in force, if there is one.
    pub(crate) async fn begin(&self, admin: Option<&ApiKey>) -> Result<(), Error> {
        let writing = self.begin_write().await?;
        let tenant = bytes(DEFAULT_TENANT);
        if tenant::Entity::find_by_id(tenant.clone()).one(&writing.tx).await?.is_none() {
            let created_at = Set(self.clock.now().as_micros());
            let tenant = tenant::ActiveModel {
                uid: Set(tenant),
                name: Set(TENANT_NAME.to_owned()),
                created_at,
            };
            tenant::Entity::insert(tenant).exec_without_returning(&writing.tx).await?;
        }
        if let Some(key) = admin {
            self.put_key(&writing, key).await?;
        }
        self.commit(writing).await
    }

    /// A key keeps its uid when it is replaced: rules that name it go on.
    async fn put_key(&self, writing: &Writing, key: &ApiKey) -> Result<(), Error> {
        let hash = key.hash().as_bytes().to_vec();
        let existing = api_key::Entity::find()
            .filter(api_key::Column::Tenant.eq(bytes(DEFAULT_TENANT)))
            .filter(api_key::Column::Name.eq(ADMIN_NAME))
            .one(&writing.tx)
            .await?;
        match existing {
            Some(existing) if existing.hash == hash => {}
            Some(existing) => {
                let mut replaced: api_key::ActiveModel = existing.into();
                replaced.hash = Set(hash);
                replaced.update(&writing.tx).await?;
                tracing::info!(
                    api_key.name = ADMIN_NAME,
                    "the administrator's API key was replaced"
                );
            }
            None => {
                let key = api_key::ActiveModel {
                    uid: Set(bytes(self.new_uid())),
                    tenant: Set(bytes(DEFAULT_TENANT)),
                    name: Set(ADMIN_NAME.to_owned()),
                    hash: Set(hash),
                    created_at: Set(self.clock.now().as_micros()),
                };
                api_key::Entity::insert(key).exec_without_returning(&writing.tx).await?;
            }
        }
        Ok(())
    }

    /// Whose the key with this hash is.
    pub(crate) async fn holder(&self, hash: &ApiKeyHash) -> Result<KeyHolder, Error> {
        let found = api_key::Entity::find()
            .filter(api_key::Column::Hash.eq(hash.as_bytes().to_vec()))
            .one(&self.db)
            .await?
            .ok_or(Error::UnknownApiKey)?;
        // What the database calls equal is compared once more, in constant time.
        let stored = found.hash.as_slice().try_into().map(ApiKeyHash::from_bytes);
        if stored.ok().as_ref() != Some(hash) {
            return Err(Error::UnknownApiKey);
        }
        Ok(KeyHolder { tenant: uid(&found.tenant)?, uid: uid(&found.uid)?, name: found.name })
    }
}
