//! From the messages of other services to what this one works with.

use std::sync::Arc;
use std::time::Duration;

use tripline_contracts::convert::{BadField, subject, uid};
use tripline_contracts::pb;
use tripline_kernel::{Timestamp, Uid};
use tripline_signing::SigningSecret;
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
    let secret = |text: &Option<String>| text.as_deref().and_then(|text| text.parse().ok());
    let mut secrets: Vec<SigningSecret> = secret(&message.signing_secret).into_iter().collect();
    let earlier = secret(&message.earlier_signing_secret).filter(|_| !secrets.is_empty());
    let until = earlier.as_ref().and(message.earlier_signing_secret_until);
    secrets.extend(earlier);
    Ok(Function {
        uid,
        tenant,
        callable: callable(message, kinds),
        timeout: millis(message.timeout_ms).unwrap_or(TIMEOUT_DEFAULT),
        concurrency: or_default(message.concurrency, CONCURRENCY_DEFAULT),
        secrets,
        earlier_until: until.map(Timestamp::from_micros),
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tripline_contracts::pb;
    use tripline_kernel::{Timestamp, Uid};

    use super::function;

    const NEW: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const EARLIER: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

    #[test]
    fn the_signing_secret_before_signs_until_its_time_is_over() {
        let (now, uid) = (Timestamp::from_micros(1_000_000), Uid::from_bytes([1; 16]).to_string());
        let until = now.after(Duration::from_secs(60));
        let meta = pb::Meta { tenant: uid.clone(), uid, ..pb::Meta::default() };
        let rotated = pb::Function {
            meta: Some(meta),
            signing_secret: Some(NEW.to_owned()),
            earlier_signing_secret: Some(EARLIER.to_owned()),
            earlier_signing_secret_until: Some(until.as_micros()),
            ..pb::Function::default()
        };
        let signed = |message: &pb::Function, at| -> Vec<String> {
            let function = function(message, &[]).unwrap();
            function.secrets_at(at).iter().map(|secret| secret.expose()).collect()
        };
        assert_eq!(signed(&rotated, now), [NEW, EARLIER]);
        assert_eq!(signed(&rotated, until), [NEW]);
        let unreadable = pb::Function { signing_secret: None, ..rotated };
        assert!(signed(&unreadable, now).is_empty(), "the one before never signs alone");
    }
}
