//! From what the store holds to the messages of the contract.

use tripline_contracts::pb;
use tripline_kernel::Timestamp;
use tripline_target::Answer;

use crate::health::Health;
use crate::invocation::{Attempt, Payload};
use crate::store::{Found, Stats};

pub(super) fn invocation(found: Found) -> pb::Invocation {
    pb::Invocation {
        id: found.id.to_string(),
        event_source: found.event_source.into(),
        event_id: found.event_id.into(),
        trigger_uid: found.trigger.map(|uid| uid.to_string()),
        function_uid: found.function.to_string(),
        state: found.state.name().to_owned(),
        reason: found.reason,
        next_attempt_at: found.next_attempt_at.map(Timestamp::as_micros),
        attempts: found.attempts.into_iter().map(attempt).collect(),
        created_at: found.created_at.as_micros(),
        finished_at: found.finished_at.map(Timestamp::as_micros),
        generation: found.generation,
    }
}

fn attempt(attempt: Attempt) -> pb::Attempt {
    pb::Attempt {
        number: attempt.number,
        started_at: attempt.started_at.as_micros(),
        duration_ms: attempt.duration_ms,
        status_code: attempt.status_code.map(u32::from),
        error: attempt.error,
        request_url: (*attempt.address).to_owned(),
        response_body: String::from_utf8_lossy(&attempt.response).into_owned(),
        generation: attempt.generation,
    }
}

pub(super) fn dead_letter(mut found: Found) -> pb::DeadLetter {
    let payload = found.payload.take();
    pb::DeadLetter {
        content_type: payload.as_ref().map_or("", Payload::content_type).to_owned(),
        payload: payload.map(|payload| payload.body).unwrap_or_default(),
        invocation: Some(invocation(found)),
    }
}

pub(super) fn stats(stats: Stats) -> pb::InvocationStats {
    // No counter ever falls below zero.
    let count = |number: i64| u64::try_from(number).unwrap_or(0);
    pb::InvocationStats {
        matched: count(stats.matched),
        delivered: count(stats.delivered),
        dead: count(stats.dead),
        cancelled: count(stats.cancelled),
        pending: count(stats.open()),
    }
}

pub(super) fn answer(answer: Answer) -> pb::FunctionAnswer {
    pb::FunctionAnswer {
        status_code: answer.status_code.into(),
        content_type: answer.content_type,
        body: answer.body,
    }
}

pub(super) fn health(health: Health) -> pb::FunctionHealth {
    pb::FunctionHealth {
        state: health.state.name().to_owned(),
        last_success_at: health.last_success_at.map(Timestamp::as_micros),
        last_failure_at: health.last_failure_at.map(Timestamp::as_micros),
        last_failure: health.last_failure,
    }
}
