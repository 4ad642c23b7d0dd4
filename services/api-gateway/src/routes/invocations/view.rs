//! An invocation as it is shown.

use serde::Serialize;
use tripline_contracts::pb;
use tripline_kernel::Timestamp;

use crate::answer::filled;
use crate::snapshot::Snapshot;

/// An invocation as it is shown, with so much of its event as `E` holds.
#[derive(Debug, Serialize)]
pub(crate) struct Invocation<E = Option<EventIdentity>> {
    id: String,
    event: E,
    /// Nothing for a direct call.
    trigger: Option<String>,
    function: String,
    state: String,
    reason: Option<String>,
    next_attempt_at: Option<Timestamp>,
    created_at: Timestamp,
    finished_at: Option<Timestamp>,
    generation: u32,
    attempts: Vec<Attempt>,
}

/// Which event. There is none behind a direct call of anything else.
#[derive(Debug, Serialize)]
pub(crate) struct EventIdentity {
    source: String,
    id: String,
}

/// One attempt as it is shown.
#[derive(Debug, Serialize)]
struct Attempt {
    number: u32,
    generation: u32,
    started_at: Timestamp,
    duration_ms: u32,
    status_code: Option<u32>,
    error: Option<String>,
    request: Request,
    /// Nothing when there was no answer, and where bodies are left out.
    response: Option<Response>,
}

#[derive(Debug, Serialize)]
struct Request {
    url: String,
}

#[derive(Debug, Serialize)]
struct Response {
    status_code: u32,
    /// Cut where it is long.
    body: String,
}

impl Invocation {
    /// Shows which event it was.
    pub(crate) fn of(message: pb::Invocation, snapshot: &Snapshot) -> Self {
        let (source, id) = (message.event_source.clone(), message.event_id.clone());
        let has_event = !(source.is_empty() && id.is_empty());
        Self::with(has_event.then_some(EventIdentity { source, id }), message, snapshot)
    }
}

impl<E> Invocation<E> {
    /// Names come from the snapshot; what has none any more is shown by its uid.
    pub(crate) fn with(event: E, message: pb::Invocation, snapshot: &Snapshot) -> Self {
        Self {
            id: message.id,
            event,
            trigger: message.trigger_uid.map(|uid| snapshot.trigger_name(&uid)),
            function: snapshot.function_name(&message.function_uid),
            state: message.state,
            reason: filled(message.reason),
            next_attempt_at: message.next_attempt_at.map(Timestamp::from_micros),
            created_at: Timestamp::from_micros(message.created_at),
            finished_at: message.finished_at.map(Timestamp::from_micros),
            generation: message.generation,
            attempts: message.attempts.into_iter().map(Attempt::of).collect(),
        }
    }

    /// Without what the function answered.
    pub(crate) fn without_bodies(mut self) -> Self {
        for attempt in &mut self.attempts {
            attempt.response = None;
        }
        self
    }
}

impl Attempt {
    fn of(message: pb::Attempt) -> Self {
        let body = message.response_body;
        Self {
            number: message.number,
            generation: message.generation,
            started_at: Timestamp::from_micros(message.started_at),
            duration_ms: message.duration_ms,
            status_code: message.status_code,
            error: filled(message.error),
            request: Request { url: message.request_url },
            response: message.status_code.map(|status_code| Response { status_code, body }),
        }
    }
}
