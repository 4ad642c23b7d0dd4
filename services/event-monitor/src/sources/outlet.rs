//! What a running source is given: the log of its bus, a memory and an inventory.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::try_join_all;
use tripline_bus::Stream;
use tripline_event::{Accepted, Event, LogEntry, Origin};
use tripline_source::{Change, Entry, Error, Inventory, REMEMBERED_BYTES_MAX};

use super::Surroundings;
use super::status::StatusCell;
use crate::metrics::KindLabel;
use crate::registry::Source;
use crate::store::{KEY_BYTES_MAX, SourceState, Tenure};

/// What one run of a source brings its events to.
pub(super) struct Outlet {
    around: Arc<Surroundings>,
    tenure: Tenure,
    source: Arc<Source>,
    status: Arc<StatusCell>,
}

impl Outlet {
    pub(super) fn new(
        around: &Arc<Surroundings>,
        tenure: Tenure,
        source: Arc<Source>,
        status: Arc<StatusCell>,
    ) -> Self {
        Self { around: Arc::clone(around), tenure, source, status }
    }

    fn partitions(&self) -> Result<u16, Error> {
        let snapshot = self.around.snapshot.borrow();
        let bus = snapshot.buses.get(&self.source.bus);
        let bus = bus.ok_or_else(|| Error::Outlet("the source's bus is not known".to_owned()))?;
        Ok(bus.partitions.max(1))
    }
}

#[async_trait::async_trait]
impl tripline_source::Outlet for Outlet {
    async fn publish(&self, events: Vec<Event>) -> Result<(), Error> {
        if events.is_empty() {
            return Ok(());
        }
        let (partitions, count) = (self.partitions()?, events.len() as u64);
        let (accepted_at, origin) = (self.around.clock.now(), Origin::Source(self.source.uid));
        let mut entries = vec![Vec::new(); usize::from(partitions)];
        for event in events {
            let partition = usize::from(event.partition(partitions));
            let accepted = Accepted { origin, accepted_at, traceparent: None, event };
            entries[partition].push(LogEntry::Event(accepted).encode());
        }
        let bus = self.source.bus;
        let filled = (0..partitions).zip(entries).filter(|(_, entries)| !entries.is_empty());
        let appends = filled.map(|(partition, entries)| {
            self.around.gatherer.append_all(Stream { bus, partition }, entries)
        });
        try_join_all(appends).await.map_err(|error| Error::Outlet(error.to_string()))?;
        self.status.count(count, accepted_at);
        let label = KindLabel { kind: self.source.kind.clone() };
        self.around.metrics.source_events.get_or_create(&label).inc_by(count);
        Ok(())
    }

    fn running(&self) {
        self.status.enter(SourceState::Running, "");
    }

    fn cannot_see(&self, what: &str) {
        self.status.enter(SourceState::Running, what);
    }

    fn inventory(&self) -> &dyn Inventory {
        self
    }

    async fn recall(&self, key: &[u8]) -> Result<Option<Bytes>, Error> {
        let recalled = self.around.store.recall(self.tenure.unit, key).await;
        recalled.map_err(|error| Error::Outlet(error.to_string()))
    }

    async fn remember(&self, key: &[u8], value: Bytes) -> Result<(), Error> {
        if key.len() > KEY_BYTES_MAX || value.len() > REMEMBERED_BYTES_MAX {
            let detail = format!(
                "at most {REMEMBERED_BYTES_MAX} bytes can be remembered, under a key of at most {KEY_BYTES_MAX}"
            );
            return Err(Error::Outlet(detail));
        }
        let remembered = self.around.store.remember(self.tenure, key, &value).await;
        remembered.map_err(|error| Error::Outlet(error.to_string()))
    }
}

#[async_trait::async_trait]
impl Inventory for Outlet {
    async fn entries(&self, after: &[u8]) -> Result<Vec<Entry>, Error> {
        let entries = self.around.store.inventory_entries(self.tenure.unit, after).await;
        entries.map_err(|error| Error::Outlet(error.to_string()))
    }

    async fn find(&self, keys: &[Bytes]) -> Result<Vec<Entry>, Error> {
        let found = self.around.store.inventory_find(self.tenure.unit, keys).await;
        found.map_err(|error| Error::Outlet(error.to_string()))
    }

    async fn write(&self, changes: &[Change]) -> Result<(), Error> {
        Change::check(changes)?;
        let written = self.around.store.inventory_write(self.tenure, changes).await;
        written.map_err(|error| Error::Outlet(error.to_string()))
    }

    async fn clear(&self) -> Result<(), Error> {
        let cleared = self.around.store.inventory_clear(self.tenure).await;
        cleared.map_err(|error| Error::Outlet(error.to_string()))
    }
}
