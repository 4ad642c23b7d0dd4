//! The schema.

use sea_orm::DbBackend;
use sea_orm_migration::{
    DbErr, MigrationName, MigrationTrait, MigratorTrait, SchemaManager,
    sea_orm::ConnectionTrait as _,
};

/// Brings the schema up to date.
pub(crate) struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(First), Box::new(CallKeys)]
    }
}

struct First;

impl MigrationName for First {
    fn name(&self) -> &'static str {
        "m0001_invocations"
    }
}

#[async_trait::async_trait]
#[allow(elided_lifetimes_in_paths, reason = "the trait is declared so")]
impl MigrationTrait for First {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in TABLES {
            create(manager, table).await?;
        }
        for index in indexes(manager.get_database_backend()) {
            create_index(manager, "invocations", *index).await?;
        }
        Ok(())
    }
}

/// Idempotency keys of direct calls, each as a hash of tenant and key, and what synchronous callers were told.
struct CallKeys;

impl MigrationName for CallKeys {
    fn name(&self) -> &'static str {
        "m0002_call_keys"
    }
}

#[async_trait::async_trait]
#[allow(elided_lifetimes_in_paths, reason = "the trait is declared so")]
impl MigrationTrait for CallKeys {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        create(manager, CALL_KEYS).await?;
        create_index(manager, "call_keys", ("call_keys_created", "(created_at)")).await
    }
}

const CALL_KEYS: &str = "CREATE TABLE IF NOT EXISTS call_keys (
    key_hash {hash} NOT NULL PRIMARY KEY,
    tenant {uid} NOT NULL,
    request_hash {hash} NOT NULL,
    id {id} NOT NULL,
    created_at BIGINT NOT NULL,
    status_code INTEGER NULL,
    content_type {text} NULL,
    answer {blob} NULL
){end}";

/// The name of an index, and what it holds.
type Index = (&'static str, &'static str);

async fn create(manager: &SchemaManager<'_>, table: &str) -> Result<(), DbErr> {
    let statement = in_dialect(manager.get_database_backend(), table);
    manager.get_connection().execute_unprepared(&statement).await.map(drop)
}

/// MySQL commits each statement by itself and cannot leave out an index that is there: an earlier attempt may have made it.
async fn create_index(
    manager: &SchemaManager<'_>,
    table: &str,
    (name, holds): Index,
) -> Result<(), DbErr> {
    if manager.has_index(table, name).await? {
        return Ok(());
    }
    let statement = format!("CREATE INDEX {name} ON {table} {holds}");
    manager.get_connection().execute_unprepared(&statement).await.map(drop)
}

/// `{uid}`, `{id}`, `{hash}`, `{attribute}`, `{text}`, `{blob}`, `{of some states}` and `{end}` stand for what differs between the dialects.
/// An attribute of an event is kept as bytes: it is compared as such, and may be long.
const TABLES: [&str; 6] = [
    "CREATE TABLE IF NOT EXISTS invocations (
        seq BIGINT NOT NULL PRIMARY KEY,
        id {id} NOT NULL UNIQUE,
        tenant {uid} NOT NULL,
        mode SMALLINT NOT NULL,
        bus {uid} NULL,
        trigger_uid {uid} NULL,
        revision BIGINT NOT NULL,
        function_uid {uid} NOT NULL,
        subject_kind SMALLINT NOT NULL,
        subject_uid {uid} NOT NULL,
        event_source {attribute} NOT NULL,
        event_id {attribute} NOT NULL,
        accepted_at BIGINT NOT NULL,
        state SMALLINT NOT NULL,
        reason VARCHAR(63) NOT NULL DEFAULT '',
        attempts INTEGER NOT NULL DEFAULT 0,
        generation INTEGER NOT NULL DEFAULT 1,
        next_attempt_at BIGINT NULL,
        owner_epoch BIGINT NULL,
        finished_at BIGINT NULL{of some states}
    ){end}",
    "CREATE TABLE IF NOT EXISTS payloads (
        seq BIGINT NOT NULL PRIMARY KEY,
        tenant {uid} NOT NULL,
        content_type {text} NULL,
        traceparent {text} NULL,
        body {blob} NOT NULL
    ){end}",
    "CREATE TABLE IF NOT EXISTS attempts (
        seq BIGINT NOT NULL,
        generation INTEGER NOT NULL,
        number INTEGER NOT NULL,
        tenant {uid} NOT NULL,
        started_at BIGINT NOT NULL,
        duration_ms BIGINT NOT NULL,
        status_code INTEGER NULL,
        error {text} NOT NULL,
        address {text} NOT NULL,
        response {blob} NOT NULL,
        PRIMARY KEY (seq, generation, number)
    ){clustered}{end}",
    "CREATE TABLE IF NOT EXISTS epochs (
        epoch BIGINT NOT NULL PRIMARY KEY,
        slot SMALLINT NOT NULL UNIQUE,
        alive_until BIGINT NOT NULL
    ){end}",
    "CREATE TABLE IF NOT EXISTS stats (
        tenant {uid} NOT NULL,
        epoch BIGINT NOT NULL,
        matched BIGINT NOT NULL,
        delivered BIGINT NOT NULL,
        dead BIGINT NOT NULL,
        cancelled BIGINT NOT NULL,
        PRIMARY KEY (tenant, epoch)
    ){end}",
    "CREATE TABLE IF NOT EXISTS holds (
        tenant {uid} NOT NULL,
        function_uid {uid} NOT NULL,
        until_at BIGINT NOT NULL,
        PRIMARY KEY (tenant, function_uid)
    ){end}",
];

/// A row that succeeds at once touches only indexes that it appends to, beside those of its id and event. What is
/// pending, dead or cancelled has indexes of its own, which such a row never enters. To SQLite `state = 3` does not show
/// that `state IN (0, 3, 4)`.
const INDEXES_PARTIAL: [Index; 7] = [
    ("invocations_event", "(event_id, tenant)"),
    ("invocations_trigger", "(trigger_uid, seq)"),
    ("invocations_function", "(function_uid, seq)"),
    ("invocations_running", "(owner_epoch) WHERE state = 1"),
    ("invocations_due", "(function_uid, next_attempt_at) WHERE state = 0"),
    ("invocations_waiting", "(trigger_uid) WHERE state = 0"),
    ("invocations_state", "(tenant, state, seq) WHERE state = 0 OR state = 3 OR state = 4"),
];

/// MySQL and MariaDB have no partial indexes, but columns that are NULL in all other rows: what succeeds at once never
/// changes its place in their indexes.
const INDEXES_FULL: [Index; 7] = [
    ("invocations_event", "(event_id, tenant)"),
    ("invocations_trigger", "(trigger_uid, seq)"),
    ("invocations_function", "(function_uid, seq)"),
    ("invocations_running", "(owner_epoch)"),
    ("invocations_due", "(pending_function, next_attempt_at)"),
    ("invocations_waiting", "(pending_trigger)"),
    ("invocations_state", "(tenant, listed_state, seq)"),
];
const OF_SOME_STATES: &str = ",
        pending_function BINARY(16) AS (CASE WHEN state = 0 THEN function_uid END) STORED,
        pending_trigger BINARY(16) AS (CASE WHEN state = 0 THEN trigger_uid END) STORED,
        listed_state SMALLINT AS (CASE WHEN state IN (0, 3, 4) THEN state END) STORED";

/// How the statements say what an index of some states holds, so that it is used.
#[derive(Debug)]
pub(super) struct Phrases {
    pub(super) pending: &'static str,
    pub(super) pending_of_function: &'static str,
    pub(super) pending_of_trigger: &'static str,
    /// For the states pending, dead and cancelled alone.
    pub(super) listed_state: &'static str,
}

impl Phrases {
    pub(super) fn of(backend: DbBackend) -> &'static Self {
        if backend == DbBackend::MySql { &PHRASES_FULL } else { &PHRASES_PARTIAL }
    }
}

const PHRASES_PARTIAL: Phrases = Phrases {
    pending: "state=0",
    pending_of_function: "state=0 AND function_uid=",
    pending_of_trigger: "state=0 AND trigger_uid=",
    listed_state: "state=",
};
const PHRASES_FULL: Phrases = Phrases {
    pending: "pending_function IS NOT NULL",
    pending_of_function: "pending_function=",
    pending_of_trigger: "pending_trigger=",
    listed_state: "listed_state=",
};

fn indexes(backend: DbBackend) -> &'static [Index] {
    if backend == DbBackend::MySql { &INDEXES_FULL } else { &INDEXES_PARTIAL }
}

fn in_dialect(backend: DbBackend, statement: &str) -> String {
    let words = match backend {
        DbBackend::MySql => [
            ("{uid}", "BINARY(16)"),
            ("{id}", "BINARY(20)"),
            ("{hash}", "BINARY(32)"),
            ("{attribute}", "VARBINARY(2048)"),
            ("{text}", "TEXT"),
            ("{blob}", "LONGBLOB"),
            ("{clustered}", ""),
            ("{of some states}", OF_SOME_STATES),
            ("{end}", " CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"),
        ],
        DbBackend::Postgres => [
            ("{uid}", "BYTEA"),
            ("{id}", "BYTEA"),
            ("{hash}", "BYTEA"),
            ("{attribute}", "BYTEA"),
            ("{text}", "TEXT"),
            ("{blob}", "BYTEA"),
            ("{clustered}", ""),
            ("{of some states}", ""),
            ("{end}", ""),
        ],
        _ => [
            // A key of this exact type is the row's own place: no index beside the table.
            ("seq BIGINT NOT NULL PRIMARY KEY", "seq INTEGER NOT NULL PRIMARY KEY"),
            ("{uid}", "BLOB"),
            ("{id}", "BLOB"),
            ("{hash}", "BLOB"),
            ("{attribute}", "BLOB"),
            ("{text}", "TEXT"),
            ("{blob}", "BLOB"),
            ("{clustered}{end}", " WITHOUT ROWID"),
            ("{of some states}", ""),
        ],
    };
    let words = words.into_iter().chain([("{end}", "")]);
    words.fold(statement.to_owned(), |sql, (word, meaning)| sql.replace(word, meaning))
}
