//! How a function has answered lately.
//!
//! Among its newest invocations, and among those whose next attempt is the furthest away: these have failed. So a backlog
//! that was never tried does not hide what became of the few that were.

use sea_orm::ConnectionTrait as _;
use tripline_kernel::{Timestamp, Uid};

use super::{Query, Store, row, sql};

/// How many of the function's newest invocations are looked through for such as were tried.
const NEWEST_MAX: usize = 1_000;
/// How many of those are looked at, and how many of those that wait.
const SAMPLE_MAX: usize = 20;
/// How many attempts of each are looked at, the last ones.
const ATTEMPTS_MAX: i32 = 4;

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answered {
    pub(crate) started_at: Timestamp,
    /// Nothing when there was no answer.
    pub(crate) status_code: Option<u16>,
    /// Empty after a success.
    pub(crate) error: String,
}

impl Store {
    /// Attempts at a function, in no order.
    pub(crate) async fn answered(
        &self,
        tenant: Uid,
        function: Uid,
    ) -> Result<Vec<Answered>, tripline_db::Error> {
        let mut tried =
            self.query("SELECT seq FROM (SELECT seq,attempts FROM invocations WHERE tenant=");
        tried.bind(sql::uid(tenant)).text(" AND function_uid=").bind(sql::uid(function));
        tried.text(" ORDER BY seq DESC LIMIT ").bind(sql::limit(NEWEST_MAX));
        tried
            .text(") newest WHERE attempts>0 ORDER BY seq DESC LIMIT ")
            .bind(sql::limit(SAMPLE_MAX));
        let mut waiting = self.query("SELECT seq FROM invocations WHERE ");
        waiting.text(self.phrases().pending_of_function).bind(sql::uid(function));
        waiting.text(" AND tenant=").bind(sql::uid(tenant));
        waiting.text(" AND next_attempt_at IS NOT NULL ORDER BY next_attempt_at DESC LIMIT ");
        waiting.bind(sql::limit(SAMPLE_MAX));
        let mut seqs = self.places(tried).await?;
        seqs.extend(self.places(waiting).await?);
        seqs.sort_unstable();
        seqs.dedup();
        if seqs.is_empty() {
            return Ok(Vec::new());
        }
        let mut query = self.query(
            "SELECT a.started_at,a.status_code,a.error FROM invocations i JOIN attempts a \
             ON a.seq=i.seq AND a.generation=i.generation AND a.number>i.attempts-",
        );
        query.bind(ATTEMPTS_MAX).text(" WHERE i.seq");
        query.within(seqs.into_iter().map(sql::seq));
        let rows = self.db.query_all_raw(query.build()).await?;
        let answered = |row: &sea_orm::QueryResult| {
            let status_code: Option<i32> = row.try_get_by_index(1)?;
            Ok::<_, sea_orm::DbErr>(Answered {
                started_at: row::time(row, 0)?,
                status_code: status_code.and_then(|code| u16::try_from(code).ok()),
                error: row.try_get_by_index(2)?,
            })
        };
        Ok(rows.iter().map(answered).collect::<Result<_, _>>()?)
    }

    async fn places(&self, query: Query) -> Result<Vec<i64>, sea_orm::DbErr> {
        let rows = self.db.query_all_raw(query.build()).await?;
        rows.iter().map(|row| row.try_get_by_index(0)).collect()
    }
}
