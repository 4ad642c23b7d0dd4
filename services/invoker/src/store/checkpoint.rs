//! Copying SQLite's log into its file beside the writer, which would otherwise do it within some commit and be late for
//! all that come after.
//!
//! A passive checkpoint waits for nobody and holds nobody up. Once it has copied everything, the next commit begins the
//! log anew. Under load there is always more by then: what little is left is copied while nobody writes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sea_orm::{ConnectionTrait as _, DatabaseConnection, DbErr};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use super::{Query, Store};

/// After so many changed rows a checkpoint is worth its while. A log that begins anew early stays in blocks that the file
/// has already: to sync those is quicker than to make the file longer.
const ROWS_MIN: u64 = 1024;
/// But not sooner after the last one, so that under load…
const INTERVAL_MIN: Duration = Duration::from_secs(1);
/// …many changes of the same pages are copied as one, and not later than after so many rows, some 64 MiB.
const ROWS_MAX: u64 = 16_384;

/// How much the log has grown since the last checkpoint.
#[derive(Debug, Default)]
pub(super) struct Growth {
    rows: AtomicU64,
    worth: Notify,
    much: Notify,
}

impl Growth {
    /// Counts rows that were changed.
    pub(super) fn add(&self, rows: u64) {
        let before = self.rows.fetch_add(rows, Ordering::Relaxed);
        let passes = |limit| before < limit && before + rows >= limit;
        if passes(ROWS_MIN) {
            self.worth.notify_one();
        }
        if passes(ROWS_MAX) {
            self.much.notify_one();
        }
    }

    async fn due(&self, last: Instant) {
        self.worth.notified().await;
        let _ = timeout_at(last + INTERVAL_MIN, self.much.notified()).await;
        self.rows.store(0, Ordering::Relaxed);
    }
}

impl Store {
    /// Checkpoints whenever it is time to; never where the database is a server. Cancel by dropping.
    pub(crate) async fn keep_checkpointed(&self) {
        if !self.is_sqlite() {
            return std::future::pending().await;
        }
        let mut last = Instant::now();
        loop {
            self.growth.due(last).await;
            last = Instant::now();
            if let Err(error) = self.checkpoint().await {
                // The next one copies what this one did not.
                tracing::warn!(%error, "SQLite's log could not be copied into its file");
            }
        }
    }

    async fn checkpoint(&self) -> Result<(), DbErr> {
        if !self.copy_log(&self.db).await? {
            let _turn = self.turns.acquire().await;
            self.copy_log(&self.writer).await?;
        }
        Ok(())
    }

    /// Copies what the log holds now; whether that was all.
    async fn copy_log(&self, db: &DatabaseConnection) -> Result<bool, DbErr> {
        let query: Query = self.query("PRAGMA wal_checkpoint(PASSIVE)");
        let Some(row) = db.query_one_raw(query.build()).await? else { return Ok(true) };
        let (pages, copied): (i64, i64) = (row.try_get_by_index(1)?, row.try_get_by_index(2)?);
        Ok(copied >= pages)
    }
}
