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
use super::{ROWS_PER_SWEEP_MAX, Row, Store, row, sql};
use crate::dispatcher::Reply;
use crate::invocation::{Record, State};
use crate::key::{KEPT, KeptCall, Told};

/// Stands in the place of a status where there was no answer; the type then says why.
const NO_ANSWER: i32 = 0;
const TIMEOUT: &str = "timeout";
const UNREACHABLE: &str = "unreachable";
const FORBIDDEN: &str = "forbidden";

impl Store {
    /// What is kept for a key, if it stands for a call at this moment.
    pub(crate) async fn kept_call(
        &self,
        tenant: Uid,
        key: &str,
        now: Timestamp,
    ) -> Result<Option<KeptCall>, tripline_db::Error> {
        let mut query = self.query(
            "SELECT k.request_hash,k.id,i.state,k.status_code,k.content_type,k.answer \
             FROM call_keys k LEFT JOIN invocations i ON i.id=k.id WHERE k.tenant=",
        );
        query
            .bind(sql::uid(tenant))
            .text(" AND k.idempotency_key=")
            .bind(sql::bytes(key.as_bytes()));
        query.text(" AND k.created_at>").bind(sql::time(now.before(KEPT)));
        let found = self.db.query_one_raw(query.build()).await?;
        Ok(found.as_ref().map(kept).transpose()?)
    }

    /// Of these rows, the ids of those whose keys stand for other calls.
    pub(crate) async fn keys_taken(
        &self,
        rows: &[Row],
        now: Timestamp,
    ) -> Result<HashSet<InvocationId>, tripline_db::Error> {
        let mut taken = HashSet::new();
        for Row { invocation, .. } in rows {
            let Some(key) = &invocation.key else { continue };
            let kept = self.kept_call(invocation.tenant, &key.text, now).await?;
            if kept.is_some_and(|kept| kept.invocation != invocation.id) {
                taken.insert(invocation.id);
            }
        }
        Ok(taken)
    }

    /// Deletes at most about one transaction's worth of keys that stand for nothing any more. Says how many.
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

impl Script {
    /// Stores the keys of these rows. One that stands for another call undoes the whole script.
    pub(super) fn insert_keys(&mut self, store: &Store, rows: &[Row], now: Timestamp) {
        for Row { invocation, .. } in rows {
            let Some(key) = &invocation.key else { continue };
            let (tenant, text) = (sql::uid(invocation.tenant), sql::bytes(key.text.as_bytes()));
            let mut query = store.query("DELETE FROM call_keys WHERE tenant=");
            query.bind(tenant.clone()).text(" AND idempotency_key=").bind(text.clone());
            query.text(" AND created_at<=").bind(sql::time(now.before(KEPT)));
            self.push(query, Purpose::Follow, 0);
            let mut query = store.query(
                "INSERT INTO call_keys (tenant,idempotency_key,request_hash,id,created_at) VALUES ",
            );
            let (hash, id) = (sql::bytes(&key.request), sql::bytes(invocation.id.as_bytes()));
            query.tuple([tenant, text, hash, id, sql::time(now)]);
            self.push(query, Purpose::Admit, 1);
        }
    }

    /// Keeps what synchronous callers are told.
    pub(super) fn keep_told(&mut self, store: &Store, records: &[Record]) {
        for record in records {
            let Some(Told { key, invocation, reply }) = &record.told else { continue };
            let mut query = match reply {
                Some(reply) => {
                    let [status, content_type, body] = columns(reply);
                    let mut query = store.query("UPDATE call_keys SET status_code=");
                    query.bind(status).text(",content_type=").bind(content_type);
                    query.text(",answer=").bind(body);
                    query
                }
                None => store.query("DELETE FROM call_keys"),
            };
            query.text(" WHERE tenant=").bind(sql::uid(record.tenant));
            query.text(" AND idempotency_key=").bind(sql::bytes(key.text.as_bytes()));
            query.text(" AND id=").bind(sql::bytes(invocation.as_bytes()));
            self.push(query, Purpose::Follow, 1);
        }
    }
}

fn columns(reply: &Reply) -> [Value; 3] {
    let (status, content_type, body): (i32, &str, &[u8]) = match reply {
        Ok(answer) => (answer.status_code.into(), answer.content_type.as_str(), &answer.body[..]),
        Err(Error::Timeout(_)) => (NO_ANSWER, TIMEOUT, "".as_bytes()),
        Err(Error::Unreachable(why)) => (NO_ANSWER, UNREACHABLE, why.as_bytes()),
        Err(Error::Forbidden(why)) => (NO_ANSWER, FORBIDDEN, why.as_bytes()),
    };
    [status.into(), content_type.into(), sql::bytes(body)]
}

fn kept(found: &QueryResult) -> Result<KeptCall, DbErr> {
    let request: Vec<u8> = found.try_get_by_index(0)?;
    let state: Option<i16> = found.try_get_by_index(2)?;
    let status: Option<i32> = found.try_get_by_index(3)?;
    Ok(KeptCall {
        request: request.try_into().map_err(|_| row::corrupt("request hash"))?,
        invocation: row::invocation_id(found, 1)?,
        state: state.and_then(|number| State::ALL.into_iter().find(|of| of.number() == number)),
        told: status.map(|status| told(status, found)).transpose()?,
    })
}

fn told(status: i32, found: &QueryResult) -> Result<Reply, DbErr> {
    let content_type: String = found.try_get_by_index(4)?;
    let body = Bytes::from(found.try_get_by_index::<Vec<u8>>(5)?);
    if status != NO_ANSWER {
        let status_code = u16::try_from(status).map_err(|_| row::corrupt("status"))?;
        let (retry_after, retry_never) = (None, false);
        return Ok(Ok(Answer { status_code, content_type, body, retry_after, retry_never }));
    }
    let why = || String::from_utf8_lossy(&body).into_owned();
    Ok(Err(match content_type.as_str() {
        TIMEOUT => Error::Timeout(Duration::ZERO),
        UNREACHABLE => Error::Unreachable(why()),
        FORBIDDEN => Error::Forbidden(why()),
        _ => return Err(row::corrupt("answer")),
    }))
}
