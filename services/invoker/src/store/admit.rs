//! Taking invocations into the store's keeping, and the one transaction that does it together with finished attempts.

use std::collections::HashMap;

use sea_orm::{ConnectionTrait as _, Value};
use tripline_event::{InvocationId, Subject};
use tripline_kernel::Timestamp;

use super::script::{Purpose, Script};
use super::sql::{self, pieces};
use super::stats::Changes;
use super::{BatchError, ROWS_PER_STATEMENT_MAX, Store};
use crate::invocation::{Invocation, Record, State};

/// Most bytes of payloads in one statement: servers refuse larger packets.
const STATEMENT_BYTES_MAX: usize = 4 << 20;

/// One invocation to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// With `seq` set, and `epoch` where it is to run.
    pub(crate) invocation: Box<Invocation>,
    /// Stored as `running`, for this process to run from memory; else as `pending` and due.
    pub(crate) runs: bool,
    /// Which of those who wait for the batch brought it.
    pub(crate) batch_part: usize,
}

impl Store {
    /// Stores new invocations and the records of finished ones, all or nothing, in one commit.
    ///
    /// # Errors
    /// See [`BatchError`].
    pub(crate) async fn commit(
        &self,
        rows: &[Row],
        records: &[Record],
        (epoch, now): (i64, Timestamp),
    ) -> Result<(), BatchError> {
        let (mut script, mut changes) = (Script::default(), Changes::default());
        script.push(self.guard(epoch), Purpose::Guard, 1);
        script.insert_keys(self, rows, now);
        script.insert(self, rows, now);
        for row in rows {
            changes.of(row.invocation.tenant).matched += 1;
        }
        script.finish(self, records, now, &mut changes);
        for query in self.additions(epoch, &changes) {
            script.push(query, Purpose::Follow, 1);
        }
        self.play(script).await
    }

    /// Which of these ids are stored already, and at which place.
    pub(crate) async fn existing(
        &self,
        ids: &[InvocationId],
    ) -> Result<HashMap<InvocationId, i64>, tripline_db::Error> {
        let mut found = HashMap::new();
        for piece in ids.chunks(ROWS_PER_STATEMENT_MAX) {
            let mut query = self.query("SELECT id,seq FROM invocations WHERE id");
            query.within(piece.iter().map(|id| sql::bytes(id.as_bytes())));
            for row in self.db.query_all_raw(query.build()).await? {
                found.insert(super::row::invocation_id(&row, 0)?, row.try_get_by_index(1)?);
            }
        }
        Ok(found)
    }
}

impl Script {
    fn insert(&mut self, store: &Store, rows: &[Row], now: Timestamp) {
        for piece in pieces(rows, ROWS_PER_STATEMENT_MAX) {
            let mut query = store.query(
                "INSERT INTO invocations (seq,id,tenant,mode,bus,trigger_uid,revision,function_uid,\
                 subject_kind,subject_uid,event_source,event_id,accepted_at,state,owner_epoch,\
                 next_attempt_at) VALUES ",
            );
            for (index, row) in piece.iter().enumerate() {
                query.text(if index == 0 { "" } else { "," }).tuple(columns(row, now));
            }
            self.push(query, Purpose::Admit, piece.len());
        }
        let mut rest = rows;
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(payloads_in_one_statement(rest));
            rest = after;
            let mut query = store
                .query("INSERT INTO payloads (seq,tenant,content_type,traceparent,body) VALUES ");
            for (index, row) in piece.iter().enumerate() {
                query.text(if index == 0 { "" } else { "," }).tuple(payload_columns(row));
            }
            self.push(query, Purpose::Follow, piece.len());
        }
    }
}

/// A power of two, and as few bytes as a packet holds; at least one row.
fn payloads_in_one_statement(rows: &[Row]) -> usize {
    let mut bytes = 0;
    let fits = |row: &&Row| {
        bytes += row.invocation.payload.body.len();
        bytes <= STATEMENT_BYTES_MAX
    };
    let count = rows.iter().take(ROWS_PER_STATEMENT_MAX).take_while(fits).count().max(1);
    1 << count.ilog2()
}

pub(super) fn subject_number(subject: Subject) -> (i16, tripline_kernel::Uid) {
    match subject {
        Subject::Source(uid) => (1, uid),
        Subject::ApiKey(uid) => (2, uid),
        Subject::Bus(uid) => (3, uid),
    }
}

fn columns(row: &Row, now: Timestamp) -> [Value; 16] {
    let Row { invocation, runs, batch_part: _ } = row;
    let (subject_kind, subject_uid) = subject_number(invocation.subject);
    let state = if *runs { State::Running } else { State::Pending };
    [
        sql::seq(invocation.seq),
        sql::bytes(invocation.id.as_bytes()),
        sql::uid(invocation.tenant),
        invocation.mode.number().into(),
        sql::optional_uid(invocation.bus),
        sql::optional_uid(invocation.trigger),
        invocation.revision.cast_signed().into(),
        sql::uid(invocation.function),
        subject_kind.into(),
        sql::uid(subject_uid),
        sql::bytes(invocation.event_source.as_bytes()),
        sql::bytes(invocation.event_id.as_bytes()),
        sql::time(invocation.accepted_at),
        state.number().into(),
        Value::BigInt(runs.then_some(invocation.epoch)),
        sql::optional_time((!runs).then_some(now)),
    ]
}

fn payload_columns(row: &Row) -> [Value; 5] {
    let payload = &row.invocation.payload;
    [
        sql::seq(row.invocation.seq),
        sql::uid(row.invocation.tenant),
        Value::String(payload.content_type.as_deref().map(str::to_owned)),
        Value::String(payload.traceparent.as_deref().map(str::to_owned)),
        sql::bytes(&payload.body),
    ]
}
