//! The true service over gRPC, on every database that it runs on, and its program.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

mod program;
mod running;
mod suite;

use running::Database;

async fn all(database: Database) {
    suite::a_rule_lives_as_long_as_a_relation_needs_it(&database).await;
    suite::a_watcher_learns_what_is_there_then_what_changes(&database).await;
    suite::a_watcher_that_comes_again_gets_what_it_missed(&database).await;
    suite::concurrent_grants_and_revokes_leave_no_rule_too_many(&database).await;
    suite::replicas_see_each_others_changes(&database).await;
    suite::keys_and_calls_are_authenticated(&database).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_sqlite() {
    let dir = tempfile::tempdir().unwrap();
    all(Database::Sqlite(dir)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_mariadb() {
    all(Database::MariaDb).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_postgres() {
    all(Database::Postgres).await;
}
