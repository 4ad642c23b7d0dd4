//! Acts on functions.

use std::collections::BTreeMap;

use tripline_kernel::{Name, TenantUid, Uid};
use tripline_runtime::Step;

use super::triggers::revoke_earlier;
use super::{Error, Registry};
use crate::condition::Condition;
use crate::function::{Checked, Draft, Function};
use crate::kinds::Settings;
use crate::resource::Kind;
use crate::store;
use crate::trigger::{Relation, Trigger};

/// What putting a function came to.
pub(crate) struct NewFunction {
    pub(crate) function: Function,
    /// The signing secret, if it was made just now: shown this once.
    pub(crate) signing_secret: Option<String>,
}

/// One thing that a deletion took with it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Deleted {
    /// `function`, `trigger`, `relation` or `rule`.
    pub(crate) kind: &'static str,
    /// Its own name; for a relation that of its trigger, for a rule that of its function.
    pub(crate) name: Name,
    pub(crate) uid: Uid,
}

impl Registry {
    /// Creates a function, or replaces what its owner says of it.
    pub(crate) async fn put_function(&self, draft: Draft) -> Result<NewFunction, Error> {
        let mut write = self.store.write().await?;
        let found: Option<Function> = store::named(write.db(), draft.tenant, &draft.name).await?;
        draft.condition.check(Kind::Function, &draft.name, found.as_ref().map(|f| &f.meta))?;
        let opened = found.as_ref().and_then(|function| self.open_target(function));
        let same_kind = found.as_ref().is_some_and(|f| f.spec.target_kind == draft.target_kind);
        let stored = opened.clone().filter(|_| same_kind).unwrap_or_default();
        let Checked { spec, secrets } = draft
            .check(&self.targets, &stored)
            .map_err(|faults| Error::Invalid { kind: Kind::Function, faults })?;
        let Some(mut function) = found else {
            let mut meta = self.new_meta(draft.tenant, draft.name);
            write.stamp(&mut meta);
            let (secret, signing_sealed) = self.secrets.new_signing(meta.uid);
            let secrets_sealed = self.secrets.seal_target_settings(meta.uid, &secrets);
            let function =
                Function { meta, spec, signing_sealed, earlier_signing: None, secrets_sealed };
            write.insert(&function).await?;
            write.commit().await?;
            tracing::info!(
                function.name = %function.meta.name,
                function.uid = %function.meta.uid,
                "created function '{}'", function.meta.name
            );
            return Ok(NewFunction { function, signing_secret: Some(secret) });
        };
        if function.spec != spec || opened.as_ref() != Some(&secrets) {
            function.spec = spec;
            function.secrets_sealed =
                self.secrets.seal_target_settings(function.meta.uid, &secrets);
            write.stamp(&mut function.meta);
            write.update(&function).await?;
            write.commit().await?;
            tracing::info!(
                function.name = %function.meta.name,
                function.uid = %function.meta.uid,
                revision = function.meta.revision,
                "replaced function '{}'", function.meta.name
            );
        }
        Ok(NewFunction { function, signing_secret: None })
    }

    /// The secret settings of a function's target, unless they were sealed with another master key: new ones mend that.
    pub(super) fn open_target(&self, function: &Function) -> Option<Settings> {
        let opened = self.secrets.target_settings(function);
        let name = &function.meta.name;
        opened.inspect_err(|error| tracing::error!(function.name = %name, "{error}")).ok()
    }

    /// Deletes a function and all that hangs on it, and waits, within limits, until its triggers are out of force.
    pub(crate) async fn delete_function(
        &self,
        tenant: TenantUid,
        name: &Name,
        condition: Condition,
    ) -> Result<Vec<Deleted>, Error> {
        let mut write = self.store.write().await?;
        let found: Option<Function> = store::named(write.db(), tenant, name).await?;
        let function = found.ok_or_else(|| Error::not_found(Kind::Function, name.as_str()))?;
        condition.check(Kind::Function, name, Some(&function.meta))?;
        let mut triggers = store::using_function(write.db(), tenant, function.meta.uid).await?;
        // Before its triggers, as watchers see it: what is cancelled then says that the function is gone.
        write.remove(&function).await?;
        let mut relations = Vec::new();
        for trigger in &mut triggers {
            relations.extend(self.begin_removal(&mut write, trigger).await?);
        }
        // Triggers that invoked it once, and live on with another function.
        let mut earlier = store::relations_to(write.db(), tenant, function.meta.uid).await?;
        earlier.retain(|earlier| relations.iter().all(|going| going.uid != earlier.uid));
        revoke_earlier(&mut write, &function.meta, &earlier).await?;
        relations.extend(earlier);
        let bound: Vec<Trigger> =
            store::with_uids(write.db(), relations.iter().map(|r| r.trigger).collect()).await?;
        write.commit().await?;
        self.abort.reached(Step::FunctionDeleted);
        tracing::info!(
            function.name = %name,
            function.uid = %function.meta.uid,
            triggers = triggers.len(),
            "deleted function '{name}' and the triggers that invoked it"
        );
        let uids = triggers.iter().map(|trigger| trigger.meta.uid);
        self.settle(uids.chain([function.meta.uid]).collect()).await;
        Ok(listed(&function, &triggers, &relations, &bound))
    }
}

/// All that went with a function. `bound` are the triggers that the relations are of.
fn listed(
    function: &Function,
    triggers: &[Trigger],
    relations: &[Relation],
    bound: &[Trigger],
) -> Vec<Deleted> {
    let entry = |kind, name: &Name, uid| Deleted { kind, name: name.clone(), uid };
    let mut all = vec![entry("function", &function.meta.name, function.meta.uid)];
    all.extend(triggers.iter().map(|t| entry("trigger", &t.meta.name, t.meta.uid)));
    let mut rules = BTreeMap::new();
    for relation in relations {
        let trigger = bound.iter().find(|trigger| trigger.meta.uid == relation.trigger);
        all.extend(trigger.map(|t| entry("relation", &t.meta.name, relation.uid)));
        // A relation of an earlier definition may count under another function's rule, which may live on.
        let rule = relation.rule.filter(|_| relation.function == function.meta.uid);
        rules.extend(rule.map(|rule| (rule, entry("rule", &function.meta.name, rule))));
    }
    all.extend(rules.into_values());
    all
}
