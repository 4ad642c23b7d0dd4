//! Buses.

use std::time::Duration;

use tripline_bus::{Retention, Stream};
use tripline_kernel::Uid;

use crate::resource::Meta;

/// The bus that every tenant has.
pub(crate) const DEFAULT: &str = "default";

/// A named, durable log of events in a fixed number of partitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bus {
    pub(crate) meta: Meta,
    pub(crate) partitions: u16,
    /// Per partition.
    pub(crate) retention: Retention,
    /// How long a copy of an event is recognised.
    pub(crate) dedupe_window: Duration,
}

impl Bus {
    /// A bus with the limits that the default bus has.
    pub(crate) const fn with_default_limits(meta: Meta) -> Self {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        Self {
            meta,
            partitions: 4,
            retention: Retention { time: DAY.saturating_mul(7), bytes: 1 << 30 },
            dedupe_window: Duration::from_secs(300),
        }
    }
}

/// The streams of a bus.
pub(crate) fn streams(bus: Uid, partitions: u16) -> impl Iterator<Item = Stream> + Send {
    (0..partitions).map(move |partition| Stream { bus, partition })
}
