//! Reading rows.

use bytes::Bytes;
use sea_orm::{DbErr, QueryResult};
use tripline_event::{InvocationId, Subject};
use tripline_kernel::{Timestamp, Uid};

use crate::invocation::{Invocation, Mode, Payload, State};

/// The columns of an invocation with its payload, as [`invocation`] reads them from `invocations i JOIN payloads p`.
pub(super) const RUNNABLE: &str = "i.seq,i.id,i.tenant,i.mode,i.bus,i.trigger_uid,i.revision,\
     i.function_uid,i.subject_kind,i.subject_uid,i.event_source,i.event_id,i.accepted_at,\
     i.attempts,i.generation,p.content_type,p.traceparent,p.body";

pub(super) fn corrupt(what: &str) -> DbErr {
    DbErr::Type(format!("the stored {what} is damaged"))
}

pub(super) fn uid(row: &QueryResult, index: usize) -> Result<Uid, DbErr> {
    optional_uid(row, index)?.ok_or_else(|| corrupt("uid"))
}

pub(super) fn optional_uid(row: &QueryResult, index: usize) -> Result<Option<Uid>, DbErr> {
    let bytes: Option<Vec<u8>> = row.try_get_by_index(index)?;
    let uid = |bytes: Vec<u8>| bytes.try_into().map(Uid::from_bytes).map_err(|_| corrupt("uid"));
    bytes.map(uid).transpose()
}

pub(super) fn invocation_id(row: &QueryResult, index: usize) -> Result<InvocationId, DbErr> {
    let bytes: Vec<u8> = row.try_get_by_index(index)?;
    bytes.try_into().map(InvocationId::from_bytes).map_err(|_| corrupt("invocation id"))
}

pub(super) fn time(row: &QueryResult, index: usize) -> Result<Timestamp, DbErr> {
    Ok(Timestamp::from_micros(row.try_get_by_index(index)?))
}

pub(super) fn optional_time(row: &QueryResult, index: usize) -> Result<Option<Timestamp>, DbErr> {
    Ok(row.try_get_by_index::<Option<i64>>(index)?.map(Timestamp::from_micros))
}

pub(super) fn count(row: &QueryResult, index: usize) -> Result<u32, DbErr> {
    row.try_get_by_index::<i32>(index)?.try_into().map_err(|_| corrupt("count"))
}

/// Text that is stored as bytes.
pub(super) fn text(row: &QueryResult, index: usize) -> Result<Box<str>, DbErr> {
    let bytes: Vec<u8> = row.try_get_by_index(index)?;
    String::from_utf8(bytes).map(Into::into).map_err(|_| corrupt("text"))
}

fn optional_text(row: &QueryResult, index: usize) -> Result<Option<Box<str>>, DbErr> {
    Ok(row.try_get_by_index::<Option<String>>(index)?.map(Into::into))
}

pub(super) fn state(row: &QueryResult, index: usize) -> Result<State, DbErr> {
    let number: i16 = row.try_get_by_index(index)?;
    State::ALL.into_iter().find(|state| state.number() == number).ok_or_else(|| corrupt("state"))
}

pub(super) fn payload(row: &QueryResult, first: usize) -> Result<Payload, DbErr> {
    Ok(Payload {
        content_type: optional_text(row, first)?,
        traceparent: optional_text(row, first + 1)?,
        body: Bytes::from(row.try_get_by_index::<Vec<u8>>(first + 2)?),
    })
}

/// Reads [`RUNNABLE`].
pub(super) fn invocation(row: &QueryResult, epoch: i64) -> Result<Invocation, DbErr> {
    let subject_uid = uid(row, 9)?;
    let subject = match row.try_get_by_index::<i16>(8)? {
        1 => Subject::Source(subject_uid),
        2 => Subject::ApiKey(subject_uid),
        3 => Subject::Bus(subject_uid),
        _ => return Err(corrupt("subject")),
    };
    Ok(Invocation {
        seq: row.try_get_by_index(0)?,
        epoch,
        id: invocation_id(row, 1)?,
        tenant: uid(row, 2)?,
        mode: Mode::of_number(row.try_get_by_index(3)?).ok_or_else(|| corrupt("mode"))?,
        bus: optional_uid(row, 4)?,
        trigger: optional_uid(row, 5)?,
        revision: row.try_get_by_index::<i64>(6)?.cast_unsigned(),
        function: uid(row, 7)?,
        subject,
        event_source: text(row, 10)?,
        event_id: text(row, 11)?,
        accepted_at: time(row, 12)?,
        attempts: count(row, 13)?,
        generation: count(row, 14)?,
        payload: payload(row, 15)?,
        // It has been looked at when the call was taken in.
        key: None,
    })
}
