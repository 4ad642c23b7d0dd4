//! The schema.

use sea_orm::DbBackend;
use sea_orm_migration::prelude::*;

use super::REVISION;

/// Brings the schema up to date.
pub(crate) struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(Initial)]
    }
}

struct Initial;

impl MigrationName for Initial {
    fn name(&self) -> &'static str {
        "m0001_initial"
    }
}

#[async_trait::async_trait]
#[allow(elided_lifetimes_in_paths, reason = "the trait, made by async_trait, leaves it out")]
impl MigrationTrait for Initial {
    /// May run again after a crash half-way, where the server commits each table by itself.
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [counters(), tenants(), api_keys(), rules(), relations()] {
            create(manager, table).await?;
        }
        let seed = Query::insert()
            .into_table("counters")
            .columns(["name", "value"])
            .values_panic([REVISION.into(), 0_i64.into()])
            .on_conflict(OnConflict::column("name").do_nothing_on(["name"]).to_owned())
            .to_owned();
        manager.execute(seed).await
    }
}

async fn create(manager: &SchemaManager<'_>, mut table: TableCreateStatement) -> Result<(), DbErr> {
    if manager.get_database_backend() == DbBackend::MySql {
        // Texts are compared as bytes, as the other servers do anyway.
        table.engine("InnoDB").character_set("utf8mb4").collate("utf8mb4_bin");
    }
    manager.create_table(table.if_not_exists().to_owned()).await
}

fn counters() -> TableCreateStatement {
    Table::create()
        .table("counters")
        .col(ColumnDef::new("name").string_len(63).not_null().primary_key())
        .col(ColumnDef::new("value").big_integer().not_null())
        .to_owned()
}

fn tenants() -> TableCreateStatement {
    Table::create()
        .table("tenants")
        .col(uid("uid").primary_key())
        .col(ColumnDef::new("name").string_len(63).not_null().unique_key())
        .col(ColumnDef::new("created_at").big_integer().not_null())
        .to_owned()
}

fn api_keys() -> TableCreateStatement {
    Table::create()
        .table("api_keys")
        .col(uid("uid").primary_key())
        .col(uid("tenant"))
        .col(ColumnDef::new("name").string_len(63).not_null())
        .col(ColumnDef::new("hash").binary_len(32).not_null().unique_key())
        .col(ColumnDef::new("created_at").big_integer().not_null())
        .index(Index::create().unique().name("api_keys_name").col("tenant").col("name"))
        .to_owned()
}

fn rules() -> TableCreateStatement {
    Table::create()
        .table("rules")
        .col(uid("tenant"))
        .col(ColumnDef::new("subject_kind").small_integer().not_null())
        .col(uid("subject"))
        .col(uid("function"))
        .col(uid("uid").unique_key())
        .col(ColumnDef::new("ended").boolean().not_null())
        .col(ColumnDef::new("revision").big_integer().not_null().unique_key())
        .primary_key(
            Index::create().col("tenant").col("subject_kind").col("subject").col("function"),
        )
        .to_owned()
}

fn relations() -> TableCreateStatement {
    let binding = ["tenant", "subject_kind", "subject", "function", "relation"];
    let mut of_rule = Index::create().unique().name("rule_relations_rule").to_owned();
    for column in binding {
        of_rule.col(column);
    }
    Table::create()
        .table("rule_relations")
        .col(uid("relation").primary_key())
        .col(uid("tenant"))
        .col(ColumnDef::new("subject_kind").small_integer())
        .col(ColumnDef::new("subject").binary_len(16))
        .col(ColumnDef::new("function").binary_len(16))
        .col(ColumnDef::new("revoked").boolean().not_null())
        .col(ColumnDef::new("ended_rule").binary_len(16))
        .index(&mut of_rule)
        .to_owned()
}

fn uid(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).binary_len(16).not_null().to_owned()
}
