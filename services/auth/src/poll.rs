//! Learns of changes that another replica has made.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tripline_runtime::Check;

use crate::store::Store;

/// How late a change by another replica may be seen here.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// Looks at the newest revision now and then, until `stop` is cancelled. Says whether the database can be used.
pub(crate) async fn run(store: Store, database: Check, stop: CancellationToken) {
    let mut away = false;
    while stop.run_until_cancelled(tokio::time::sleep(POLL_INTERVAL)).await.is_some() {
        match store.revision().await {
            Ok(revision) => {
                store.note(revision);
                if std::mem::take(&mut away) {
                    tracing::info!("the database is back");
                    database.ready();
                }
            }
            Err(error) if !away => {
                away = true;
                let cause = tripline_runtime::problem::Chain(&error).to_string();
                tracing::warn!(error = cause, "the database cannot be used");
                database.not_ready(error.to_string());
            }
            Err(_) => {}
        }
    }
}
