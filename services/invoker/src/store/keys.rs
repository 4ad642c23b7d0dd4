//! What is kept for the idempotency keys of direct calls.
//!
//! A key is stored in the transaction of its invocation, and what a synchronous caller was told in that of the record: a
//! caller has heard of nothing that a repeated call would not find.

use std::collections::HashSet;
use std::time::Duration;

use bytes::Bytes;
use sea_orm::{ConnectionTrait as _, DbErr, QueryResult, Value};
use tripline_event::InvocationId;
use tripline_kernel::{Timestamp, Uid};
use tripline_target::{Answer, Error};

use super::script::{Purpose, Script};
use super::sql::{self, pieces};
use super::{ROWS_PER_STATEMENT_MAX, ROWS_PER_SWEEP_MAX, Row, Store, row};
use crate::dispatcher::Reply;
use crate::invocation::{Invocation, Record, State};
use crate::key::{CallKey, Hash, KEPT, KEPT_ANSWER_BYTES_MAX, KeptCall, KeptReply, Told};

/// Stands in the place of a status where there was no answer; the type then says why.
const NO_ANSWER: i32 = 0;
const TIMEOUT: &str = "timeout";
const BROKEN_OFF: &str = "broken-off";

/// The columns of a key itself.
const COLUMNS: &str = "key_hash,tenant,request_hash,id,created_at";

impl Store {
    /// What is kept for a key, if it stands for a call.
    pub(crate) async fn kept_call(
        &self,
        key: &Hash,
    ) -> Result<Option<KeptCall>, tripline_db::Error> {
        let mut query = self.query(
            "SELECT k.request_hash,k.id,i.state,k.status_code,k.content_type,k.answer \
             FROM call_keys k LEFT JOIN invocations i ON i.id=k.id WHERE k.key_hash=",
        );
        query.bind(sql::bytes(key));
        let found = self.db.query_one_raw(query.build()).await?;
        Ok(found.as_ref().map(kept).transpose()?)
    }

    /// Of these rows, the ids of those whose keys stand for other calls.
    pub(crate) async fn keys_taken(
        &self,
        rows: &[Row],
    ) -> Result<HashSet<InvocationId>, tripline_db::Error> {
        let keyed = keyed(rows);
        let mut taken = HashSet::new();
        for piece in keyed.chunks(ROWS_PER_STATEMENT_MAX) {
            let mut query = self.query("SELECT key_hash,id FROM call_keys WHERE key_hash");
            query.within(piece.iter().map(|(key, _)| sql::bytes(&key.hash)));
            for found in self.db.query_all_raw(query.build()).await? {
                let (hash, id): (Vec<u8>, _) =
                    (found.try_get_by_index(0)?, row::invocation_id(&found, 1)?);
                let same = piece.iter().filter(|(key, _)| key.hash[..] == hash[..]);
                taken.extend(same.map(|(_, row)| row.id).filter(|other| *other != id));
            }
        }
        Ok(taken)
    }

    /// Deletes at most about one transaction's worth of keys that have stood long enough. Says how many.
    pub(crate) async fn delete_keys(&self, now: Timestamp) -> Result<u64, tripline_db::Error> {
        let ended = now.before(KEPT);
        let mut query = self.query("SELECT created_at FROM call_keys WHERE created_at<=");
        query.bind(sql::time(ended)).text(" ORDER BY created_at LIMIT ");
        query.bind(sql::limit(ROWS_PER_SWEEP_MAX));
        let rows = self.db.query_all_raw(query.build()).await?;
        let Some(last) = rows.last() else { return Ok(0) };
        let last = row::time(last, 0)?;
        let write = self.write().await?;
        let mut query = self.query("DELETE FROM call_keys WHERE created_at<=");
        query.bind(sql::time(last));
        let deleted = write.run(query).await?;
        write.commit().await?;
        Ok(deleted)
    }
}

/// The rows that have a key, in an order that is the same everywhere: replicas that store the same keys at the same time
/// wait for each other, and not in a circle.
fn keyed(rows: &[Row]) -> Vec<(CallKey, &Invocation)> {
    let keyed = rows.iter().filter_map(|row| Some((row.invocation.key?, &*row.invocation)));
    let mut keyed: Vec<_> = keyed.collect();
    keyed.sort_unstable_by_key(|(key, _)| key.hash);
    keyed
}

impl Script {
    /// Stores the keys of these rows. One that stands for another call undoes the whole script.
    pub(super) fn insert_keys(&mut self, store: &Store, rows: &[Row], now: Timestamp) {
        for piece in pieces(&keyed(rows), ROWS_PER_STATEMENT_MAX) {
            let mut query = store.query("INSERT INTO call_keys (");
            query.text(COLUMNS).text(") VALUES ");
            for (index, (key, row)) in piece.iter().enumerate() {
                query.text(if index == 0 { "" } else { "," });
                query.tuple(columns(*key, row.tenant, row.id, now));
            }
            self.push(query, Purpose::Admit, piece.len());
        }
    }

    /// Keeps what synchronous callers are told.
    pub(super) fn keep_told(&mut self, store: &Store, records: &[Record], now: Timestamp) {
        let (mut replied, mut never_sent) = (Vec::new(), Vec::new());
        for record in records {
            match &record.told {
                Some(Told { key, invocation, reply: Some(reply) }) => {
                    let key = columns(*key, record.tenant, *invocation, now);
                    replied.push((key, reply_columns(reply)));
                }
                Some(Told { key, reply: None, .. }) => never_sent.push(key.hash),
                None => {}
            }
        }
        for piece in pieces(&replied, ROWS_PER_STATEMENT_MAX) {
            let mut query = store.query("INSERT INTO call_keys (");
            query.text(COLUMNS).text(",status_code,content_type,answer) VALUES ");
            for (index, (key, reply)) in piece.iter().enumerate() {
                query.text(if index == 0 { "" } else { "," });
                query.tuple(key.iter().chain(reply).cloned());
            }
            let changed = ["status_code", "content_type", "answer"];
            query.or_update("key_hash", &changed, |_, new| new.to_owned());
            self.push(query, Purpose::Follow, piece.len());
        }
        for piece in pieces(&never_sent, ROWS_PER_STATEMENT_MAX) {
            let mut query = store.query("DELETE FROM call_keys WHERE key_hash");
            query.within(piece.iter().map(|hash| sql::bytes(hash)));
            self.push(query, Purpose::Follow, piece.len());
        }
    }
}

fn columns(key: CallKey, tenant: Uid, id: InvocationId, now: Timestamp) -> [Value; 5] {
    [
        sql::bytes(&key.hash),
        sql::uid(tenant),
        sql::bytes(&key.request),
        sql::bytes(id.as_bytes()),
        sql::time(now),
    ]
}

fn reply_columns(reply: &Reply) -> [Value; 3] {
    let (status, content_type, body): (i32, &str, Option<&[u8]>) = match reply {
        Ok(answer) => {
            let body = Some(&answer.body[..]).filter(|body| body.len() <= KEPT_ANSWER_BYTES_MAX);
            (answer.status_code.into(), &answer.content_type, body)
        }
        Err(Error::Timeout(_)) => (NO_ANSWER, TIMEOUT, Some(b"")),
        Err(Error::Unreachable(why) | Error::BrokenOff(why) | Error::Forbidden(why)) => {
            (NO_ANSWER, BROKEN_OFF, Some(why.as_bytes()))
        }
    };
    [status.into(), content_type.into(), Value::Bytes(body.map(<[u8]>::to_vec))]
}

fn kept(found: &QueryResult) -> Result<KeptCall, DbErr> {
    let request: Vec<u8> = found.try_get_by_index(0)?;
    let state: Option<i16> = found.try_get_by_index(2)?;
    let status: Option<i32> = found.try_get_by_index(3)?;
    Ok(KeptCall {
        request: request.try_into().map_err(|_| row::corrupt("request hash"))?,
        invocation: row::invocation_id(found, 1)?,
        state: state.and_then(|number| State::ALL.into_iter().find(|of| of.number() == number)),
        told: status.map(|status| kept_reply(status, found)).transpose()?,
    })
}

fn kept_reply(status: i32, found: &QueryResult) -> Result<KeptReply, DbErr> {
    let content_type: String = found.try_get_by_index(4)?;
    let Some(body) = found.try_get_by_index::<Option<Vec<u8>>>(5)? else {
        return Ok(KeptReply::TooLong);
    };
    if status != NO_ANSWER {
        let status_code = u16::try_from(status).map_err(|_| row::corrupt("status"))?;
        let (body, retry_after, retry_never) = (Bytes::from(body), None, false);
        let answer = Answer { status_code, content_type, body, retry_after, retry_never };
        return Ok(KeptReply::Whole(Ok(answer)));
    }
    let error = match content_type.as_str() {
        TIMEOUT => Error::Timeout(Duration::ZERO),
        BROKEN_OFF => Error::BrokenOff(String::from_utf8_lossy(&body).into_owned()),
        _ => return Err(row::corrupt("answer")),
    };
    Ok(KeptReply::Whole(Err(error)))
}
