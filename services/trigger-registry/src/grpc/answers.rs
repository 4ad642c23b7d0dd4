//! From what inner code works with to answers. Secrets leave only by [`change`].

use tripline_contracts::pb;

use crate::bus::Bus;
use crate::function::Function;
use crate::kinds::render;
use crate::page::Page;
use crate::parted;
use crate::registry::{Deleted, Pair, PutPair};
use crate::resource::{Kind, Meta};
use crate::source::{self, Source};
use crate::trigger::{Delivery, Relation, State, Trigger};
use crate::watch::{Change, Resource};

/// A value as the contract has it.
pub(super) fn message<T, M: From<T>>(value: T) -> M {
    value.into()
}

/// The items of a page, and where the next one starts.
pub(super) fn list_of<T, M: From<T>>(page: Page<T>) -> (Vec<M>, String) {
    (page.items.into_iter().map(M::from).collect(), page.next_cursor)
}

impl From<Meta> for pb::Meta {
    fn from(meta: Meta) -> Self {
        Self {
            tenant: meta.tenant.to_string(),
            name: meta.name.into(),
            uid: meta.uid.to_string(),
            revision: meta.revision,
            created_at: meta.created_at.as_micros(),
            updated_at: meta.updated_at.as_micros(),
        }
    }
}

impl From<Bus> for pb::Bus {
    fn from(bus: Bus) -> Self {
        let window = u32::try_from(bus.dedupe_window.as_secs());
        Self {
            meta: Some(bus.meta.into()),
            partitions: bus.partitions.into(),
            retention_seconds: bus.retention.time.as_secs(),
            retention_bytes: bus.retention.bytes,
            dedupe_window_seconds: window.unwrap_or(u32::MAX),
        }
    }
}

impl From<Function> for pb::Function {
    fn from(function: Function) -> Self {
        Self {
            meta: Some(function.meta.into()),
            target_kind: function.spec.target_kind,
            target_settings_json: render(&function.spec.target_settings),
            timeout_ms: function.spec.timeout_ms,
            concurrency: function.spec.concurrency,
            signing_secret: None,
            earlier_signing_secret_until: function.earlier_signing.map(|e| e.until.as_micros()),
            earlier_signing_secret: None,
        }
    }
}

impl From<Source> for pb::Source {
    fn from(source: Source) -> Self {
        Self {
            meta: Some(source.meta.into()),
            kind: source.spec.kind,
            settings_json: render(&source.spec.settings),
            paused: source.paused,
            bus_uid: source.spec.bus.uid.to_string(),
            bus: source.spec.bus.name.into(),
        }
    }
}

impl From<Delivery> for pb::Delivery {
    fn from(delivery: Delivery) -> Self {
        Self {
            max_attempts: delivery.max_attempts,
            max_age_seconds: delivery.max_age_seconds,
            backoff_base_ms: delivery.backoff_base_ms,
            backoff_max_ms: delivery.backoff_max_ms,
            timeout_ms: delivery.timeout_ms,
        }
    }
}

impl From<&State> for pb::TriggerState {
    fn from(state: &State) -> Self {
        match state {
            State::Activating => Self::Activating,
            State::Active => Self::Active,
            State::Paused(_) => Self::Paused,
            State::Deleting => Self::Deleting,
        }
    }
}

impl From<Trigger> for pb::Trigger {
    fn from(trigger: Trigger) -> Self {
        let spec = trigger.spec;
        let (source_uid, source) = match spec.source {
            Some(source) => (Some(source.uid.to_string()), Some(source.name.into())),
            None => (None, None),
        };
        Self {
            meta: Some(trigger.meta.into()),
            bus: spec.bus.name.into(),
            bus_uid: spec.bus.uid.to_string(),
            source,
            source_uid,
            pattern_json: spec.pattern,
            function: spec.function.name.into(),
            function_uid: spec.function.uid.to_string(),
            delivery: Some(spec.delivery.into()),
            start: spec.start.as_str().to_owned(),
            state: pb::TriggerState::from(&trigger.state).into(),
            state_reason: trigger.state.reason().to_owned(),
            relation_uid: trigger.relation.to_string(),
            definition_revision: trigger.definition_revision,
        }
    }
}

impl From<Relation> for pb::Relation {
    fn from(relation: Relation) -> Self {
        Self {
            uid: relation.uid.to_string(),
            trigger_uid: relation.trigger.to_string(),
            subject: Some(relation.subject.into()),
            function_uid: relation.function.to_string(),
            rule_uid: relation.rule.map(|rule| rule.to_string()),
        }
    }
}

impl From<Pair> for pb::SourceTrigger {
    fn from(pair: Pair) -> Self {
        Self {
            source: Some(pair.source.into()),
            trigger: Some(pair.trigger.into()),
            relation: Some(pair.relation.into()),
        }
    }
}

impl From<PutPair> for pb::PutSourceTriggerResponse {
    fn from(put: PutPair) -> Self {
        Self { pair: Some(put.pair.into()), created: put.created, applied: put.applied }
    }
}

impl From<Deleted> for pb::Deleted {
    fn from(deleted: Deleted) -> Self {
        Self {
            kind: deleted.kind.to_owned(),
            name: deleted.name.into(),
            uid: deleted.uid.to_string(),
        }
    }
}

/// A message of the change feed: for services only, with secrets in the clear.
pub(super) fn change(change: Change) -> pb::Change {
    let (revision, deleted, resource) = match change {
        Change::Gone { revision, kind, meta } => (revision, true, gone(kind, meta)),
        Change::Is { revision, resource } => (revision, false, is(*resource)),
        Change::CaughtUp { revision } => {
            (revision, false, pb::change::Resource::CaughtUp(pb::CaughtUp {}))
        }
    };
    pb::Change { revision, deleted, resource: Some(resource) }
}

fn gone(kind: Kind, meta: Meta) -> pb::change::Resource {
    use pb::change::Resource as Out;
    let meta = Some(meta.into());
    match kind {
        Kind::Bus => Out::Bus(pb::Bus { meta, ..Default::default() }),
        Kind::Function => Out::Function(pb::Function { meta, ..Default::default() }),
        Kind::Source => Out::Source(pb::Source { meta, ..Default::default() }),
        Kind::Trigger => Out::Trigger(pb::Trigger { meta, ..Default::default() }),
    }
}

fn is(resource: Resource) -> pb::change::Resource {
    use pb::change::Resource as Out;
    match resource {
        Resource::Bus(bus) => Out::Bus(bus.into()),
        Resource::Function { mut function, secrets } => {
            let settings = function.spec.target_settings;
            function.spec.target_settings = parted::join(settings, secrets.settings);
            Out::Function(pb::Function {
                signing_secret: Some(secrets.signing),
                earlier_signing_secret: secrets.earlier_signing.map(|(secret, _)| secret),
                ..message(function)
            })
        }
        Resource::Source { mut source, secrets } => {
            source.spec.settings = source::join(source.spec.settings, secrets);
            Out::Source(source.into())
        }
        Resource::Trigger(trigger) => Out::Trigger((*trigger).into()),
    }
}
