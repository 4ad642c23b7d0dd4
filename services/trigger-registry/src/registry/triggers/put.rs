//! Creating and replacing triggers.

use tripline_kernel::Fault;
use tripline_runtime::Step;

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
        let mut write = self.store.write().await?;
        let (trigger, created, changed) = self.write_trigger(&mut write, draft).await?;
        if changed {
            write.commit().await?;
            self.abort.reached(Step::TriggerStored);
            told(&trigger, created);
        } else {
            drop(write);
        }
        self.in_force(trigger, created).await
    }

    /// Waits, within limits, until a trigger that was written is in force.
    pub(in crate::registry) async fn in_force(
        &self,
        trigger: Trigger,
        created: bool,
    ) -> Result<PutTrigger, Error> {
        let uid = trigger.meta.uid;
        let applied = self.settle(vec![uid]).await;
        // The relay may have made it active; what was stored stays true should this look-up fail.
        let now: Option<Trigger> =
            store::with_uid(self.store.db(), trigger.meta.tenant, uid).await.ok().flatten();
        Ok(PutTrigger { trigger: now.unwrap_or(trigger), created, applied })
    }

    /// Writes a trigger as the draft says. Answers with it, and whether it was created, and whether it was changed.
    pub(in crate::registry) async fn write_trigger(
        &self,
        write: &mut Write,
        draft: Draft,
    ) -> Result<(Trigger, bool, bool), Error> {
        let found: Option<Trigger> = store::named(write.db(), draft.tenant, &draft.name).await?;
        draft.condition.check(Kind::Trigger, &draft.name, found.as_ref().map(|t| &t.meta))?;
        let (spec, bus) = resolve(write, &draft, found.as_ref()).await?;
        let created = found.is_none();
        let trigger = match found {
            Some(trigger) if trigger.state == State::Deleting => {
                return Err(Error::Deleting(trigger.meta.name));
            }
            Some(trigger) if trigger.spec == spec => return Ok((trigger, false, false)),
            Some(trigger) => self.replace(write, trigger, spec).await?,
            None => self.create(write, draft, spec).await?,
        };
        write.keep_definition(&trigger).await?;
        let task = apply_task(write, &trigger, bus.partitions).await?;
        write.leave_task(&trigger.meta, &task).await?;
        Ok((trigger, created, true))
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
        // One relation for each binding that the trigger ever had: those of earlier definitions stay granted while it
        // lives, for what these have matched may still be waiting.
        let bound = (spec.subject(), spec.function.uid);
        let known = store::relations_of(write.db(), &before).await?;
        let known = known.into_iter().find(|known| (known.subject, known.function) == bound);
        let relation = known.as_ref().map_or_else(|| self.new_uid(), |known| known.uid);
        let mut trigger = Trigger { spec, relation, ..before };
        write.stamp(&mut trigger.meta);
        trigger.definition_revision = trigger.meta.revision;
        write.update(&trigger).await?;
        if known.is_none() {
            write.insert_relation(&relation_of(&trigger)).await?;
        }
        Ok(trigger)
    }
}

pub(in crate::registry) fn told(trigger: &Trigger, created: bool) {
    tracing::info!(
        trigger.name = %trigger.meta.name,
        trigger.uid = %trigger.meta.uid,
        revision = trigger.definition_revision,
        "{} trigger '{}'", if created { "created" } else { "replaced" }, trigger.meta.name
    );
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
    let mut relations = store::relations_of(write.db(), trigger).await?.into_iter();
    let grant = relations.find(|relation| relation.uid == trigger.relation);
    let grant = grant.filter(|relation| relation.rule.is_none());
    Ok(Task::Apply {
        bus: trigger.spec.bus.uid,
        partitions,
        grant: grant.map(|relation| Grant {
            relation: relation.uid,
            subject: relation.subject,
            function: relation.function,
        }),
        definition: trigger.spec.definition(),
    })
}

/// Looks up what the draft refers to. All that is wrong with the draft comes as one error.
pub(in crate::registry) async fn resolve(
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
