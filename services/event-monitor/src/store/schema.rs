//! The tables of event-monitor, on SQLite, MariaDB, MySQL and PostgreSQL.

use sea_orm::{DatabaseBackend, DbErr};
use sea_orm_migration::prelude::*;

use tripline_source::{INVENTORY_KEY_BYTES_MAX, INVENTORY_VALUE_BYTES_MAX};

use super::memory::KEY_BYTES_MAX;

/// Brings a database to the newest schema.
pub(crate) struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(First), Box::new(Inventories)]
    }
}

struct First;

impl MigrationName for First {
    fn name(&self) -> &'static str {
        "m0001_first"
    }
}

#[async_trait::async_trait]
#[allow(elided_lifetimes_in_paths, reason = "the trait is declared so")]
impl MigrationTrait for First {
    /// May run again after a crash half-way, where the server commits each table by itself.
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let backend = manager.get_database_backend();
        let tables = [
            leases(),
            checkpoints(backend),
            buses(),
            source_status(backend),
            source_memory(backend),
        ];
        for table in tables {
            create(manager, table).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["leases", "checkpoints", "buses", "source_status", "source_memory"] {
            manager.drop_table(Table::drop().table(Alias::new(table)).to_owned()).await?;
        }
        Ok(())
    }
}

struct Inventories;

impl MigrationName for Inventories {
    fn name(&self) -> &'static str {
        "m0002_inventories"
    }
}

#[async_trait::async_trait]
#[allow(elided_lifetimes_in_paths, reason = "the trait is declared so")]
impl MigrationTrait for Inventories {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        create(manager, source_inventory()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(Alias::new("source_inventory")).to_owned()).await
    }
}

async fn create(manager: &SchemaManager<'_>, mut table: TableCreateStatement) -> Result<(), DbErr> {
    if manager.get_database_backend() == DatabaseBackend::MySql {
        // Text is compared as bytes, as the others do by themselves.
        table.character_set("utf8mb4").collate("utf8mb4_bin");
    }
    manager.create_table(table).await
}

fn leases() -> TableCreateStatement {
    table("leases", &["tenant", "kind", "uid", "partition"])
        .col(uid("tenant"))
        .col(column("kind").small_integer())
        .col(uid("uid"))
        .col(column("partition").integer())
        .col(uid("holder"))
        .col(column("epoch").big_integer())
        .col(column("lease_until").big_integer())
        .to_owned()
}

fn checkpoints(backend: DatabaseBackend) -> TableCreateStatement {
    table("checkpoints", &["tenant", "bus", "partition"])
        .col(uid("tenant"))
        .col(uid("bus"))
        .col(column("partition").integer())
        .col(column("epoch").big_integer())
        .col(column("next_offset").big_integer())
        .col(column("dedupe_start").big_integer())
        .col(long_text("definitions", backend))
        .col(column("accepted").big_integer())
        .col(column("deduplicated").big_integer())
        .to_owned()
}

fn buses() -> TableCreateStatement {
    table("buses", &["tenant", "uid"])
        .col(uid("tenant"))
        .col(uid("uid"))
        .col(column("name").string_len(63))
        .col(column("revision").big_integer())
        .col(column("partitions").integer())
        .col(column("retention_seconds").big_integer())
        .col(column("dedupe_window_seconds").big_integer())
        .to_owned()
}

fn source_status(backend: DatabaseBackend) -> TableCreateStatement {
    table("source_status", &["tenant", "source"])
        .col(uid("tenant"))
        .col(uid("source"))
        .col(column("epoch").big_integer())
        .col(column("state").small_integer())
        .col(long_text("reason", backend))
        .col(column("since").big_integer())
        .col(column("events").big_integer())
        .col(ColumnDef::new(Alias::new("last_event_at")).big_integer().null())
        .to_owned()
}

fn source_memory(backend: DatabaseBackend) -> TableCreateStatement {
    table("source_memory", &["tenant", "source", "memory_key"])
        .col(uid("tenant"))
        .col(uid("source"))
        .col(column("memory_key").var_binary(length(KEY_BYTES_MAX)))
        .col(long_bytes("value", backend))
        .to_owned()
}

fn source_inventory() -> TableCreateStatement {
    table("source_inventory", &["tenant", "source", "entry_key"])
        .col(uid("tenant"))
        .col(uid("source"))
        .col(column("entry_key").var_binary(length(INVENTORY_KEY_BYTES_MAX)))
        .col(column("value").var_binary(length(INVENTORY_VALUE_BYTES_MAX)))
        .to_owned()
}

/// The length of a column.
fn length(bytes_max: usize) -> u32 {
    TryFrom::try_from(bytes_max).expect("a few thousand")
}

/// A table with this primary key.
fn table(name: &str, key: &[&str]) -> TableCreateStatement {
    let mut primary = Index::create();
    for part in key {
        primary.col(Alias::new(*part));
    }
    Table::create().table(Alias::new(name)).if_not_exists().primary_key(&mut primary).to_owned()
}

fn column(name: &str) -> ColumnDef {
    ColumnDef::new(Alias::new(name)).not_null().to_owned()
}

fn uid(name: &str) -> ColumnDef {
    column(name).binary_len(16).to_owned()
}

/// Text without a limit worth speaking of: MySQL's `text` ends at 64 KiB.
fn long_text(name: &str, backend: DatabaseBackend) -> ColumnDef {
    match backend {
        DatabaseBackend::MySql => column(name).custom(Alias::new("longtext")).to_owned(),
        _ => column(name).text().to_owned(),
    }
}

/// Bytes without a limit worth speaking of: MySQL's `blob` ends at 64 KiB.
fn long_bytes(name: &str, backend: DatabaseBackend) -> ColumnDef {
    match backend {
        DatabaseBackend::MySql => column(name).custom(Alias::new("longblob")).to_owned(),
        _ => column(name).blob().to_owned(),
    }
}
