//! Writing what became of invocations that ran.

use std::collections::{HashMap, HashSet};

use sea_orm::{ConnectionTrait as _, Value};
use tripline_kernel::Timestamp;

use super::script::{Purpose, Script};
use super::sql::{self, pieces};
use super::stats::Changes;
use super::{ROWS_PER_STATEMENT_MAX, Store};
use crate::invocation::{Attempt, Outcome, Record, State};

/// Records that one statement can write: they differ in their row alone, or in when it is due.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Class {
    epoch: i64,
    state: i16,
    reason: &'static str,
    attempted: bool,
}

impl Store {
    /// Of these records, the places of those whose rows their epochs still own.
    pub(crate) async fn owned(
        &self,
        records: &[Record],
    ) -> Result<HashSet<i64>, tripline_db::Error> {
        let mut owned = HashSet::new();
        for piece in records.chunks(ROWS_PER_STATEMENT_MAX) {
            let mut query = self.query(
                "SELECT seq,owner_epoch FROM invocations WHERE owner_epoch IS NOT NULL AND seq",
            );
            query.within(piece.iter().map(|record| sql::seq(record.seq)));
            let rows = self.db.query_all_raw(query.build()).await?;
            let mut owners = HashMap::new();
            for row in rows {
                let (seq, owner): (i64, i64) = (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
                owners.insert(seq, owner);
            }
            let ours = piece.iter().filter(|record| owners.get(&record.seq) == Some(&record.epoch));
            owned.extend(ours.map(|record| record.seq));
        }
        Ok(owned)
    }
}

impl Script {
    pub(super) fn finish(
        &mut self,
        store: &Store,
        records: &[Record],
        now: Timestamp,
        changes: &mut Changes,
    ) {
        let mut classes: HashMap<Class, Vec<&Record>> = HashMap::new();
        for record in records {
            classes.entry(class(record)).or_default().push(record);
        }
        for (class, records) in &classes {
            for piece in pieces(records, ROWS_PER_STATEMENT_MAX) {
                self.push(update(store, *class, piece, now), Purpose::Release, piece.len());
            }
        }
        for record in records {
            let stats = changes.of(record.tenant);
            match record.outcome {
                Outcome::Succeeded => stats.delivered += 1,
                Outcome::Dead(_) => stats.dead += 1,
                Outcome::Cancelled(_) => stats.cancelled += 1,
                Outcome::Pending { .. } => {}
            }
        }
        self.insert_attempts(store, records);
        self.drop_payloads(store, records);
        self.hold(store, records);
        self.keep_told(store, records, now);
    }

    fn insert_attempts(&mut self, store: &Store, records: &[Record]) {
        let with_attempt = |record| Some((record, Record::attempt(record)?));
        let attempts: Vec<_> = records.iter().filter_map(with_attempt).collect();
        for piece in pieces(&attempts, ROWS_PER_STATEMENT_MAX) {
            let mut query = store.query(
                "INSERT INTO attempts (seq,generation,number,tenant,started_at,duration_ms,\
                 status_code,error,address,response) VALUES ",
            );
            for (index, (record, attempt)) in piece.iter().enumerate() {
                query.text(if index == 0 { "" } else { "," }).tuple(columns(record, attempt));
            }
            self.push(query, Purpose::Follow, piece.len());
        }
    }

    /// What succeeded or was cancelled needs its payload no more.
    fn drop_payloads(&mut self, store: &Store, records: &[Record]) {
        let done =
            |record: &&Record| matches!(record.outcome, Outcome::Succeeded | Outcome::Cancelled(_));
        let done: Vec<_> = records.iter().filter(done).collect();
        for piece in done.chunks(ROWS_PER_STATEMENT_MAX) {
            let mut query = store.query("DELETE FROM payloads WHERE seq");
            query.within(piece.iter().map(|record| sql::seq(record.seq)));
            self.push(query, Purpose::Follow, piece.len());
        }
    }

    /// Keeps until when functions asked not to be called. The latest wish counts.
    fn hold(&mut self, store: &Store, records: &[Record]) {
        let mut holds = HashMap::new();
        for record in records {
            if let Some(until) = record.hold_until {
                let latest = holds.entry((record.tenant, record.function)).or_insert(until);
                *latest = until.max(*latest);
            }
        }
        for ((tenant, function), until) in holds {
            let mut query = store.query("INSERT INTO holds (tenant,function_uid,until_at) VALUES ");
            query.tuple([sql::uid(tenant), sql::uid(function), sql::time(until)]);
            query.or_update("tenant,function_uid", &["until_at"], |_, new| new.to_owned());
            self.push(query, Purpose::Follow, 1);
        }
    }
}

impl Record {
    fn attempt(&self) -> Option<&Attempt> {
        self.attempt.as_ref()
    }
}

fn class(record: &Record) -> Class {
    let (state, reason) = match record.outcome {
        Outcome::Succeeded => (State::Succeeded, ""),
        Outcome::Dead(reason) => (State::Dead, reason),
        Outcome::Cancelled(reason) => (State::Cancelled, reason),
        Outcome::Pending { reason, .. } => (State::Pending, reason),
    };
    let attempted = record.attempt.is_some();
    Class { epoch: record.epoch, state: state.number(), reason, attempted }
}

fn update(store: &Store, class: Class, records: &[&Record], now: Timestamp) -> super::Query {
    let pending = class.state == State::Pending.number();
    let mut query = store.query("UPDATE invocations SET state=");
    query.bind(class.state).text(",reason=").bind(class.reason);
    query.text(",owner_epoch=NULL,attempts=attempts+").bind(i32::from(class.attempted));
    query.text(",finished_at=").bind(sql::optional_time((!pending).then_some(now)));
    query.text(",next_attempt_at=");
    if pending {
        due_times(&mut query, records);
    } else {
        query.text("NULL");
    }
    query.text(" WHERE owner_epoch=").bind(class.epoch).text(" AND seq");
    query.within(records.iter().map(|record| sql::seq(record.seq)));
    query
}

/// Each row's own time where they differ.
fn due_times(query: &mut super::Query, records: &[&Record]) {
    let at = |record: &Record| match record.outcome {
        Outcome::Pending { at, .. } => at,
        Outcome::Succeeded | Outcome::Dead(_) | Outcome::Cancelled(_) => None,
    };
    let first = at(records[0]);
    if records.iter().all(|record| at(record) == first) {
        query.bind(sql::optional_time(first));
        return;
    }
    query.text("CASE seq");
    for record in records {
        query.text(" WHEN ").bind(record.seq);
        query.text(" THEN ").bind(sql::optional_time(at(record)));
    }
    query.text(" ELSE next_attempt_at END");
}

fn columns(record: &Record, attempt: &Attempt) -> [Value; 10] {
    let small = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
    [
        sql::seq(record.seq),
        small(attempt.generation).into(),
        small(attempt.number).into(),
        sql::uid(record.tenant),
        sql::time(attempt.started_at),
        i64::from(attempt.duration_ms).into(),
        Value::Int(attempt.status_code.map(i32::from)),
        attempt.error.clone().into(),
        (&*attempt.address).into(),
        sql::bytes(&attempt.response),
    ]
}
