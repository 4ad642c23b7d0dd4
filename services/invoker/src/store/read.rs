//! Lists and single rows, for people.

use std::collections::HashMap;

use bytes::Bytes;
use sea_orm::{ConnectionTrait as _, DbErr, QueryResult};
use tripline_event::InvocationId;
use tripline_kernel::{Timestamp, Uid};

use super::migration::Phrases;
use super::{Query, Store, row, sequence, sql};
use crate::invocation::{Attempt, Payload, State};

/// A page ends early once its payloads and answers have this many bytes, so that it fits into one message.
const PAGE_BYTES_MAX: i64 = 2 << 20;

/// Which invocations are asked for. What is `None` does not filter.
#[derive(Clone, Debug)]
pub(crate) struct Filter {
    pub(crate) tenant: Uid,
    pub(crate) event_id: Option<String>,
    pub(crate) event_source: Option<String>,
    pub(crate) trigger: Option<Uid>,
    pub(crate) function: Option<Uid>,
    pub(crate) state: Option<State>,
    pub(crate) created_after: Option<Timestamp>,
    pub(crate) created_before: Option<Timestamp>,
}

/// Which part of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Page {
    /// Only rows before this place; newest come first.
    pub(crate) before: Option<i64>,
    pub(crate) limit: usize,
    pub(crate) attempts: Detail,
    pub(crate) with_payload: bool,
}

/// How much of its attempts comes with each invocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Detail {
    /// Every attempt, whole.
    All,
    /// The last attempt of its generation, without the answer's body.
    Last,
    /// None.
    Nothing,
}

/// Bytes of a row's attempts: never fewer than they are, so that a page is rather short than too large.
const ATTEMPT_BYTES: &str = "SELECT seq,COUNT(*)*MAX(OCTET_LENGTH(error)+OCTET_LENGTH(address)\
     +OCTET_LENGTH(response)) FROM attempts WHERE seq";
/// Bytes of a row's payload. An aggregate is a `BIGINT` in every dialect.
const PAYLOAD_BYTES: &str = "SELECT seq,COUNT(*)*MAX(OCTET_LENGTH(body)) FROM payloads WHERE seq";

/// An invocation as people see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) seq: i64,
    pub(crate) id: InvocationId,
    pub(crate) event_source: Box<str>,
    pub(crate) event_id: Box<str>,
    pub(crate) trigger: Option<Uid>,
    pub(crate) function: Uid,
    pub(crate) state: State,
    pub(crate) reason: String,
    pub(crate) next_attempt_at: Option<Timestamp>,
    pub(crate) created_at: Timestamp,
    pub(crate) finished_at: Option<Timestamp>,
    pub(crate) generation: u32,
    pub(crate) attempts: Vec<Attempt>,
    /// Only where it was asked for and is still kept.
    pub(crate) payload: Option<Payload>,
}

pub(super) const COLUMNS: &str = "SELECT seq,id,event_source,event_id,trigger_uid,function_uid,state,reason,\
     next_attempt_at,finished_at,generation FROM invocations WHERE ";

const ATTEMPTS: &str = "SELECT a.seq,a.generation,a.number,a.started_at,a.duration_ms,a.status_code,a.error,a.address,\
     a.response FROM attempts a WHERE a.seq";
const LAST_ATTEMPTS: &str = "SELECT a.seq,a.generation,a.number,a.started_at,a.duration_ms,a.status_code,a.error,a.address \
     FROM invocations i JOIN attempts a ON a.seq=i.seq AND a.generation=i.generation AND a.number=i.attempts \
     WHERE i.seq";

impl Store {
    /// One invocation of this tenant.
    pub(crate) async fn get(
        &self,
        tenant: Uid,
        id: InvocationId,
        with_payload: bool,
    ) -> Result<Option<Found>, tripline_db::Error> {
        let mut query = self.query(COLUMNS);
        query.text("id=").bind(sql::bytes(id.as_bytes()));
        query.text(" AND tenant=").bind(sql::uid(tenant));
        let row = self.db.query_one_raw(query.build()).await?;
        let Some(mut found) = row.map(|row| read(&row)).transpose()? else { return Ok(None) };
        self.complete(std::slice::from_mut(&mut found), Detail::All, with_payload).await?;
        Ok(Some(found))
    }

    /// A page of invocations, newest first, and where the next page begins when there is more.
    pub(crate) async fn list(
        &self,
        filter: &Filter,
        page: Page,
    ) -> Result<(Vec<Found>, Option<i64>), tripline_db::Error> {
        let rows = self.db.query_all_raw(self.page(COLUMNS, filter, page).build()).await?;
        let mut found = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let mut more = found.len() > page.limit;
        found.truncate(page.limit);
        let fitting = self.fitting(&found, page).await?;
        more |= fitting < found.len();
        found.truncate(fitting);
        self.complete(&mut found, page.attempts, page.with_payload).await?;
        let next = found.last().filter(|_| more).map(|last| last.seq);
        Ok((found, next))
    }

    /// What finds the rows of a page.
    pub(super) fn page(&self, columns: &str, filter: &Filter, page: Page) -> Query {
        let mut query = self.query(columns);
        conditions(&mut query, filter, self.phrases());
        if let Some(before) = page.before {
            query.text(" AND seq<").bind(before);
        }
        query.text(" ORDER BY seq DESC LIMIT ").bind(sql::limit(page.limit + 1));
        query
    }

    /// How many of these fit into one message; at least one. Measured in the database: what does not fit is not read.
    async fn fitting(&self, found: &[Found], page: Page) -> Result<usize, DbErr> {
        let mut bytes = HashMap::new();
        if page.attempts == Detail::All {
            self.measure(ATTEMPT_BYTES, found, &mut bytes).await?;
        }
        if page.with_payload {
            self.measure(PAYLOAD_BYTES, found, &mut bytes).await?;
        }
        let mut sum = 0_i64;
        let fits = |found: &&Found| {
            sum = sum.saturating_add(bytes.get(&found.seq).copied().unwrap_or(0));
            sum <= PAGE_BYTES_MAX
        };
        Ok(found.iter().take_while(fits).count().max(found.len().min(1)))
    }

    async fn measure(
        &self,
        what: &str,
        found: &[Found],
        bytes: &mut HashMap<i64, i64>,
    ) -> Result<(), DbErr> {
        if found.is_empty() {
            return Ok(());
        }
        let mut query = self.query(what);
        query.within(found.iter().map(|found| sql::seq(found.seq))).text(" GROUP BY seq");
        for row in self.db.query_all_raw(query.build()).await? {
            let (seq, more): (i64, i64) = (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
            let sum = bytes.entry(seq).or_default();
            *sum = sum.saturating_add(more);
        }
        Ok(())
    }

    async fn complete(
        &self,
        found: &mut [Found],
        detail: Detail,
        with_payload: bool,
    ) -> Result<(), DbErr> {
        if found.is_empty() {
            return Ok(());
        }
        let seqs = || -> Vec<_> { found.iter().map(|found| sql::seq(found.seq)).collect() };
        let mut attempts: HashMap<i64, Vec<Attempt>> = HashMap::new();
        let query = match detail {
            Detail::All => Some((ATTEMPTS, " ORDER BY a.seq,a.generation,a.number")),
            Detail::Last => Some((LAST_ATTEMPTS, "")),
            Detail::Nothing => None,
        };
        if let Some((columns, order)) = query {
            let mut query = self.query(columns);
            query.within(seqs().into_iter()).text(order);
            for row in self.db.query_all_raw(query.build()).await? {
                let attempt = attempt(&row, detail == Detail::All)?;
                attempts.entry(row.try_get_by_index(0)?).or_default().push(attempt);
            }
        }
        let mut payloads = HashMap::new();
        if with_payload {
            let mut query =
                self.query("SELECT seq,content_type,traceparent,body FROM payloads WHERE seq");
            query.within(seqs().into_iter());
            for row in self.db.query_all_raw(query.build()).await? {
                payloads.insert(row.try_get_by_index::<i64>(0)?, row::payload(&row, 1)?);
            }
        }
        for found in found {
            found.attempts = attempts.remove(&found.seq).unwrap_or_default();
            found.payload = payloads.remove(&found.seq);
        }
        Ok(())
    }
}

/// States stand in the text: an index that holds only some states is used for no other spelling.
fn conditions(query: &mut Query, filter: &Filter, phrases: &Phrases) {
    query.text("tenant=").bind(sql::uid(filter.tenant));
    if let Some(event_id) = &filter.event_id {
        query.text(" AND event_id=").bind(sql::bytes(event_id.as_bytes()));
    }
    if let Some(event_source) = &filter.event_source {
        query.text(" AND event_source=").bind(sql::bytes(event_source.as_bytes()));
    }
    if let Some(trigger) = filter.trigger {
        query.text(" AND trigger_uid=").bind(sql::uid(trigger));
    }
    if let Some(function) = filter.function {
        query.text(" AND function_uid=").bind(sql::uid(function));
    }
    if let Some(created_after) = filter.created_after {
        query.text(" AND seq>=").bind(sequence::first_at(created_after));
    }
    if let Some(created_before) = filter.created_before {
        query.text(" AND seq<").bind(sequence::first_at(created_before));
    }
    let listed = match filter.state {
        None => return,
        Some(State::Running) => {
            query.text(" AND state=1 AND owner_epoch IN (SELECT epoch FROM epochs)");
            return;
        }
        Some(State::Succeeded) => {
            query.text(" AND state=2");
            return;
        }
        Some(State::Pending) => "0",
        Some(State::Dead) => "3",
        Some(State::Cancelled) => "4",
    };
    query.text(" AND ").text(phrases.listed_state).text(listed);
}

fn read(row: &QueryResult) -> Result<Found, DbErr> {
    let seq = row.try_get_by_index(0)?;
    Ok(Found {
        seq,
        id: row::invocation_id(row, 1)?,
        event_source: row::text(row, 2)?,
        event_id: row::text(row, 3)?,
        trigger: row::optional_uid(row, 4)?,
        function: row::uid(row, 5)?,
        state: row::state(row, 6)?,
        reason: row.try_get_by_index(7)?,
        next_attempt_at: row::optional_time(row, 8)?,
        created_at: sequence::admitted_at(seq),
        finished_at: row::optional_time(row, 9)?,
        generation: row::count(row, 10)?,
        attempts: Vec::new(),
        payload: None,
    })
}

fn attempt(row: &QueryResult, with_response: bool) -> Result<Attempt, DbErr> {
    let status_code: Option<i32> = row.try_get_by_index(5)?;
    let duration_ms: i64 = row.try_get_by_index(4)?;
    Ok(Attempt {
        generation: row::count(row, 1)?,
        number: row::count(row, 2)?,
        started_at: row::time(row, 3)?,
        duration_ms: u32::try_from(duration_ms).map_err(|_| row::corrupt("duration"))?,
        status_code: status_code.and_then(|code| u16::try_from(code).ok()),
        error: row.try_get_by_index(6)?,
        address: row.try_get_by_index::<String>(7)?.into(),
        response: if with_response {
            Bytes::from(row.try_get_by_index::<Vec<u8>>(8)?)
        } else {
            Bytes::new()
        },
    })
}
