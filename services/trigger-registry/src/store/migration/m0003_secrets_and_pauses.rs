//! Secret settings of functions apart from the others, the signing secret before the newest, and sources that are paused.
//!
//! What an earlier release left in the clear is sealed by the program at its next start: this step has no master key.

use sea_orm::DbErr;
use sea_orm::sea_query::{Alias, Table};
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

use super::m0001_start::{Tables, integer};

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0003_secrets_and_pauses"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    #[allow(elided_lifetimes_in_paths, reason = "the macro needs the lifetime as the trait has it")]
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let to = Tables::of(manager);
        let columns = [
            ("functions", "secrets_sealed", to.sealed("secrets_sealed")),
            ("functions", "earlier_signing_sealed", to.sealed("earlier_signing_sealed")),
            ("functions", "earlier_signing_until", integer("earlier_signing_until")),
            ("sources", "paused", integer("paused")),
        ];
        for (table, name, mut column) in columns {
            if !manager.has_column(table, name).await? {
                let mut add = Table::alter();
                add.table(Alias::new(table)).add_column(column.null());
                manager.alter_table(add).await?;
            }
        }
        Ok(())
    }
}
