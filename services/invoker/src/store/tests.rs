//! What the store promises, on every database it runs on.

mod suite;

use sea_orm::ConnectionTrait as _;
use secrecy::SecretString;
use tripline_testkit::{mariadb, postgres};

use super::read::COLUMNS;
use super::{Detail, Page, Store};
use crate::invocation::State;

async fn open(url: String) -> Store {
    let options = tripline_db::Options { url: SecretString::from(url), connections_max: 4 };
    Store::open(&options, || 0.5).await.unwrap()
}

/// A test per promise and database; each has a database of its own.
macro_rules! promises {
    ($($promise:ident),* $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test]
            async fn $promise() {
                let dir = tempfile::tempdir().unwrap();
                let url = format!("sqlite://{}", dir.path().join("invoker.db").display());
                super::suite::$promise(super::open(url).await).await;
            })*
        }
        mod on_mariadb {
            $(#[tokio::test]
            async fn $promise() {
                let url = super::mariadb().await.database().await.unwrap();
                super::suite::$promise(super::open(url).await).await;
            })*
        }
        mod on_postgres {
            $(#[tokio::test]
            async fn $promise() {
                let url = super::postgres().await.database().await.unwrap();
                super::suite::$promise(super::open(url).await).await;
            })*
        }
    };
}

promises! {
    an_id_is_stored_once_and_an_odd_one_undoes_its_whole_batch,
    a_record_changes_its_row_payload_attempts_and_counters_together,
    a_record_of_a_row_that_is_not_ours_any_more_is_refused_with_its_batch,
    due_rows_are_claimed_by_one_epoch_only_longest_waiting_first,
    what_a_dead_process_was_running_is_pending_and_due_again,
    an_ended_epoch_writes_nothing,
    rows_that_wait_are_made_due_or_cancelled_by_group,
    lists_go_backwards_by_filter_and_never_show_another_tenants,
    a_page_is_cut_before_what_does_not_fit_is_read,
    a_page_has_as_much_of_the_attempts_as_is_asked_for,
    a_backlog_does_not_hide_how_a_function_answers,
    records_end_with_their_retention_and_others_stay,
    a_hold_lasts_until_its_time,
    a_key_stands_for_one_call_until_its_time,
}

#[tokio::test]
async fn the_few_rows_of_a_state_are_found_without_reading_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(format!("sqlite://{}", dir.path().join("invoker.db").display())).await;
    for state in [State::Pending, State::Running, State::Dead, State::Cancelled] {
        let filter =
            super::Filter { state: Some(state), ..suite::all(tripline_kernel::DEFAULT_TENANT) };
        let page = Page { before: None, limit: 100, attempts: Detail::All, with_payload: false };
        let plan = store.page(&format!("EXPLAIN QUERY PLAN {COLUMNS}"), &filter, page);
        let steps = store.db.query_all_raw(plan.build()).await.unwrap();
        let steps: Vec<String> = steps.iter().map(|row| row.try_get_by_index(3).unwrap()).collect();
        assert!(
            steps.iter().any(|step| step.contains("USING INDEX invocations_")),
            "{state:?}: {steps:?}"
        );
        assert!(!steps.iter().any(|step| step.starts_with("SCAN")), "{state:?}: {steps:?}");
    }
}
