//! The schema, step by step. A step that was released is never changed.

mod m0001_start;
mod m0002_filters_and_keys;
mod m0003_secrets_and_pauses;

use sea_orm_migration::{MigrationTrait, MigratorTrait};

/// Brings the schema up to date.
pub(super) struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m0001_start::Migration),
            Box::new(m0002_filters_and_keys::Migration),
            Box::new(m0003_secrets_and_pauses::Migration),
        ]
    }
}
