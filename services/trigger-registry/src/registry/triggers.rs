//! Acts on triggers.

mod pause;
mod put;

pub(crate) use pause::Which;
pub(super) use put::{PutTrigger, resolve, told};

use std::time::Duration;

use tripline_kernel::{Name, TenantUid, Uid};
use tripline_runtime::Step;

use super::{Error, Registry};
use crate::bus::Bus;
use crate::condition::Condition;
use crate::resource::{Kind, Meta};
use crate::store::{self, Task, Write};
use crate::trigger::{Relation, State, Trigger};

/// How often a waiting answer looks by itself, for what another replica's relay has done.
const LOOK_EVERY: Duration = Duration::from_secs(1);

impl Registry {
    /// Deletes a trigger, and waits, within limits, until it is out of force and gone.
    pub(crate) async fn delete_trigger(
        &self,
        tenant: TenantUid,
        name: &Name,
        condition: Condition,
    ) -> Result<(), Error> {
        let mut write = self.store.write().await?;
        let mut trigger = stored_trigger(&write, tenant, name).await?;
        condition.check(Kind::Trigger, name, Some(&trigger.meta))?;
        if trigger.state != State::Deleting {
            self.begin_removal(&mut write, &mut trigger).await?;
            write.commit().await?;
            self.abort.reached(Step::RemovalStored);
            tracing::info!(
                trigger.name = %name,
                trigger.uid = %trigger.meta.uid,
                "trigger '{name}' is being deleted"
            );
        } else {
            drop(write);
        }
        self.settle(vec![trigger.meta.uid]).await;
        Ok(())
    }

    /// The definition that a trigger had at a revision.
    pub(crate) async fn trigger_revision(&self, uid: Uid, revision: u64) -> Result<Trigger, Error> {
        let missing = || Error::NoRevision { trigger: uid.to_string(), revision };
        let db = self.store.db();
        let definition = store::definition_at(db, uid, revision).await?;
        let (spec, relation) = definition.ok_or_else(missing)?;
        let now: Vec<Trigger> = store::with_uids(db, vec![uid]).await?;
        let now = now.into_iter().next().ok_or_else(missing)?;
        Ok(Trigger { spec, relation, definition_revision: revision, ..now })
    }

    /// Puts a trigger on its way out, and answers with the relations that go with it.
    pub(super) async fn begin_removal(
        &self,
        write: &mut Write,
        trigger: &mut Trigger,
    ) -> Result<Vec<Relation>, Error> {
        trigger.state = State::Deleting;
        write.stamp(&mut trigger.meta);
        write.update(trigger).await?;
        let relations = store::relations_of(write.db(), trigger).await?;
        let bus = bus_of(write, trigger).await?;
        let revoke = relations.iter().map(|relation| relation.uid).collect();
        let task = Task::Remove { bus: bus.meta.uid, partitions: bus.partitions, revoke };
        write.leave_task(&trigger.meta, &task).await?;
        Ok(relations)
    }

    /// Waits, within limits, until the relay has nothing left to do for these resources. False when the wait ended first.
    pub(super) async fn settle(&self, uids: Vec<Uid>) -> bool {
        let mut news = self.settled.subscribe();
        let all = async {
            for uid in uids {
                while !store::is_settled(self.store.db(), uid).await.unwrap_or(false) {
                    let _ = tokio::time::timeout(LOOK_EVERY, news.changed()).await;
                }
            }
        };
        tokio::select! {
            waited = tokio::time::timeout(self.apply_wait, all) => waited.is_ok(),
            () = self.stop.cancelled() => false,
        }
    }
}

/// Has relations of earlier definitions revoked now, since their source or function is `going`; their triggers stay.
pub(super) async fn revoke_earlier(
    write: &mut Write,
    going: &Meta,
    relations: &[Relation],
) -> Result<(), Error> {
    if relations.is_empty() {
        return Ok(());
    }
    let mut meta = going.clone();
    write.stamp(&mut meta);
    let relations = relations.iter().map(|relation| relation.uid).collect();
    Ok(write.leave_task(&meta, &Task::Revoke { relations }).await?)
}

/// The trigger of this name.
pub(super) async fn stored_trigger(
    write: &Write,
    tenant: TenantUid,
    name: &Name,
) -> Result<Trigger, Error> {
    let found = store::named(write.db(), tenant, name).await?;
    found.ok_or_else(|| Error::not_found(Kind::Trigger, name.as_str()))
}

/// The bus that a trigger is on.
async fn bus_of(write: &Write, trigger: &Trigger) -> Result<Bus, Error> {
    let found = store::with_uid(write.db(), trigger.meta.tenant, trigger.spec.bus.uid).await?;
    found.ok_or(Error::Store(store::Error::Corrupt("bus of a trigger")))
}
