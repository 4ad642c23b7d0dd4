//! Pending rows: taking those that are due, making others due, cancelling.

use std::collections::HashSet;

use sea_orm::{ConnectionTrait as _, DbErr};
use tripline_kernel::{Timestamp, Uid};

use super::migration::Phrases;
use super::stats::Changes;
use super::{ROWS_PER_STATEMENT_MAX, ROWS_PER_SWEEP_MAX, Store, row, sql};
use crate::invocation::{Invocation, State};

/// Rows that belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    /// Those of one trigger.
    Trigger(Uid),
    /// Those of one function, direct calls included.
    Function(Uid),
}

impl Group {
    /// What its pending rows have in common.
    fn pending(self, phrases: &Phrases) -> (&'static str, sea_orm::Value) {
        match self {
            Self::Trigger(uid) => (phrases.pending_of_trigger, sql::uid(uid)),
            Self::Function(uid) => (phrases.pending_of_function, sql::uid(uid)),
        }
    }
}

impl Store {
    /// When each function's next row is due.
    pub(crate) async fn due_functions(&self) -> Result<Vec<(Uid, Timestamp)>, tripline_db::Error> {
        let mut query =
            self.query("SELECT function_uid,MIN(next_attempt_at) FROM invocations WHERE ");
        query.text(self.phrases().pending);
        query.text(" AND next_attempt_at IS NOT NULL GROUP BY function_uid");
        let rows = self.db.query_all_raw(query.build()).await?;
        let due = |row| -> Result<_, DbErr> { Ok((row::uid(&row, 0)?, row::time(&row, 1)?)) };
        Ok(rows.into_iter().map(due).collect::<Result<_, _>>()?)
    }

    /// When the function's next row is due, if one waits for its time.
    pub(crate) async fn next_due(
        &self,
        function: Uid,
    ) -> Result<Option<Timestamp>, tripline_db::Error> {
        let mut query = self.query("SELECT MIN(next_attempt_at) FROM invocations WHERE ");
        query.text(self.phrases().pending_of_function).bind(sql::uid(function));
        query.text(" AND next_attempt_at IS NOT NULL");
        let row = self.db.query_one_raw(query.build()).await?;
        Ok(row.map(|row| row::optional_time(&row, 0)).transpose()?.flatten())
    }

    /// The places of the function's rows that are due, the longest waiting first: at most `limit`, and no more than fit
    /// into `bytes_max`, but one at least. And whether there may be more.
    pub(crate) async fn due(
        &self,
        function: Uid,
        now: Timestamp,
        (limit, bytes_max): (usize, usize),
    ) -> Result<(Vec<i64>, bool), tripline_db::Error> {
        let limit = limit.min(ROWS_PER_STATEMENT_MAX);
        let mut query = self.query(
            "SELECT i.seq,LENGTH(p.body) FROM invocations i JOIN payloads p ON p.seq=i.seq WHERE ",
        );
        query.text(self.phrases().pending_of_function).bind(sql::uid(function));
        query.text(" AND i.next_attempt_at<=").bind(sql::time(now));
        query.text(" ORDER BY i.next_attempt_at,i.seq LIMIT ").bind(sql::limit(limit));
        let rows = self.db.query_all_raw(query.build()).await?;
        let (mut seqs, mut bytes) = (Vec::new(), 0);
        for row in &rows {
            bytes += length(row)?;
            if bytes > bytes_max && !seqs.is_empty() {
                return Ok((seqs, true));
            }
            seqs.push(row.try_get_by_index(0)?);
        }
        Ok((seqs, rows.len() == limit))
    }

    /// Reads these rows and makes those of them that are still pending this epoch's own.
    ///
    /// An error leaves it open whether they are: [`Store::give_back`] settles it.
    pub(crate) async fn claim(
        &self,
        candidates: &[i64],
        epoch: i64,
    ) -> Result<Vec<Invocation>, tripline_db::Error> {
        if candidates.is_empty() {
            return Ok(Vec::new());
        }
        let seqs = || candidates.iter().map(|&seq| sql::seq(seq));
        let mut query = self.query("SELECT ");
        query
            .text(row::RUNNABLE)
            .text(" FROM invocations i JOIN payloads p ON p.seq=i.seq WHERE i.seq");
        query.within(seqs());
        let rows = self.db.query_all_raw(query.build()).await?;
        let read = |row| row::invocation(&row, epoch);
        let mut invocations = rows.into_iter().map(read).collect::<Result<Vec<_>, _>>()?;
        invocations.sort_unstable_by_key(|invocation| invocation.seq);

        let write = self.write().await?;
        if !write.guard(self, epoch).await? {
            return Ok(Vec::new());
        }
        let mut query = self.query("UPDATE invocations SET state=");
        query.bind(State::Running.number()).text(",reason='',next_attempt_at=NULL,owner_epoch=");
        query.bind(epoch).text(" WHERE state=0 AND seq").within(seqs());
        let claimed = write.run(query).await?;
        if claimed != candidates.len() as u64 {
            let mut query =
                self.query("SELECT seq FROM invocations WHERE state=1 AND owner_epoch=");
            query.bind(epoch).text(" AND seq").within(seqs());
            let mut ours = HashSet::new();
            for row in write.tx.query_all_raw(query.build()).await? {
                ours.insert(row.try_get_by_index::<i64>(0)?);
            }
            invocations.retain(|invocation| ours.contains(&invocation.seq));
        }
        write.commit().await?;
        Ok(invocations)
    }

    /// Makes those of these rows that are this epoch's own pending and due again.
    pub(crate) async fn give_back(
        &self,
        seqs: &[i64],
        (epoch, now): (i64, Timestamp),
    ) -> Result<(), tripline_db::Error> {
        for piece in seqs.chunks(ROWS_PER_STATEMENT_MAX) {
            let write = self.write().await?;
            let mut query =
                self.query("UPDATE invocations SET state=0,owner_epoch=NULL,next_attempt_at=");
            query.bind(sql::time(now)).text(" WHERE owner_epoch=").bind(epoch).text(" AND seq");
            query.within(piece.iter().map(|&seq| sql::seq(seq)));
            write.run(query).await?;
            write.commit().await?;
        }
        Ok(())
    }

    /// Makes the group's rows that wait for something else than a retry due, in bounded transactions.
    pub(crate) async fn make_due(
        &self,
        group: Group,
        now: Timestamp,
    ) -> Result<(), tripline_db::Error> {
        loop {
            let seqs = self.pending_of(group, " AND reason<>''").await?;
            if seqs.is_empty() {
                return Ok(());
            }
            let write = self.write().await?;
            let mut query = self.query("UPDATE invocations SET reason='',next_attempt_at=");
            query.bind(sql::time(now)).text(" WHERE state=0 AND seq");
            query.within(seqs.iter().map(|&seq| sql::seq(seq)));
            write.run(query).await?;
            write.commit().await?;
        }
    }

    /// Cancels the group's pending rows, in bounded transactions. Says how many.
    pub(crate) async fn cancel(
        &self,
        group: Group,
        (tenant, reason): (Uid, &str),
        (epoch, now): (i64, Timestamp),
    ) -> Result<u64, tripline_db::Error> {
        let mut sum = 0;
        loop {
            let seqs = self.pending_of(group, "").await?;
            if seqs.is_empty() {
                return Ok(sum);
            }
            let values = || seqs.iter().map(|&seq| sql::seq(seq));
            let write = self.write().await?;
            let mut query = self.query("UPDATE invocations SET state=");
            query.bind(State::Cancelled.number()).text(",next_attempt_at=NULL,reason=");
            query.bind(reason).text(",finished_at=").bind(sql::time(now));
            query.text(" WHERE state=0 AND tenant=").bind(sql::uid(tenant)).text(" AND seq");
            query.within(values());
            let cancelled = write.run(query).await?;
            if cancelled == 0 {
                return Ok(sum);
            }
            let mut query = self.query(
                "DELETE FROM payloads WHERE seq IN (SELECT seq FROM invocations WHERE state=4 AND seq",
            );
            query.within(values()).text(")");
            write.run(query).await?;
            let mut changes = Changes::default();
            changes.of(tenant).cancelled = cancelled.cast_signed();
            write.add(self, epoch, &changes).await?;
            write.commit().await?;
            sum += cancelled;
        }
    }

    async fn pending_of(&self, group: Group, and: &str) -> Result<Vec<i64>, tripline_db::Error> {
        let (condition, uid) = group.pending(self.phrases());
        let mut query = self.query("SELECT seq FROM invocations WHERE ");
        query.text(condition).bind(uid).text(and).text(" LIMIT ");
        query.bind(sql::limit(ROWS_PER_SWEEP_MAX));
        let rows = self.db.query_all_raw(query.build()).await?;
        Ok(rows.iter().map(|row| row.try_get_by_index(0)).collect::<Result<_, _>>()?)
    }

    /// The triggers with rows that wait for being made due, and whose they are.
    pub(crate) async fn parked_triggers(&self) -> Result<Vec<(Uid, Uid)>, tripline_db::Error> {
        let mut query = self.query("SELECT DISTINCT trigger_uid,tenant FROM invocations WHERE ");
        query.text(self.phrases().pending);
        query.text(" AND next_attempt_at IS NULL AND trigger_uid IS NOT NULL");
        let rows = self.db.query_all_raw(query.build()).await?;
        let read = |row| -> Result<_, DbErr> { Ok((row::uid(&row, 0)?, row::uid(&row, 1)?)) };
        Ok(rows.into_iter().map(read).collect::<Result<_, _>>()?)
    }

    /// Until when functions asked not to be called. What has passed is forgotten.
    pub(crate) async fn holds(
        &self,
        now: Timestamp,
    ) -> Result<Vec<(Uid, Timestamp)>, tripline_db::Error> {
        let write = self.write().await?;
        let mut query = self.query("DELETE FROM holds WHERE until_at<=");
        query.bind(sql::time(now));
        write.run(query).await?;
        write.commit().await?;
        let query = self.query("SELECT function_uid,until_at FROM holds");
        let rows = self.db.query_all_raw(query.build()).await?;
        let read = |row| -> Result<_, DbErr> { Ok((row::uid(&row, 0)?, row::time(&row, 1)?)) };
        Ok(rows.into_iter().map(read).collect::<Result<_, _>>()?)
    }
}

/// A number of bytes: a server gives it as 32 or 64 bits.
fn length(row: &sea_orm::QueryResult) -> Result<usize, DbErr> {
    let wide = row.try_get_by_index::<i64>(1);
    let number = wide.or_else(|_| row.try_get_by_index::<i32>(1).map(i64::from))?;
    usize::try_from(number).map_err(|_| row::corrupt("length"))
}
