//! From the messages of other services to what this one works with.

use std::sync::Arc;
use std::time::Duration;

use tripline_contracts::convert::{BadField, subject, uid};
use tripline_contracts::pb;
use tripline_kernel::Uid;
use tripline_target::{Kind, Settings};

use crate::judge::Policy;
use crate::snapshot::{Callable, Function, Rule, Standing, Trigger};

/// How long an attempt may take where nothing is said.
const TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);
/// How many calls of a function run at once where nothing is said.
const CONCURRENCY_DEFAULT: u32 = 64;

/// Tenant and uid of a resource.
pub(crate) fn identity(meta: Option<&pb::Meta>) -> Result<(Uid, Uid), BadField> {
    let empty = pb::Meta::default();
    let meta = meta.unwrap_or(&empty);
    Ok((uid("meta.tenant", &meta.tenant)?, uid("meta.uid", &meta.uid)?))
}

/// Reads a function and opens its target.
pub(crate) fn function(
    message: &pb::Function,
    kinds: &[Arc<dyn Kind>],
) -> Result<Function, BadField> {
    let (tenant, uid) = identity(message.meta.as_ref())?;
    let secret = message.signing_secret.as_deref().and_then(|text| text.parse().ok());
    Ok(Function {
        uid,
        tenant,
        callable: callable(message, kinds),
        timeout: millis(message.timeout_ms).unwrap_or(TIMEOUT_DEFAULT),
        concurrency: or_default(message.concurrency, CONCURRENCY_DEFAULT),
        secrets: secret.into_iter().collect(),
    })
}

fn callable(message: &pb::Function, kinds: &[Arc<dyn Kind>]) -> Callable {
    let Some(kind) = kinds.iter().find(|kind| kind.name() == message.target_kind) else {
        return Callable::UnknownKind;
    };
    let settings: Settings = match serde_json::from_str(&message.target_settings_json) {
        Ok(settings) => settings,
        Err(error) => return Callable::Refused(format!("the settings cannot be read: {error}")),
    };
    match kind.open(&settings) {
        Ok(target) => {
            let address = target.address().into();
            Callable::Target(target, address)
        }
        Err(faults) => {
            let details: Vec<_> = faults.into_iter().map(|fault| fault.detail).collect();
            Callable::Refused(details.join("; "))
        }
    }
}

/// Reads a trigger.
pub(crate) fn trigger(message: &pb::Trigger) -> Result<Trigger, BadField> {
    let (tenant, trigger) = identity(message.meta.as_ref())?;
    let name = message.meta.as_ref().map_or("", |meta| &meta.name);
    Ok(Trigger {
        uid: trigger,
        tenant,
        name: name.into(),
        function: uid("function_uid", &message.function_uid)?,
        revision: message.definition_revision,
        policy: policy(message.delivery.as_ref()),
        standing: match message.state() {
            pb::TriggerState::Paused => Standing::Paused,
            pb::TriggerState::Deleting => Standing::Deleting,
            pb::TriggerState::Active
            | pb::TriggerState::Activating
            | pb::TriggerState::Unspecified => Standing::Running,
        },
    })
}

/// Zero stands for the default everywhere.
fn policy(delivery: Option<&pb::Delivery>) -> Policy {
    let default = Policy::default();
    let Some(delivery) = delivery else { return default };
    let age_max = u64::from(delivery.max_age_seconds);
    Policy {
        attempts_max: or_default(delivery.max_attempts, default.attempts_max),
        age_max: if age_max == 0 { default.age_max } else { Duration::from_secs(age_max) },
        backoff_base: millis(delivery.backoff_base_ms).unwrap_or(default.backoff_base),
        backoff_max: millis(delivery.backoff_max_ms).unwrap_or(default.backoff_max),
        timeout: millis(delivery.timeout_ms),
    }
}

/// Reads a rule.
pub(crate) fn rule(message: &pb::Rule) -> Result<Rule, BadField> {
    Ok(Rule {
        tenant: uid("tenant", &message.tenant)?,
        subject: subject(message.subject.as_ref())?,
        function: uid("function_uid", &message.function_uid)?,
    })
}

fn millis(number: u32) -> Option<Duration> {
    (number > 0).then(|| Duration::from_millis(number.into()))
}

fn or_default(number: u32, default: u32) -> u32 {
    if number == 0 { default } else { number }
}
