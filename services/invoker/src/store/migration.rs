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
        let backend = manager.get_database_backend();
        for statement in TABLES.iter().chain(indexes(backend)) {
            manager.get_connection().execute_unprepared(&in_dialect(backend, statement)).await?;
        }
        Ok(())
    }
}

/// Idempotency keys of direct calls, and what synchronous callers were told.
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
        let backend = manager.get_database_backend();
        for statement in CALL_KEYS {
            manager.get_connection().execute_unprepared(&in_dialect(backend, statement)).await?;
        }
        Ok(())
    }
}

const CALL_KEYS: [&str; 2] = [
    "CREATE TABLE call_keys (
        tenant {uid} NOT NULL,
        idempotency_key {attribute} NOT NULL,
        request_hash {attribute} NOT NULL,
        id {id} NOT NULL,
        created_at BIGINT NOT NULL,
        status_code INTEGER NULL,
        content_type {text} NULL,
        answer {blob} NULL,
        PRIMARY KEY (tenant, idempotency_key)
    ){end}",
    "CREATE INDEX call_keys_created ON call_keys (created_at)",
];

/// `{uid}`, `{id}`, `{attribute}`, `{text}`, `{blob}`, `{of some states}` and `{end}` stand for what differs between the dialects.
/// An attribute of an event is kept as bytes: it is compared as such, and may be long.
const TABLES: [&str; 6] = [
    "CREATE TABLE invocations (
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
    "CREATE TABLE payloads (
        seq BIGINT NOT NULL PRIMARY KEY,
        tenant {uid} NOT NULL,
        content_type {text} NULL,
        traceparent {text} NULL,
        body {blob} NOT NULL
    ){end}",
    "CREATE TABLE attempts (
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
    "CREATE TABLE epochs (
        epoch BIGINT NOT NULL PRIMARY KEY,
        slot SMALLINT NOT NULL UNIQUE,
        alive_until BIGINT NOT NULL
    ){end}",
    "CREATE TABLE stats (
        tenant {uid} NOT NULL,
        epoch BIGINT NOT NULL,
        matched BIGINT NOT NULL,
        delivered BIGINT NOT NULL,
        dead BIGINT NOT NULL,
        cancelled BIGINT NOT NULL,
        PRIMARY KEY (tenant, epoch)
    ){end}",
    "CREATE TABLE holds (
        tenant {uid} NOT NULL,
        function_uid {uid} NOT NULL,
        until_at BIGINT NOT NULL,
        PRIMARY KEY (tenant, function_uid)
    ){end}",
];

/// A row that succeeds at once touches only indexes that it appends to, beside those of its id and event. What is
/// pending, dead or cancelled has indexes of its own, which such a row never enters. To SQLite `state = 3` does not show
/// that `state IN (0, 3, 4)`.
const INDEXES_PARTIAL: [&str; 7] = [
    "CREATE INDEX invocations_event ON invocations (event_id, tenant)",
    "CREATE INDEX invocations_trigger ON invocations (trigger_uid, seq)",
    "CREATE INDEX invocations_function ON invocations (function_uid, seq)",
    "CREATE INDEX invocations_running ON invocations (owner_epoch) WHERE state = 1",
    "CREATE INDEX invocations_due ON invocations (function_uid, next_attempt_at) WHERE state = 0",
    "CREATE INDEX invocations_waiting ON invocations (trigger_uid) WHERE state = 0",
    "CREATE INDEX invocations_state ON invocations (tenant, state, seq) WHERE state = 0 OR state = 3 OR state = 4",
];

/// MySQL and MariaDB have no partial indexes, but columns that are NULL in all other rows: what succeeds at once never
/// changes its place in their indexes.
const INDEXES_FULL: [&str; 7] = [
    "CREATE INDEX invocations_event ON invocations (event_id, tenant)",
    "CREATE INDEX invocations_trigger ON invocations (trigger_uid, seq)",
    "CREATE INDEX invocations_function ON invocations (function_uid, seq)",
    "CREATE INDEX invocations_running ON invocations (owner_epoch)",
    "CREATE INDEX invocations_due ON invocations (pending_function, next_attempt_at)",
    "CREATE INDEX invocations_waiting ON invocations (pending_trigger)",
    "CREATE INDEX invocations_state ON invocations (tenant, listed_state, seq)",
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

fn indexes(backend: DbBackend) -> &'static [&'static str] {
    if backend == DbBackend::MySql { &INDEXES_FULL } else { &INDEXES_PARTIAL }
}

fn in_dialect(backend: DbBackend, statement: &str) -> String {
    let words = match backend {
        DbBackend::MySql => [
            ("{uid}", "BINARY(16)"),
            ("{id}", "BINARY(20)"),
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
