//! The end of records.

use sea_orm::ConnectionTrait as _;
use tripline_kernel::Timestamp;

use super::{ROWS_PER_SWEEP_MAX, Store, sequence, sql};

/// Which finished rows have reached their end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended {
    /// Succeeded and cancelled ones that finished before this.
    pub(crate) finished_before: Timestamp,
    /// Dead ones that finished before this; `None` keeps them for ever.
    pub(crate) dead_before: Option<Timestamp>,
}

impl Store {
    /// Deletes at most one transaction's worth of rows behind `after` that have reached their end. Says how many, and
    /// where to go on; `None` when there are no more.
    pub(crate) async fn delete_ended(
        &self,
        ended: Ended,
        after: i64,
    ) -> Result<(usize, Option<i64>), tripline_db::Error> {
        let latest =
            ended.dead_before.map_or(ended.finished_before, |dead| dead.max(ended.finished_before));
        let mut query = self.query("SELECT seq FROM invocations WHERE seq>");
        // What finished before a moment was admitted before it.
        query.bind(after).text(" AND seq<").bind(sequence::first_at(latest));
        query.text(" AND ((state IN (2,4) AND finished_at<").bind(sql::time(ended.finished_before));
        query.text(")");
        if let Some(dead_before) = ended.dead_before {
            query.text(" OR (state=3 AND finished_at<").bind(sql::time(dead_before)).text(")");
        }
        query.text(") ORDER BY seq LIMIT ").bind(sql::limit(ROWS_PER_SWEEP_MAX));
        let rows = self.db.query_all_raw(query.build()).await?;
        let seqs: Vec<i64> =
            rows.iter().map(|row| row.try_get_by_index(0)).collect::<Result<_, _>>()?;
        let Some(&last) = seqs.last() else { return Ok((0, None)) };

        let write = self.write().await?;
        for table in ["attempts", "payloads", "invocations"] {
            let mut query = self.query("DELETE FROM ");
            query.text(table).text(" WHERE seq").within(seqs.iter().map(|&seq| sql::seq(seq)));
            write.run(query).await?;
        }
        write.commit().await?;
        Ok((seqs.len(), (seqs.len() == ROWS_PER_SWEEP_MAX).then_some(last)))
    }
}
