//! All tables of the first release.
//!
//! Every step may be repeated: MySQL commits each `CREATE TABLE` at once, so a crash can leave some of them made.

use sea_orm::sea_query::{Alias, ColumnDef, Index, IndexCreateStatement, OnConflict, Query, Table};
use sea_orm::{ConnectionTrait as _, DbBackend, DbErr};
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

/// Longest name, in bytes.
const NAME_MAX: u32 = 63;

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0001_start"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    #[allow(elided_lifetimes_in_paths, reason = "the macro needs the lifetime as the trait has it")]
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let to = Tables::of(manager);
        to.counters().await?;
        let numbers =
            ["partitions", "retention_seconds", "retention_bytes", "dedupe_window_seconds"];
        to.resource("buses", numbers.map(integer).into(), None).await?;
        let function = vec![
            to.name("target_kind"),
            to.document("target_settings"),
            integer("timeout_ms"),
            integer("concurrency"),
            to.sealed("signing_sealed"),
        ];
        to.resource("functions", function, None).await?;
        let source = vec![
            to.name("kind"),
            to.document("settings"),
            to.sealed("secrets_sealed"),
            uid("bus_uid"),
            to.name("bus_name"),
        ];
        to.resource("sources", source, None).await?;
        let trigger = vec![
            uid("source_uid").null().take(),
            uid("function_uid"),
            to.document("document"),
            to.name("state"),
            to.document("state_reason"),
            uid("relation_uid"),
            integer("definition_revision"),
        ];
        // Doubles as the index that finds the triggers of a function.
        let by_function = unique("triggers_function", ["tenant", "function_uid", "name"]);
        to.resource("triggers", trigger, Some(by_function)).await?;
        to.trigger_revisions().await?;
        to.relations().await?;
        to.outbox().await?;
        to.changes().await
    }
}

/// Makes tables as this database wants them.
pub(super) struct Tables<'a> {
    manager: &'a SchemaManager<'a>,
    backend: DbBackend,
}

impl<'a> Tables<'a> {
    pub(super) fn of(manager: &'a SchemaManager<'a>) -> Self {
        Self { manager, backend: manager.get_database_backend() }
    }

    /// A table with the columns that every resource has, and these.
    async fn resource(
        &self,
        table: &'static str,
        columns: Vec<ColumnDef>,
        index: Option<IndexCreateStatement>,
    ) -> Result<(), DbErr> {
        let mut all = self.meta();
        all.extend(columns);
        let named = unique(&format!("{table}_name"), ["tenant", "name"]);
        self.create(table, all, std::iter::once(named).chain(index).collect()).await
    }

    async fn counters(&self) -> Result<(), DbErr> {
        let columns = vec![self.name("name").primary_key().take(), integer("value")];
        self.create("counters", columns, Vec::new()).await?;
        let (name, value) = (Alias::new("name"), Alias::new("value"));
        // Whatever is there stays, also on MySQL, which knows no "do nothing".
        let keep = OnConflict::column(name.clone()).do_nothing_on([name.clone()]).to_owned();
        let insert = Query::insert()
            .into_table(Alias::new("counters"))
            .columns([name, value])
            .values_panic([super::super::counter::REVISION.into(), 0_i64.into()])
            .on_conflict(keep)
            .to_owned();
        self.manager.get_connection().execute(&insert).await.map(drop)
    }

    async fn trigger_revisions(&self) -> Result<(), DbErr> {
        let columns = vec![
            uid("trigger_uid"),
            integer("revision"),
            uid("tenant"),
            uid("relation_uid"),
            self.document("document"),
            integer("created_at"),
        ];
        let key = Index::create()
            .primary()
            .col(Alias::new("trigger_uid"))
            .col(Alias::new("revision"))
            .take();
        self.create("trigger_revisions", columns, vec![key]).await
    }

    async fn relations(&self) -> Result<(), DbErr> {
        let columns = vec![
            uid("uid").primary_key().take(),
            uid("tenant"),
            uid("trigger_uid"),
            self.document("subject"),
            uid("function_uid"),
            uid("rule_uid").null().take(),
            integer("created_at"),
        ];
        let by_trigger = unique("relations_trigger", ["tenant", "trigger_uid", "uid"]);
        self.create("relations", columns, vec![by_trigger]).await
    }

    async fn outbox(&self) -> Result<(), DbErr> {
        let columns = vec![
            uid("uid").primary_key().take(),
            uid("tenant"),
            integer("revision"),
            self.name("name"),
            self.document("document"),
            integer("created_at"),
        ];
        self.create("outbox", columns, vec![unique("outbox_revision", ["revision"])]).await
    }

    async fn changes(&self) -> Result<(), DbErr> {
        let mut columns = self.meta();
        columns.extend([
            self.name("kind"),
            ColumnDef::new(Alias::new("deleted")).boolean().not_null().take(),
        ]);
        self.create("changes", columns, vec![unique("changes_revision", ["revision"])]).await
    }

    fn meta(&self) -> Vec<ColumnDef> {
        vec![
            uid("uid").primary_key().take(),
            uid("tenant"),
            self.name("name"),
            integer("revision"),
            integer("created_at"),
            integer("updated_at"),
        ]
    }

    pub(super) async fn create(
        &self,
        table: &'static str,
        columns: Vec<ColumnDef>,
        indexes: Vec<IndexCreateStatement>,
    ) -> Result<(), DbErr> {
        let mut create = Table::create();
        create.table(Alias::new(table)).if_not_exists();
        if self.backend == DbBackend::MySql {
            create.engine("InnoDB").character_set("utf8mb4").collate("utf8mb4_bin");
        }
        for mut column in columns {
            create.col(&mut column);
        }
        for mut index in indexes {
            create.index(&mut index);
        }
        self.manager.create_table(create).await
    }

    /// A name, which is compared as bytes.
    fn name(&self, name: &str) -> ColumnDef {
        self.text(name, NAME_MAX)
    }

    /// Text that is compared as bytes.
    pub(super) fn text(&self, name: &str, bytes_max: u32) -> ColumnDef {
        let mut column = ColumnDef::new(Alias::new(name));
        column.string_len(bytes_max).not_null();
        if self.backend == DbBackend::Postgres {
            column.extra("COLLATE \"C\"");
        }
        column
    }

    /// Text of any length.
    fn document(&self, name: &str) -> ColumnDef {
        let mut column = ColumnDef::new(Alias::new(name));
        if self.backend == DbBackend::MySql {
            column.custom(Alias::new("longtext")).not_null().take()
        } else {
            column.text().not_null().take()
        }
    }

    /// Bytes of any length.
    pub(super) fn sealed(&self, name: &str) -> ColumnDef {
        let mut column = ColumnDef::new(Alias::new(name));
        if self.backend == DbBackend::MySql {
            column.custom(Alias::new("longblob")).not_null().take()
        } else {
            column.blob().not_null().take()
        }
    }
}

pub(super) fn uid(name: &str) -> ColumnDef {
    ColumnDef::new(Alias::new(name)).binary_len(16).not_null().take()
}

pub(super) fn integer(name: &str) -> ColumnDef {
    ColumnDef::new(Alias::new(name)).big_integer().not_null().take()
}

fn unique<const N: usize>(name: &str, columns: [&str; N]) -> IndexCreateStatement {
    let mut index = Index::create();
    index.unique().name(name);
    for column in columns {
        index.col(Alias::new(column));
    }
    index
}
