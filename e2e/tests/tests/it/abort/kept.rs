//! What auth and the registry have in their databases.

use anyhow::Context as _;
use sea_orm::{ConnectionTrait as _, Database, DatabaseConnection, Statement};
use tripline_e2e::System;
use tripline_testkit::wait_until;

use super::DEADLINE;

/// The databases of auth and the registry.
pub(super) struct Kept {
    auth: DatabaseConnection,
    registry: DatabaseConnection,
}

/// What is bound beside the trigger that stays, and its function's rule.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bound {
    pub(super) triggers: i64,
    /// Each is granted.
    pub(super) relations: i64,
    pub(super) rules: i64,
}

impl Kept {
    pub(super) async fn open(system: &System) -> anyhow::Result<Self> {
        let connect = async |service: &str| {
            let url = system.database(service).context("a database")?;
            anyhow::Ok(Database::connect(url).await?)
        };
        Ok(Self { auth: connect("auth").await?, registry: connect("trigger-registry").await? })
    }

    /// Sees that so much is bound, and that nothing is left to be done.
    pub(super) async fn holds(&self, bound: Bound) -> anyhow::Result<()> {
        let Bound { triggers, relations, rules } = bound;
        let expected = [triggers + 1, relations + 1, 0, rules + 1, relations + 1];
        let mut found = [0; 5];
        wait_until(DEADLINE, async || match self.count().await {
            Ok(counted) => {
                found = counted;
                counted == expected
            }
            Err(_) => false,
        })
        .await
        .with_context(|| {
            format!("triggers, relations, tasks, rules and grants: {found:?}, not {expected:?}")
        })
    }

    async fn count(&self) -> anyhow::Result<[i64; 5]> {
        let count = async |db: &DatabaseConnection, from: &str| {
            let sql = format!("SELECT COUNT(*) FROM {from}");
            let row =
                db.query_one_raw(Statement::from_string(db.get_database_backend(), sql)).await?;
            anyhow::Ok(row.context("a count is one row")?.try_get_by_index::<i64>(0)?)
        };
        Ok([
            count(&self.registry, "triggers").await?,
            count(&self.registry, "relations").await?,
            count(&self.registry, "outbox").await?,
            count(&self.auth, "rules WHERE ended = 0").await?,
            count(&self.auth, "rule_relations WHERE revoked = 0").await?,
        ])
    }
}
