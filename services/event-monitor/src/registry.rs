//! What event-monitor knows of the registry, and how it keeps knowing it.
//!
//! A [`Snapshot`] holds the buses and sources as last heard of. It is all that routing and sources go by, so they go on
//! while the registry is away. Buses are stored as well; sources are not, since their settings hold secrets.

pub(crate) mod control;
mod follow;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tripline_contracts::convert::{BadField, uid};
use tripline_contracts::pb;
use tripline_kernel::Uid;
use tripline_source::Settings;

pub(crate) use control::{Control, Registry};
pub(crate) use follow::Follower;

/// What the router needs to know of a bus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bus {
    pub(crate) tenant: Uid,
    pub(crate) uid: Uid,
    pub(crate) name: String,
    pub(crate) revision: u64,
    pub(crate) partitions: u16,
    pub(crate) retention: Duration,
    pub(crate) dedupe_window: Duration,
}

/// A configured source, secrets in the clear.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) tenant: Uid,
    pub(crate) uid: Uid,
    pub(crate) name: String,
    pub(crate) revision: u64,
    pub(crate) kind: String,
    pub(crate) settings: Settings,
    pub(crate) bus: Uid,
    /// It is not run.
    pub(crate) paused: bool,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The settings hold secrets.
        f.debug_struct("Source")
            .field("uid", &self.uid)
            .field("kind", &self.kind)
            .field("revision", &self.revision)
            .finish_non_exhaustive()
    }
}

/// The buses and sources as last heard of.
#[derive(Clone, Debug, Default)]
pub(crate) struct Snapshot {
    pub(crate) buses: BTreeMap<Uid, Arc<Bus>>,
    /// Nothing until the registry has told all of them once: an unknown source is not a deleted one.
    pub(crate) sources: Option<BTreeMap<Uid, Arc<Source>>>,
}

impl Snapshot {
    /// The source, where it is known.
    pub(crate) fn source(&self, uid: Uid) -> Option<&Arc<Source>> {
        self.sources.as_ref()?.get(&uid)
    }
}

impl TryFrom<pb::Bus> for Bus {
    type Error = BadField;

    fn try_from(bus: pb::Bus) -> Result<Self, BadField> {
        let meta = bus.meta.unwrap_or_default();
        Ok(Self {
            tenant: uid("bus.meta.tenant", &meta.tenant)?,
            uid: uid("bus.meta.uid", &meta.uid)?,
            name: meta.name,
            revision: meta.revision,
            partitions: u16::try_from(bus.partitions).unwrap_or(u16::MAX),
            retention: Duration::from_secs(bus.retention_seconds),
            dedupe_window: Duration::from_secs(bus.dedupe_window_seconds.into()),
        })
    }
}

impl TryFrom<pb::Source> for Source {
    type Error = BadField;

    fn try_from(source: pb::Source) -> Result<Self, BadField> {
        let meta = source.meta.unwrap_or_default();
        Ok(Self {
            tenant: uid("source.meta.tenant", &meta.tenant)?,
            uid: uid("source.meta.uid", &meta.uid)?,
            name: meta.name,
            revision: meta.revision,
            kind: source.kind,
            // Settings that are not an object fail the kind's own check, which says so in the source's status.
            settings: serde_json::from_str(&source.settings_json).unwrap_or_default(),
            bus: uid("source.bus_uid", &source.bus_uid)?,
            paused: source.paused,
        })
    }
}
