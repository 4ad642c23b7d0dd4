use std::sync::Arc;

use sea_orm::{ConnectionTrait as _, DbBackend, Statement};
use sea_orm_migration::prelude::*;
use tripline_kernel::{Classify as _, ErrorKind};

use super::*;

/// Longer than a server lets a session hold locks and do nothing.
const LET_GO_MAX: Duration = Duration::from_secs(20);

struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(First), Box::new(Second)]
    }
}

#[derive(DeriveMigrationName)]
struct First;

/// Fails when it runs twice: a table is made without `if_not_exists`.
#[async_trait::async_trait]
#[allow(elided_lifetimes_in_paths, reason = "the trait, made by async_trait, leaves it out")]
impl MigrationTrait for First {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut table = Table::create();
        table.table("things").col(ColumnDef::new("id").integer().not_null().primary_key());
        manager.create_table(table).await
    }
}

struct Second;

impl MigrationName for Second {
    fn name(&self) -> &'static str {
        "m0002_second"
    }
}

#[async_trait::async_trait]
#[allow(elided_lifetimes_in_paths, reason = "the trait, made by async_trait, leaves it out")]
impl MigrationTrait for Second {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        db.execute_unprepared("INSERT INTO things (id) VALUES (1)").await.map(drop)
    }
}

fn options(dir: &tempfile::TempDir) -> Options {
    let url = format!("sqlite://{}", dir.path().join("test.db").display()).into();
    Options { url, connections_max: 4 }
}

async fn one<T: sea_orm::TryGetable>(db: &DatabaseConnection, sql: &str) -> T {
    let statement = Statement::from_string(db.get_database_backend(), sql.to_owned());
    db.query_one_raw(statement).await.unwrap().unwrap().try_get_by_index(0).unwrap()
}

#[tokio::test]
async fn what_sqlite_has_committed_is_on_disk() {
    let dir = tempfile::tempdir().unwrap();
    let db = open::<Migrator>(&options(&dir), || 0.0).await.unwrap();
    assert_eq!(db.get_database_backend(), DbBackend::Sqlite);
    assert_eq!(one::<String>(&db, "PRAGMA journal_mode").await, "wal");
    assert_eq!(one::<i32>(&db, "PRAGMA synchronous").await, 2, "FULL");
    assert_eq!(one::<i32>(&db, "PRAGMA foreign_keys").await, 1);
    assert_eq!(one::<i32>(&db, "PRAGMA busy_timeout").await, 5000);
}

async fn replicas_migrate_once(url: &str) {
    let start = Arc::new(tokio::sync::Barrier::new(8));
    let replicas: Vec<_> = (0..8)
        .map(|_| {
            let (options, start) = (Options { url: url.into(), connections_max: 1 }, start.clone());
            tokio::spawn(async move {
                start.wait().await;
                open::<Migrator>(&options, || 0.5).await
            })
        })
        .collect();
    for replica in replicas {
        let db = replica.await.unwrap().expect("every replica opens");
        assert_eq!(one::<i64>(&db, "SELECT COUNT(*) FROM things").await, 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_that_start_together_migrate_once() {
    let dir = tempfile::tempdir().unwrap();
    replicas_migrate_once(options(&dir).url.expose_secret()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_mariadb_sessions_are_strict_in_utc_and_migrate_once() {
    let url = tripline_testkit::mariadb().await.database().await.unwrap();
    replicas_migrate_once(&url).await;
    let options = Options { url: url.as_str().into(), connections_max: 1 };
    let db = connect(&options).await.unwrap();
    assert_eq!(one::<String>(&db, "SELECT @@tx_isolation").await, "READ-COMMITTED");
    assert_eq!(one::<String>(&db, "SELECT @@time_zone").await, "+00:00");
    assert!(one::<String>(&db, "SELECT @@sql_mode").await.contains("STRICT_ALL_TABLES"));
    let error = db.execute_unprepared("INSERT INTO things (id) VALUES ('x')").await.unwrap_err();
    assert_eq!(Error(error).kind(), ErrorKind::Internal, "a value that does not fit is refused");
    a_frozen_transaction_lets_go(&db, &url).await;
    let wrong = Options { url: url.replace("root@", "nobody:hunter2@").into(), connections_max: 1 };
    let error = open::<Migrator>(&wrong, || 0.5).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal, "wrong credentials are not waited for");
}

#[tokio::test(flavor = "multi_thread")]
async fn on_postgres_sessions_are_in_utc_and_migrate_once() {
    let url = tripline_testkit::postgres().await.database().await.unwrap();
    replicas_migrate_once(&url).await;
    let db = connect(&Options { url: url.as_str().into(), connections_max: 1 }).await.unwrap();
    let isolation = one::<String>(&db, "SHOW transaction_isolation").await;
    assert_eq!(isolation, "read committed");
    assert_eq!(one::<String>(&db, "SHOW timezone").await, "UTC");
    a_frozen_transaction_lets_go(&db, &url).await;
}

/// One who begins and then does nothing more keeps others waiting, but not for ever.
async fn a_frozen_transaction_lets_go(db: &DatabaseConnection, url: &str) {
    let frozen = begin_write(db).await.unwrap();
    let write = "UPDATE things SET id = id";
    frozen.execute_unprepared(write).await.unwrap();
    let other = connect(&Options { url: url.into(), connections_max: 1 }).await.unwrap();
    let written = tokio::time::timeout(LET_GO_MAX, other.execute_unprepared(write)).await;
    written.expect("the lock is let go").unwrap();
    let error = Error(frozen.commit().await.unwrap_err());
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_may_change_no_schema_opens_one_that_is_up_to_date() {
    let url = tripline_testkit::postgres().await.database().await.unwrap();
    let role = format!("reader_{}", url.rsplit('/').next().unwrap());
    let admin = connect(&Options { url: url.as_str().into(), connections_max: 1 }).await.unwrap();
    admin.execute_unprepared(&format!("CREATE ROLE {role} LOGIN")).await.unwrap();
    let reader = url.replace("postgres@", &format!("{role}@"));
    let reader = Options { url: reader.into(), connections_max: 1 };
    let error = open::<Migrator>(&reader, || 0.5).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal, "it may not run the migrations");

    open::<Migrator>(&Options { url: url.into(), connections_max: 1 }, || 0.5).await.unwrap();
    let grant = format!("GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}");
    admin.execute_unprepared(&grant).await.unwrap();
    let db = open::<Migrator>(&reader, || 0.5).await.unwrap();
    assert_eq!(one::<i64>(&db, "SELECT COUNT(*) FROM things").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_transaction_may_read_first_while_others_write() {
    let dir = tempfile::tempdir().unwrap();
    let db = open::<Migrator>(&options(&dir), || 0.5).await.unwrap();
    let writers: Vec<_> = (0..4)
        .map(|_| {
            let db = db.clone();
            tokio::spawn(async move {
                for _ in 0..10 {
                    let tx = begin_write(&db).await.unwrap();
                    let count =
                        Statement::from_string(DbBackend::Sqlite, "SELECT MAX(id) FROM things");
                    let row = tx.query_one_raw(count).await.unwrap().unwrap();
                    let next = row.try_get_by_index::<i64>(0).unwrap() + 1;
                    tx.execute_unprepared(&format!("INSERT INTO things (id) VALUES ({next})"))
                        .await
                        .unwrap();
                    tx.commit().await.unwrap();
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(one::<i64>(&db, "SELECT MAX(id) FROM things").await, 41);
}

#[tokio::test]
async fn opening_waits_for_a_server_that_is_down() {
    let waits = async |scheme: &str| {
        // Bound and not listening: whoever connects is refused, and nobody else gets the port.
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
        let port = socket.local_addr().unwrap().port();
        let url = format!("{scheme}://user:hunter2@127.0.0.1:{port}/none").into();
        let options = Options { url, connections_max: 1 };
        let tries_again = tokio::sync::Notify::new();
        let opening = open::<Migrator>(&options, || {
            tries_again.notify_one();
            0.5
        });
        tokio::select! {
            outcome = opening => panic!("neither fails nor succeeds: {outcome:?}"),
            () = tries_again.notified() => {}
        }
    };
    tokio::join!(waits("mysql"), waits("postgres"));
}

#[tokio::test]
async fn an_address_that_cannot_work_fails_at_once() {
    let nowhere = Options { url: "sqlite:///nowhere/at/all.db".into(), connections_max: 1 };
    let error = open::<Migrator>(&nowhere, || 0.5).await.unwrap_err();
    assert_eq!((error.kind(), error.code().as_ref()), (ErrorKind::Internal, "store-failed"));
    assert!(Options::default().validate().iter().any(|fault| fault.pointer == "/url"));
    assert!(nowhere.validate().is_empty());
}

#[tokio::test]
async fn a_lock_that_another_holds_is_contention() {
    let dir = tempfile::tempdir().unwrap();
    let db = open::<Migrator>(&options(&dir), || 0.5).await.unwrap();
    let other = connect(&options(&dir)).await.unwrap();
    other.execute_unprepared("PRAGMA busy_timeout = 1").await.unwrap();
    let held = begin_write(&db).await.unwrap();
    let error = begin_write(&other).await.unwrap_err();
    assert!(is_contended(&error) && !is_away(&error), "{error:?}");
    assert_eq!(Error(error).kind(), ErrorKind::Unavailable);
    held.rollback().await.unwrap();
    let error = other.execute_unprepared("INSERT INTO things (id) VALUES (1)").await.unwrap_err();
    assert!(!is_contended(&error) && !is_away(&error), "{error:?}");
    assert_eq!(Error(error).kind(), ErrorKind::Internal);
}
