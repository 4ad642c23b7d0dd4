//! Creating and replacing triggers.

use tripline_kernel::Fault;

use crate::bus::Bus;
use crate::function::Function;
use crate::registry::{Error, Registry, referred};
use crate::resource::Kind;
use crate::source::Source;
use crate::store::{self, Grant, Task, Write};
use crate::trigger::{Draft, Relation, Spec, Start, State, Trigger};

/// What putting a trigger came to.
pub(crate) struct PutTrigger {
    pub(crate) trigger: Trigger,
    pub(crate) created: bool,
    /// Whether it is in force on every partition.
    pub(crate) applied: bool,
}

impl Registry {
    /// Creates a trigger, or replaces its definition, and waits, within limits, until it is in force.
    pub(crate) async fn put_trigger(&self, draft: Draft) -> Result<PutTrigger, Error> {
        let (trigger, created) = self.store_trigger(draft).await?;
        let uid = trigger.meta.uid;
        let applied = self.settle(vec![uid]).await;
        // The relay may have made it active; what was stored stays true should this look-up fail.
        let now: Option<Trigger> =
            store::with_uid(self.store.db(), trigger.meta.tenant, uid).await.ok().flatten();
        Ok(PutTrigger { trigger: now.unwrap_or(trigger), created, applied })
    }

    async fn store_trigger(&self, draft: Draft) -> Result<(Trigger, bool), Error> {
        let mut write = self.store.write().await?;
        let found: Option<Trigger> = store::named(write.db(), draft.tenant, &draft.name).await?;
        draft.condition.check(Kind::Trigger, &draft.name, found.as_ref().map(|t| &t.meta))?;
        let (spec, bus) = resolve(&write, &draft, found.as_ref()).await?;
        let created = found.is_none();
        let trigger = match found {
            Some(trigger) if trigger.state == State::Deleting => {
                return Err(Error::Deleting(trigger.meta.name));
            }
            Some(trigger) if trigger.spec == spec => return Ok((trigger, false)),
            Some(trigger) => self.replace(&mut write, trigger, spec).await?,
            None => self.create(&mut write, draft, spec).await?,
        };
        write.keep_definition(&trigger).await?;
        let task = apply_task(&write, &trigger, bus.partitions).await?;
        write.leave_task(&trigger.meta, &task).await?;
        write.commit().await?;
        tracing::info!(
            trigger.name = %trigger.meta.name,
            trigger.uid = %trigger.meta.uid,
            revision = trigger.definition_revision,
            "{} trigger '{}'", if created { "created" } else { "replaced" }, trigger.meta.name
        );
        Ok((trigger, created))
    }

    async fn create(&self, write: &mut Write, draft: Draft, spec: Spec) -> Result<Trigger, Error> {
        let mut meta = self.new_meta(draft.tenant, draft.name);
        write.stamp(&mut meta);
        let definition_revision = meta.revision;
        let relation = self.new_uid();
        let state = State::Activating;
        let trigger = Trigger { meta, spec, state, relation, definition_revision };
        write.insert(&trigger).await?;
        write.insert_relation(&relation_of(&trigger)).await?;
        Ok(trigger)
    }

    async fn replace(
        &self,
        write: &mut Write,
        before: Trigger,
        spec: Spec,
    ) -> Result<Trigger, Error> {
        let bound = |spec: &Spec| (spec.subject(), spec.function.uid);
        let rebound = bound(&before.spec) != bound(&spec);
        let relation = if rebound { self.new_uid() } else { before.relation };
        let mut trigger = Trigger { spec, relation, ..before };
        write.stamp(&mut trigger.meta);
        trigger.definition_revision = trigger.meta.revision;
        write.update(&trigger).await?;
        if rebound {
            write.insert_relation(&relation_of(&trigger)).await?;
        }
        Ok(trigger)
    }
}

/// The relation that the trigger's definition asks for.
fn relation_of(trigger: &Trigger) -> Relation {
    Relation {
        uid: trigger.relation,
        tenant: trigger.meta.tenant,
        trigger: trigger.meta.uid,
        subject: trigger.spec.subject(),
        function: trigger.spec.function.uid,
        rule: None,
    }
}

/// All that brings the trigger's definition into force, whatever earlier tasks had done or not.
async fn apply_task(write: &Write, trigger: &Trigger, partitions: u16) -> Result<Task, Error> {
    let relations = store::relations_of(write.db(), trigger).await?;
    let (current, replaced): (Vec<_>, Vec<_>) =
        relations.into_iter().partition(|relation| relation.uid == trigger.relation);
    let grant = current.into_iter().find(|relation| relation.rule.is_none());
    Ok(Task::Apply {
        bus: trigger.spec.bus.uid,
        partitions,
        grant: grant.map(|relation| Grant {
            relation: relation.uid,
            subject: relation.subject,
            function: relation.function,
        }),
        definition: trigger.spec.definition(),
        revoke: replaced.into_iter().map(|relation| relation.uid).collect(),
    })
}

/// Looks up what the draft refers to. All that is wrong with the draft comes as one error.
async fn resolve(
    write: &Write,
    draft: &Draft,
    before: Option<&Trigger>,
) -> Result<(Spec, Bus), Error> {
    let mut faults = draft.faults();
    let bus: Result<Bus, _> = referred(write, draft.tenant, &draft.bus).await?;
    let source: Result<Option<Source>, _> = match &draft.source {
        Some(source) => referred(write, draft.tenant, source).await?.map(Some),
        None => Ok(None),
    };
    let function: Result<Function, _> = referred(write, draft.tenant, &draft.function).await?;
    if let (Ok(bus), Some(before)) = (&bus, before)
        && bus.meta.uid != before.spec.bus.uid
    {
        let detail = format!("the trigger is on bus '{}' and cannot move", before.spec.bus.name);
        faults.push(Fault::new("/bus", "bus-fixed", detail));
    }
    match (bus, source, function) {
        (Ok(bus), Ok(source), Ok(function)) if faults.is_empty() => {
            let spec = Spec {
                bus: bus.meta.reference(),
                source: source.map(|source| source.meta.reference()),
                pattern: draft.pattern.clone(),
                function: function.meta.reference(),
                delivery: draft.delivery,
                start: Start::Latest,
            };
            Ok((spec, bus))
        }
        (bus, source, function) => {
            faults.extend(bus.err().into_iter().chain(source.err()).chain(function.err()));
            Err(Error::Invalid { kind: Kind::Trigger, faults })
        }
    }
}
