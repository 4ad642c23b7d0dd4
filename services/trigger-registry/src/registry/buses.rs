//! Buses.

use tripline_kernel::{DEFAULT_TENANT, Name};

use super::{Error, Registry};
use crate::bus::{self, Bus};
use crate::store::{self, Task};

impl Registry {
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
