//! A trigger as a document: read from one, shown as one.

use serde::Serialize;
use serde_json::value::RawValue;
use tripline_contracts::pb;

use crate::answer::{Meta, filled};
use crate::document::Fields;
use crate::refusal::Refusal;
use crate::routes::DEFAULT_BUS;

/// Where a trigger starts when nothing is said: behind its own marker.
const START_DEFAULT: &str = "latest";
/// The only kind of back-off so far.
const EXPONENTIAL: &str = "exponential";
/// The delivery policy when nothing is said.
const DELIVERY_DEFAULT: pb::Delivery = pb::Delivery {
    max_attempts: 8,
    max_age_seconds: 86_400,
    backoff_base_ms: 1_000,
    backoff_max_ms: 600_000,
    timeout_ms: 0,
};

/// What a document of a trigger says.
pub(super) struct Wanted {
    pub(super) bus: String,
    pub(super) source: Option<String>,
    pub(super) has_pattern: bool,
    pub(super) function: String,
    pub(super) delivery: pb::Delivery,
    pub(super) start: String,
}

impl Wanted {
    pub(super) fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let bus = fields.optional_name("bus");
        let source = fields.optional_name("source");
        let has_pattern = fields.has_object("pattern");
        let function = fields.name("function");
        let delivery = fields.optional_object("delivery", |fields| Some(delivery(fields)));
        let start = fields.optional_text("start");
        fields.unsupported(&["transform", "target"]);
        fields.read_only(&["state", "state_reason", "relation_uid", "applied"]);
        Some(Self {
            bus: bus.unwrap_or_else(|| DEFAULT_BUS.to_owned()),
            source,
            has_pattern,
            function: function?,
            delivery: delivery.unwrap_or(DELIVERY_DEFAULT),
            start: start.unwrap_or_else(|| START_DEFAULT.to_owned()),
        })
    }
}

fn delivery(fields: &mut Fields<'_>) -> pb::Delivery {
    let default = DELIVERY_DEFAULT;
    let positive = 1..=u32::MAX;
    let max_attempts = fields.optional_u32("max_attempts", positive.clone());
    let max_age_seconds = fields.optional_u32("max_age_seconds", positive.clone());
    let timeout_ms = fields.optional_u32("timeout_ms", positive.clone());
    let backoff = fields.optional_object("backoff", |fields| {
        if fields.optional_text("kind").is_some_and(|kind| kind != EXPONENTIAL) {
            fields.fault("kind", "unsupported-field", format!("'kind' must be '{EXPONENTIAL}'"));
        }
        let base = fields.optional_u32("base_ms", positive.clone());
        let max = fields.optional_u32("max_ms", positive);
        fields.unsupported(&["jitter"]);
        Some((base, max))
    });
    fields.unsupported(&[
        "order",
        "on_poison",
        "batch",
        "rate_limit",
        "concurrency",
        "on_success",
        "on_failure",
    ]);
    let (base, max) = backoff.unwrap_or_default();
    pb::Delivery {
        max_attempts: max_attempts.unwrap_or(default.max_attempts),
        max_age_seconds: max_age_seconds.unwrap_or(default.max_age_seconds),
        backoff_base_ms: base.unwrap_or(default.backoff_base_ms),
        backoff_max_ms: max.unwrap_or(default.backoff_max_ms),
        timeout_ms: timeout_ms.unwrap_or(default.timeout_ms),
    }
}

/// A trigger as it is shown.
#[derive(Debug, Serialize)]
pub(in crate::routes) struct Trigger {
    #[serde(flatten)]
    pub(super) meta: Meta,
    bus: String,
    source: Option<String>,
    pattern: Option<Box<RawValue>>,
    function: String,
    /// Always nothing: transforms are not built yet.
    transform: (),
    delivery: Delivery,
    start: String,
    state: &'static str,
    state_reason: Option<String>,
    relation_uid: String,
    /// Only in the answer to a PUT: whether this revision is in force on every partition.
    #[serde(skip_serializing_if = "Option::is_none")]
    applied: Option<bool>,
}

#[derive(Debug, Serialize)]
struct Delivery {
    max_attempts: u32,
    max_age_seconds: u32,
    backoff: Backoff,
    /// Nothing: the function's own.
    timeout_ms: Option<u32>,
}

#[derive(Debug, Serialize)]
struct Backoff {
    kind: &'static str,
    base_ms: u32,
    max_ms: u32,
}

impl Trigger {
    /// As the answer to a write shows it.
    pub(in crate::routes) fn written(message: pb::Trigger, applied: bool) -> Result<Self, Refusal> {
        Ok(Self { applied: Some(applied), ..Self::of(message)? })
    }

    pub(in crate::routes) fn of(message: pb::Trigger) -> Result<Self, Refusal> {
        let wrong = Refusal::Contract("trigger-registry");
        let state = state(message.state()).ok_or_else(|| wrong.clone())?;
        let pattern = message.pattern_json.map(RawValue::from_string).transpose();
        let delivery = message.delivery.unwrap_or(DELIVERY_DEFAULT);
        Ok(Self {
            meta: Meta::of(message.meta)?,
            bus: message.bus,
            source: message.source,
            pattern: pattern.map_err(|_| wrong)?,
            function: message.function,
            transform: (),
            delivery: Delivery {
                max_attempts: delivery.max_attempts,
                max_age_seconds: delivery.max_age_seconds,
                backoff: Backoff {
                    kind: EXPONENTIAL,
                    base_ms: delivery.backoff_base_ms,
                    max_ms: delivery.backoff_max_ms,
                },
                timeout_ms: Some(delivery.timeout_ms).filter(|timeout| *timeout > 0),
            },
            start: message.start,
            state,
            state_reason: filled(message.state_reason),
            relation_uid: message.relation_uid,
            applied: None,
        })
    }
}

pub(super) fn state(state: pb::TriggerState) -> Option<&'static str> {
    match state {
        pb::TriggerState::Unspecified => None,
        pb::TriggerState::Activating => Some("activating"),
        pb::TriggerState::Active => Some("active"),
        pb::TriggerState::Paused => Some("paused"),
        pb::TriggerState::Deleting => Some("deleting"),
    }
}
