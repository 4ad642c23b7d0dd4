//! The buses last heard of, so that routing goes on when this process starts while the registry is down.

use std::time::Duration;

use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, Set};
use tripline_db::begin_write;

use super::entity::bus::{ActiveModel, Column, Entity, Model};
use super::{Error, Store, bytes, signed, uid, unsigned};
use crate::registry::Bus;

impl Store {
    /// The buses that were last stored.
    pub(crate) async fn buses(&self) -> Result<Vec<Bus>, Error> {
        Entity::find().all(&self.db).await?.into_iter().map(bus).collect()
    }

    /// Stores these buses and forgets all others.
    pub(crate) async fn replace_buses(&self, buses: &[Bus]) -> Result<(), Error> {
        let transaction = begin_write(&self.db).await?;
        Entity::delete_many().filter(Column::Partitions.gte(0)).exec(&transaction).await?;
        if !buses.is_empty() {
            Entity::insert_many(buses.iter().map(row)).exec_without_returning(&transaction).await?;
        }
        transaction.commit().await?;
        Ok(())
    }
}

fn row(bus: &Bus) -> ActiveModel {
    ActiveModel {
        tenant: Set(bytes(bus.tenant)),
        uid: Set(bytes(bus.uid)),
        name: Set(bus.name.clone()),
        revision: Set(signed(bus.revision)),
        partitions: Set(i32::from(bus.partitions)),
        retention_seconds: Set(signed(bus.retention.as_secs())),
        dedupe_window_seconds: Set(signed(bus.dedupe_window.as_secs())),
    }
}

fn bus(row: Model) -> Result<Bus, Error> {
    Ok(Bus {
        tenant: uid(&row.tenant, "bus")?,
        uid: uid(&row.uid, "bus")?,
        name: row.name,
        revision: unsigned(row.revision),
        partitions: u16::try_from(row.partitions).map_err(|_| Error::Damaged("bus"))?,
        retention: Duration::from_secs(unsigned(row.retention_seconds)),
        dedupe_window: Duration::from_secs(unsigned(row.dedupe_window_seconds)),
    })
}
