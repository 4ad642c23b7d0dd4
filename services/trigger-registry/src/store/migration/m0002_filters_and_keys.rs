//! The bus of a trigger as a column to be searched by, and the answers that are kept for idempotency keys.

use sea_orm::sea_query::{Alias, Expr, ExprTrait as _, Query, Table};
use sea_orm::{ConnectionTrait as _, DbErr};
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};
use tripline_kernel::Uid;

use super::m0001_start::{Tables, integer, uid};
use crate::store::idempotency::KEY_BYTES_MAX;

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0002_filters_and_keys"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    #[allow(elided_lifetimes_in_paths, reason = "the macro needs the lifetime as the trait has it")]
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let to = Tables::of(manager);
        if !manager.has_column("triggers", "bus_uid").await? {
            let mut column = uid("bus_uid").null().take();
            let mut add = Table::alter();
            add.table(Alias::new("triggers")).add_column(&mut column);
            manager.alter_table(add).await?;
        }
        fill(manager).await?;
        let columns = vec![
            uid("tenant"),
            to.text("idempotency_key", KEY_BYTES_MAX),
            to.sealed("request_hash"),
            to.sealed("answer"),
            integer("created_at"),
        ];
        let key = sea_orm::sea_query::Index::create()
            .primary()
            .col(Alias::new("tenant"))
            .col(Alias::new("idempotency_key"))
            .take();
        to.create("idempotency", columns, vec![key]).await
    }
}

/// Takes the bus out of the document of each trigger that does not have it in its column yet.
async fn fill(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let (db, triggers) = (manager.get_connection(), Alias::new("triggers"));
    let (uid, document, bus_uid) =
        (Alias::new("uid"), Alias::new("document"), Alias::new("bus_uid"));
    let select = Query::select()
        .columns([uid.clone(), document])
        .from(triggers.clone())
        .and_where(Expr::col(bus_uid.clone()).is_null())
        .to_owned();
    for row in db.query_all(&select).await? {
        let document: String = row.try_get("", "document")?;
        let bus = serde_json::from_str::<serde_json::Value>(&document).ok();
        let bus = bus.and_then(|spec| spec["bus"]["uid"].as_str()?.parse::<Uid>().ok());
        let bus =
            bus.ok_or_else(|| DbErr::Type("a trigger's document names its bus".to_owned()))?;
        let update = Query::update()
            .table(triggers.clone())
            .value(bus_uid.clone(), bus.as_bytes().to_vec())
            .and_where(Expr::col(uid.clone()).eq(row.try_get::<Vec<u8>>("", "uid")?))
            .to_owned();
        db.execute(&update).await?;
    }
    Ok(())
}
