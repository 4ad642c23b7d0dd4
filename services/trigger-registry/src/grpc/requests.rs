//! From requests to what inner code works with.

use sha2::{Digest as _, Sha256};
use tripline_contracts::convert::{self, BadField};
use tripline_contracts::{Message as _, pb};
use tripline_kernel::{Name, TenantUid};

use crate::condition::Condition;
use crate::page::Filters;
use crate::registry::{PairDraft, Which};
use crate::store::{KEY_BYTES_MAX, Key};
use crate::trigger::{Delivery, Start};
use crate::{bus, function, source, trigger};

impl From<Option<pb::Condition>> for Condition {
    fn from(condition: Option<pb::Condition>) -> Self {
        let condition = condition.unwrap_or_default();
        Self { if_revision: condition.if_revision, if_absent: condition.if_absent }
    }
}

impl From<&pb::ListRequest> for Filters {
    fn from(request: &pb::ListRequest) -> Self {
        Self {
            created_after: request.created_after,
            created_before: request.created_before,
            kind: request.kind.clone(),
            bus: request.bus.clone(),
            source: request.source.clone(),
            function: request.function.clone(),
            state: request.state.clone(),
        }
    }
}

impl TryFrom<pb::PutBusRequest> for bus::Draft {
    type Error = BadField;

    fn try_from(request: pb::PutBusRequest) -> Result<Self, BadField> {
        Ok(Self {
            tenant: convert::uid("tenant", &request.tenant)?,
            name: convert::name("name", &request.name)?,
            condition: request.condition.into(),
            partitions: request.partitions,
            retention_seconds: request.retention_seconds,
            retention_bytes: request.retention_bytes,
            dedupe_window_seconds: request.dedupe_window_seconds,
        })
    }
}

impl TryFrom<pb::PutSourceTriggerRequest> for PairDraft {
    type Error = BadField;

    fn try_from(request: pb::PutSourceTriggerRequest) -> Result<Self, BadField> {
        // What is the same request to one registry is so to all: messages without maps have one encoding.
        let hash = Sha256::digest(request.encode_to_vec()).into();
        let source = request.source.unwrap_or_default();
        let trigger = request.trigger.unwrap_or_default();
        let if_absent = trigger.condition.is_some_and(|condition| condition.if_absent);
        let source = source::Draft {
            condition: Condition { if_revision: None, if_absent },
            ..source::Draft::try_from(source)?
        };
        let trigger = trigger::Draft {
            tenant: source.tenant,
            name: source.name.clone(),
            bus: source.bus.clone(),
            source: Some(source.name.as_str().to_owned()),
            ..trigger::Draft::try_from(trigger)?
        };
        let key = match request.idempotency_key {
            key if key.is_empty() => None,
            key => Some(convert_key(source.tenant, key, hash)?),
        };
        Ok(Self { source, trigger, key })
    }
}

fn convert_key(tenant: TenantUid, key: String, request: [u8; 32]) -> Result<Key, BadField> {
    if u32::try_from(key.len()).is_ok_and(|len| len <= KEY_BYTES_MAX) {
        return Ok(Key { tenant, key, request });
    }
    Err(convert::bad("idempotency_key", &format!("it has at most {KEY_BYTES_MAX} bytes")))
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
