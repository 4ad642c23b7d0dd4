//! Buses.

use tripline_kernel::{DEFAULT_TENANT, Name, TenantUid};

use super::{Error, NAMED_MAX, Registry};
use crate::bus::{self, Bus, Draft};
use crate::condition::Condition;
use crate::resource::Kind;
use crate::store::{self, Task};

/// What putting a bus came to.
pub(crate) struct PutBus {
    pub(crate) bus: Bus,
    pub(crate) created: bool,
    /// Whether the log has its streams as it says.
    pub(crate) applied: bool,
}

impl Registry {
    /// Creates a bus, or replaces its limits, and waits, within limits, until the log has it so.
    pub(crate) async fn put_bus(&self, draft: Draft) -> Result<PutBus, Error> {
        let mut write = self.store.write().await?;
        let found: Option<Bus> = store::named(write.db(), draft.tenant, &draft.name).await?;
        draft.condition.check(Kind::Bus, &draft.name, found.as_ref().map(|bus| &bus.meta))?;
        let meta = match &found {
            Some(bus) => bus.meta.clone(),
            None => self.new_meta(draft.tenant, draft.name.clone()),
        };
        let checked = draft.check(meta, found.as_ref());
        let mut bus = checked.map_err(|faults| Error::Invalid { kind: Kind::Bus, faults })?;
        if found.as_ref() != Some(&bus) {
            write.stamp(&mut bus.meta);
            if found.is_some() {
                write.update(&bus).await?;
            } else {
                write.insert(&bus).await?;
            }
            write.leave_task(&bus.meta, &Task::open_bus(bus.partitions, bus.retention)).await?;
            write.commit().await?;
            tracing::info!(
                bus.name = %bus.meta.name,
                bus.uid = %bus.meta.uid,
                revision = bus.meta.revision,
                "stored bus '{}'", bus.meta.name
            );
        } else {
            drop(write);
        }
        let applied = self.settle(vec![bus.meta.uid]).await;
        Ok(PutBus { bus, created: found.is_none(), applied })
    }

    /// Deletes a bus that neither a source nor a trigger uses, and waits, within limits, until the log has dropped what it
    /// held. The default bus stays.
    pub(crate) async fn delete_bus(
        &self,
        tenant: TenantUid,
        name: &Name,
        condition: Condition,
    ) -> Result<(), Error> {
        let mut write = self.store.write().await?;
        let found: Option<Bus> = store::named(write.db(), tenant, name).await?;
        let bus = found.ok_or_else(|| Error::not_found(Kind::Bus, name.as_str()))?;
        condition.check(Kind::Bus, name, Some(&bus.meta))?;
        if name.as_str() == bus::DEFAULT {
            return Err(Error::DefaultBus);
        }
        let sources = store::sources_on_bus(write.db(), tenant, bus.meta.uid, NAMED_MAX).await?;
        let triggers = store::triggers_on_bus(write.db(), tenant, bus.meta.uid, NAMED_MAX).await?;
        if !sources.is_empty() || !triggers.is_empty() {
            let sources = sources.into_iter().map(|source| (Kind::Source, source.meta.name));
            let triggers = triggers.into_iter().map(|trigger| (Kind::Trigger, trigger.meta.name));
            let users = sources.chain(triggers).collect();
            return Err(Error::BusInUse { bus: name.clone(), users });
        }
        write.remove(&bus).await?;
        let mut meta = bus.meta.clone();
        write.stamp(&mut meta);
        write.leave_task(&meta, &Task::CloseBus { partitions: bus.partitions }).await?;
        write.commit().await?;
        tracing::info!(bus.name = %name, bus.uid = %bus.meta.uid, "deleted bus '{name}'");
        self.settle(vec![bus.meta.uid]).await;
        Ok(())
    }

    /// Makes the default tenant's default bus, if this is the first start.
    pub(crate) async fn make_default_bus(&self) -> Result<(), Error> {
        let name: Name = bus::DEFAULT.parse().expect("the default bus has a valid name");
        let found: Option<Bus> = store::named(self.store.db(), DEFAULT_TENANT, &name).await?;
        if found.is_some() {
            return Ok(());
        }
        let mut write = self.store.write().await?;
        // Another replica may have been faster.
        let found: Option<Bus> = store::named(write.db(), DEFAULT_TENANT, &name).await?;
        if found.is_some() {
            return Ok(());
        }
        let mut bus = Bus::with_default_limits(self.new_meta(DEFAULT_TENANT, name));
        write.stamp(&mut bus.meta);
        write.insert(&bus).await?;
        write.leave_task(&bus.meta, &Task::open_bus(bus.partitions, bus.retention)).await?;
        write.commit().await?;
        tracing::info!(bus.uid = %bus.meta.uid, "made the bus 'default'");
        Ok(())
    }
}
