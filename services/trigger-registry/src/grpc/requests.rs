//! From requests to what inner code works with.

use tripline_contracts::convert::{self, BadField};
use tripline_contracts::pb;
use tripline_kernel::{Name, TenantUid};

use crate::condition::Condition;
use crate::registry::Which;
use crate::trigger::{Delivery, Start};
use crate::{bus, function, source, trigger};

impl From<Option<pb::Condition>> for Condition {
    fn from(condition: Option<pb::Condition>) -> Self {
        let condition = condition.unwrap_or_default();
        Self { if_revision: condition.if_revision, if_absent: condition.if_absent }
    }
}

impl TryFrom<pb::PutFunctionRequest> for function::Draft {
    type Error = BadField;

    fn try_from(request: pb::PutFunctionRequest) -> Result<Self, BadField> {
        Ok(Self {
            tenant: convert::uid("tenant", &request.tenant)?,
            name: convert::name("name", &request.name)?,
            condition: request.condition.into(),
            target_kind: request.target_kind,
            target_settings_json: request.target_settings_json,
            timeout_ms: request.timeout_ms,
            concurrency: request.concurrency,
        })
    }
}

impl TryFrom<pb::PutSourceRequest> for source::Draft {
    type Error = BadField;

    fn try_from(request: pb::PutSourceRequest) -> Result<Self, BadField> {
        Ok(Self {
            tenant: convert::uid("tenant", &request.tenant)?,
            name: convert::name("name", &request.name)?,
            condition: request.condition.into(),
            kind: request.kind,
            settings_json: request.settings_json,
            bus: or_default(request.bus, bus::DEFAULT),
        })
    }
}

impl TryFrom<pb::PutTriggerRequest> for trigger::Draft {
    type Error = BadField;

    fn try_from(request: pb::PutTriggerRequest) -> Result<Self, BadField> {
        Ok(Self {
            tenant: convert::uid("tenant", &request.tenant)?,
            name: convert::name("name", &request.name)?,
            condition: request.condition.into(),
            bus: or_default(request.bus, bus::DEFAULT),
            source: request.source,
            pattern: request.pattern_json,
            function: request.function,
            delivery: request.delivery.map(Into::into).unwrap_or_default(),
            start: or_default(request.start, Start::Latest.as_str()),
        })
    }
}

impl From<pb::Delivery> for Delivery {
    fn from(delivery: pb::Delivery) -> Self {
        Self {
            max_attempts: delivery.max_attempts,
            max_age_seconds: delivery.max_age_seconds,
            backoff_base_ms: delivery.backoff_base_ms,
            backoff_max_ms: delivery.backoff_max_ms,
            timeout_ms: delivery.timeout_ms,
        }
    }
}

/// Reads what is to be deleted, and on which condition.
pub(super) fn deletion(
    request: &pb::DeleteRequest,
) -> Result<(TenantUid, Name, Condition), BadField> {
    let tenant = convert::uid("tenant", &request.tenant)?;
    let name = convert::name("name", &request.name)?;
    Ok((tenant, name, request.condition.into()))
}

/// Reads which trigger is to be paused.
pub(super) fn which(request: &pb::PauseTriggerRequest) -> Result<Which, BadField> {
    use pb::pause_trigger_request::Which as Given;
    match &request.which {
        Some(Given::Name(name)) => convert::name("name", name).map(Which::Name),
        Some(Given::Uid(uid)) => convert::uid("uid", uid).map(Which::Uid),
        None => convert::name("name", "").map(Which::Name),
    }
}

fn or_default(text: String, default: &str) -> String {
    if text.is_empty() { default.to_owned() } else { text }
}
