//! Deleting records that have reached their end, a little at a time.

use std::sync::Arc;
use std::time::Duration;

use crate::Options;
use crate::core::Core;
use crate::store::Ended;

/// Time between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(180);
/// Time between two deletions of one look, so that they leave room for others.
const BETWEEN: Duration = Duration::from_millis(50);

/// Deletes what has reached its end, for ever. Cancel by dropping.
pub(crate) async fn work(core: Arc<Core>, options: Options) {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        match sweep(&core, &options).await {
            Ok(0) => {}
            Ok(deleted) => tracing::info!(deleted, "deleted records past their retention"),
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "records past their retention could not be deleted"
                );
            }
        }
    }
}

async fn sweep(core: &Core, options: &Options) -> Result<usize, tripline_db::Error> {
    let now = core.clock.now();
    let dead_retention = Duration::from_secs(options.dead_retention_seconds);
    let ended = Ended {
        finished_before: now.before(Duration::from_secs(options.retention_seconds)),
        dead_before: (!dead_retention.is_zero()).then(|| now.before(dead_retention)),
    };
    while core.store.delete_keys(now).await? > 0 {
        tokio::time::sleep(BETWEEN).await;
    }
    let (mut deleted, mut after) = (0, Some(0));
    while let Some(place) = after {
        let (count, next) = core.store.delete_ended(ended, place).await?;
        deleted += count;
        after = next;
        tokio::time::sleep(BETWEEN).await;
    }
    Ok(deleted)
}
