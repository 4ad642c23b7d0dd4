//! A trigger and the source of the same name that it goes by, as one: both are written, or neither.

use tripline_kernel::{Fault, Name, TenantUid};
use tripline_runtime::Step;

use super::sources::remove_source;
use super::triggers::{PutTrigger, resolve, stored_trigger, told};
use super::{Error, Registry};
use crate::condition::Condition;
use crate::page::{Asked, Page};
use crate::resource::Kind;
use crate::source::{self, Source};
use crate::store::{self, Kept, Key, Write};
use crate::trigger::{self, Relation, State, Trigger};

/// A trigger and its source, and what binds it.
#[derive(Clone, Debug)]
pub(crate) struct Pair {
    pub(crate) source: Source,
    pub(crate) trigger: Trigger,
    pub(crate) relation: Relation,
}

/// What putting a pair came to.
pub(crate) struct PutPair {
    pub(crate) pair: Pair,
    pub(crate) created: bool,
    /// Whether the trigger is in force on every partition.
    pub(crate) applied: bool,
}

/// A pair as it was asked for. The condition of the trigger's draft holds for both.
pub(crate) struct Draft {
    pub(crate) source: source::Draft,
    pub(crate) trigger: trigger::Draft,
    pub(crate) key: Option<Key>,
}

impl Registry {
    /// Creates a pair, or replaces it, and waits, within limits, until the trigger is in force. A request with a key that
    /// came before is answered as then, and does nothing. `encode` makes an answer of what was done.
    pub(crate) async fn put_pair(
        &self,
        draft: Draft,
        encode: impl Fn(PutPair) -> Vec<u8> + Send,
    ) -> Result<Vec<u8>, Error> {
        let mut write = self.store.write().await?;
        if let Some(key) = &draft.key {
            match write.kept(key).await? {
                Some(Kept::Answer(answer)) => return Ok(answer),
                Some(Kept::OtherRequest) => return Err(Error::KeyReused),
                None => {}
            }
        }
        let source = match self.write_source(&mut write, draft.source).await {
            Ok((source, ..)) => source,
            Err(Error::Invalid { faults, .. }) => {
                return Err(all_faults(&write, faults, &draft.trigger).await?);
            }
            Err(error) => return Err(error),
        };
        let (trigger, created, _) = self.write_trigger(&mut write, draft.trigger).await?;
        let relation = relation_of(write.db(), &trigger).await?;
        let pair = Pair { source, trigger, relation };
        if let Some(key) = &draft.key {
            let put = PutPair { pair: pair.clone(), created, applied: false };
            write.keep_answer(key, encode(put)).await?;
        }
        write.commit().await?;
        self.abort.reached(Step::TriggerStored);
        told(&pair.trigger, created);
        let PutTrigger { trigger, applied, .. } = self.in_force(pair.trigger, created).await?;
        let relation = relation_of(self.store.db(), &trigger).await.unwrap_or(pair.relation);
        let pair = Pair { source: pair.source, trigger, relation };
        let answer = encode(PutPair { pair, created, applied });
        if let Some(key) = &draft.key {
            // Should this fail, a repeated request hears that the trigger is still activating, which was true.
            let amended = async {
                let write = self.store.write().await?;
                write.amend_answer(key, answer.clone()).await?;
                write.commit().await
            };
            if let Err(error) = amended.await {
                tracing::debug!(error = &error as &dyn std::error::Error, "an answer is not kept");
            }
        }
        Ok(answer)
    }

    /// The pair of this name.
    pub(crate) async fn pair(&self, tenant: TenantUid, name: &Name) -> Result<Pair, Error> {
        let trigger: Trigger = self.get(tenant, name).await?;
        let source = self.get(tenant, name).await;
        let source = source.map_err(|error| match error {
            Error::NotFound { .. } => Error::NoPair(name.clone()),
            other => other,
        })?;
        self.bound(source, trigger).await?.ok_or_else(|| Error::NoPair(name.clone()))
    }

    /// The pairs among a part of the list of sources.
    pub(crate) async fn pairs(&self, asked: &Asked) -> Result<Page<Pair>, Error> {
        let sources: Page<Source> = self.list(asked).await?;
        let mut items = Vec::with_capacity(sources.items.len());
        for source in sources.items {
            let name = source.meta.name.clone();
            let trigger = store::named(self.store.db(), asked.tenant, &name).await?;
            if let Some(trigger) = trigger {
                items.extend(self.bound(source, trigger).await?);
            }
        }
        Ok(Page { items, next_cursor: sources.next_cursor })
    }

    /// Deletes a pair, and waits, within limits, until it is out of force and gone.
    pub(crate) async fn delete_pair(
        &self,
        tenant: TenantUid,
        name: &Name,
        condition: Condition,
    ) -> Result<(), Error> {
        let mut write = self.store.write().await?;
        let mut trigger = stored_trigger(&write, tenant, name).await?;
        condition.check(Kind::Trigger, name, Some(&trigger.meta))?;
        if trigger.spec.source.as_ref().is_none_or(|source| source.name != *name) {
            return Err(Error::NoPair(name.clone()));
        }
        if trigger.state != State::Deleting {
            self.begin_removal(&mut write, &mut trigger).await?;
        }
        // Gone already when an earlier deletion still waits for its markers.
        let source = match remove_source(&mut write, tenant, name, Condition::default()).await {
            Ok(source) => Some(source),
            Err(Error::NotFound { .. }) => None,
            Err(error) => return Err(error),
        };
        write.commit().await?;
        self.abort.reached(Step::RemovalStored);
        tracing::info!(trigger.name = %name, "trigger '{name}' and its source are being deleted");
        self.settle([trigger.meta.uid].into_iter().chain(source).collect()).await;
        Ok(())
    }

    /// The pair that these two are, if the trigger goes by that source.
    async fn bound(&self, source: Source, trigger: Trigger) -> Result<Option<Pair>, Error> {
        if trigger.spec.source.as_ref().is_none_or(|goes_by| goes_by.uid != source.meta.uid) {
            return Ok(None);
        }
        let relation = relation_of(self.store.db(), &trigger).await?;
        Ok(Some(Pair { source, trigger, relation }))
    }
}

/// The faults of a source, and those that its trigger has beside them.
async fn all_faults(
    write: &Write,
    mut faults: Vec<Fault>,
    trigger: &trigger::Draft,
) -> Result<Error, Error> {
    let stored: Option<Trigger> = store::named(write.db(), trigger.tenant, &trigger.name).await?;
    let mut kind = Kind::Source;
    match resolve(write, trigger, stored.as_ref()).await {
        Err(Error::Invalid { faults: others, .. }) => {
            // The source is what was refused; what both name was found to be wrong already.
            let known = |fault: &Fault| faults.iter().any(|known| known.pointer == fault.pointer);
            let others = others.into_iter().filter(|fault| fault.pointer != "/source");
            let others: Vec<_> = others.filter(|fault| !known(fault)).collect();
            if !others.is_empty() {
                kind = Kind::Trigger;
            }
            faults.extend(others);
        }
        Ok(_) => {}
        Err(error) => return Err(error),
    }
    Ok(Error::Invalid { kind, faults })
}

/// The relation of the trigger's newest definition.
async fn relation_of(
    db: &impl sea_orm::ConnectionTrait,
    trigger: &Trigger,
) -> Result<Relation, Error> {
    let relations = store::relations_of(db, trigger).await?;
    let newest = relations.into_iter().find(|relation| relation.uid == trigger.relation);
    newest.ok_or(Error::Store(store::Error::Corrupt("relation of a trigger")))
}
