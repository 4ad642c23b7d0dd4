//! The words of this service: an invocation, its attempts, and how they end.

use std::sync::Arc;

use bytes::Bytes;
use tripline_event::{InvocationId, LaneEntry, Subject};
use tripline_kernel::{Timestamp, Uid};

use crate::key::{CallKey, Told};

/// The media type of an event in the JSON event format.
pub(crate) const CLOUDEVENT_JSON: &str = "application/cloudevents+json";

/// Where an invocation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Waits: for its time, for room, or for what it needs.
    Pending,
    /// In the memory of a living process, waiting there for a slot or being called.
    Running,
    /// The function took it.
    Succeeded,
    /// It will not be tried again, unless someone redrives it.
    Dead,
    /// Nobody wants it any more.
    Cancelled,
}

impl State {
    pub(crate) const ALL: [Self; 5] =
        [Self::Pending, Self::Running, Self::Succeeded, Self::Dead, Self::Cancelled];

    /// The number that stands for it in the database.
    pub(crate) const fn number(self) -> i16 {
        match self {
            Self::Pending => 0,
            Self::Running => 1,
            Self::Succeeded => 2,
            Self::Dead => 3,
            Self::Cancelled => 4,
        }
    }

    /// Its name in the API.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Dead => "dead",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Why an invocation is dead, cancelled or waiting. Stored and shown as text.
pub(crate) mod reason {
    /// As many attempts as the policy allows have failed.
    pub(crate) const ATTEMPTS_EXHAUSTED: &str = "attempts-exhausted";
    /// The next attempt would come after the age that the policy allows.
    pub(crate) const TOO_OLD: &str = "too-old";
    /// The function's answer was final: a redirect, or a 4xx that no retry mends.
    pub(crate) const REJECTED: &str = "rejected";
    /// The function asked not to be tried again.
    pub(crate) const RETRY_NEVER: &str = "retry-never";
    /// No rule allows it, or the address is one that calls must not go to.
    pub(crate) const FORBIDDEN: &str = "forbidden";
    /// A synchronous call failed, which is never tried again.
    pub(crate) const NOT_RETRIED: &str = "not-retried";
    /// The function was deleted.
    pub(crate) const FUNCTION_GONE: &str = "function-gone";
    /// The trigger was deleted.
    pub(crate) const TRIGGER_GONE: &str = "trigger-gone";
    /// The caller of a synchronous call left before it began.
    pub(crate) const CALLER_GONE: &str = "caller-gone";
    /// The trigger is paused.
    pub(crate) const TRIGGER_PAUSED: &str = "trigger-paused";
    /// The function is not known here yet.
    pub(crate) const FUNCTION_UNKNOWN: &str = "function-unknown";
    /// The trigger, or its revision, is not known here yet.
    pub(crate) const TRIGGER_UNKNOWN: &str = "trigger-unknown";
    /// Whether a rule allows it is not known here yet.
    pub(crate) const RULE_UNKNOWN: &str = "rule-unknown";
    /// The function is of a kind that this process cannot call.
    pub(crate) const TARGET_UNKNOWN: &str = "target-unknown";
}

/// What gave rise to an invocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// An event that matched a trigger.
    Event,
    /// A direct call that nobody waits for.
    Asynchronous,
    /// A direct call whose caller waits. It is never tried again.
    Synchronous,
}

impl Mode {
    pub(crate) const fn number(self) -> i16 {
        match self {
            Self::Event => 0,
            Self::Asynchronous => 1,
            Self::Synchronous => 2,
        }
    }

    pub(crate) const fn of_number(number: i16) -> Option<Self> {
        match number {
            0 => Some(Self::Event),
            1 => Some(Self::Asynchronous),
            2 => Some(Self::Synchronous),
            _ => None,
        }
    }
}

/// One invocation, with what is needed to make an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Invocation {
    /// Its place in the store; 0 until it is stored.
    pub(crate) seq: i64,
    /// The epoch in whose name it runs.
    pub(crate) epoch: i64,
    pub(crate) id: InvocationId,
    pub(crate) tenant: Uid,
    pub(crate) mode: Mode,
    /// Absent for a direct call, as is the trigger.
    pub(crate) bus: Option<Uid>,
    pub(crate) trigger: Option<Uid>,
    /// The revision of the trigger whose policy applies; 0 for a direct call.
    pub(crate) revision: u64,
    pub(crate) function: Uid,
    pub(crate) subject: Subject,
    pub(crate) event_source: Box<str>,
    pub(crate) event_id: Box<str>,
    pub(crate) payload: Payload,
    /// What a direct call came with, in the process that took it in.
    pub(crate) key: Option<CallKey>,
    pub(crate) accepted_at: Timestamp,
    /// Attempts made in this generation.
    pub(crate) attempts: u32,
    pub(crate) generation: u32,
}

/// What the function receives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Payload {
    pub(crate) body: Bytes,
    /// `None` stands for [`CLOUDEVENT_JSON`].
    pub(crate) content_type: Option<Box<str>>,
    pub(crate) traceparent: Option<Box<str>>,
}

impl Payload {
    pub(crate) fn content_type(&self) -> &str {
        self.content_type.as_deref().unwrap_or(CLOUDEVENT_JSON)
    }
}

impl From<LaneEntry> for Invocation {
    fn from(entry: LaneEntry) -> Self {
        let event = &entry.accepted.event;
        Self {
            seq: 0,
            epoch: 0,
            id: entry.invocation,
            tenant: entry.tenant,
            mode: Mode::Event,
            bus: Some(entry.bus),
            trigger: Some(entry.trigger),
            revision: entry.revision,
            function: entry.function,
            subject: entry.subject,
            event_source: event.source().into(),
            event_id: event.id().into(),
            payload: Payload {
                // A copy: a slice would keep its whole frame in memory for as long as it waits.
                body: Bytes::copy_from_slice(event.json()),
                content_type: None,
                traceparent: entry.accepted.traceparent,
            },
            key: None,
            accepted_at: entry.accepted.accepted_at,
            attempts: 0,
            generation: 1,
        }
    }
}

/// What is kept of one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attempt {
    /// Counts from 1 in each generation.
    pub(crate) number: u32,
    pub(crate) generation: u32,
    pub(crate) started_at: Timestamp,
    pub(crate) duration_ms: u32,
    /// Absent when there was no answer.
    pub(crate) status_code: Option<u16>,
    /// Why there is no answer, or why it counts as a failure; empty after a success.
    pub(crate) error: String,
    /// Where the call went.
    pub(crate) address: Arc<str>,
    /// The beginning of the answer's body.
    pub(crate) response: Bytes,
}

/// Where an invocation goes after it ran, or could not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Succeeded,
    Dead(&'static str),
    Cancelled(&'static str),
    /// Waits until `at`, or for being made due when that is `None`. `reason` is empty for a retry.
    Pending {
        reason: &'static str,
        at: Option<Timestamp>,
    },
}

/// What is to be written of an invocation that this process ran.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) seq: i64,
    pub(crate) epoch: i64,
    pub(crate) tenant: Uid,
    pub(crate) function: Uid,
    pub(crate) trigger: Option<Uid>,
    /// Absent when no attempt was made.
    pub(crate) attempt: Option<Attempt>,
    pub(crate) outcome: Outcome,
    /// Until when the function asks not to be called at all.
    pub(crate) hold_until: Option<Timestamp>,
    /// What the caller of a synchronous call with a key is told.
    pub(crate) told: Option<Told>,
}
