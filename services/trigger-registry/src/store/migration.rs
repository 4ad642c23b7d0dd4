//! The schema, step by step. A step that was released is never changed.

mod m0001_start;

use sea_orm_migration::{MigrationTrait, MigratorTrait};

/// Brings the schema up to date.
pub(super) struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(m0001_start::Migration)]
    }
}
