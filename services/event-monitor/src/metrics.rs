//! What event-monitor counts.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric as _};
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use tripline_bus::Stream;

use crate::store::Checkpoint;

/// The metrics of event-monitor. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Metrics {
    /// What the checkpoints of the partitions routed here count.
    checkpoints: Arc<Mutex<BTreeMap<Stream, Checkpoint>>>,
    /// Entries handed to a lane and confirmed.
    pub(crate) routed: Counter,
    /// Events left out because they were past their bus's retention.
    pub(crate) expired: Counter,
    /// Gaps met in the log.
    pub(crate) gaps: Counter,
    pub(crate) checkpoint_writes: Counter,
    /// How long lanes take to confirm a frame.
    pub(crate) lane_wait_seconds: Histogram,
    pub(crate) position: Family<Labels, Gauge>,
    pub(crate) lag_milliseconds: Family<Labels, Gauge>,
    pub(crate) source_events: Family<KindLabel, Counter>,
}

/// One partition.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Labels {
    bus: String,
    partition: u16,
}

/// One kind of source.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct KindLabel {
    pub(crate) kind: String,
}

impl From<Stream> for Labels {
    fn from(stream: Stream) -> Self {
        Self { bus: stream.bus.to_string(), partition: stream.partition }
    }
}

impl Metrics {
    /// The metrics, registered.
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            checkpoints: Arc::default(),
            routed: Counter::default(),
            expired: Counter::default(),
            gaps: Counter::default(),
            checkpoint_writes: Counter::default(),
            // From 1 ms to about 33 s.
            lane_wait_seconds: Histogram::new(exponential_buckets(0.001, 2.0, 16)),
            position: Family::default(),
            lag_milliseconds: Family::default(),
            source_events: Family::default(),
        };
        let counters = [
            ("router_entries_routed", "Lane entries confirmed", &metrics.routed),
            ("router_events_expired", "Events past retention when read", &metrics.expired),
            ("router_gaps", "Gaps met in the event log", &metrics.gaps),
            ("router_checkpoint_writes", "Checkpoints written", &metrics.checkpoint_writes),
        ];
        for (name, help, counter) in counters {
            registry.register(name, help, counter.clone());
        }
        let wait = metrics.lane_wait_seconds.clone();
        registry.register("router_lane_wait_seconds", "Time until a lane confirms a frame", wait);
        let position = metrics.position.clone();
        registry.register("router_position", "First frame that is not done with", position);
        let lag = metrics.lag_milliseconds.clone();
        let help = "Time from acceptance to routing, of the newest event";
        registry.register("router_lag_milliseconds", help, lag);
        let source_events = metrics.source_events.clone();
        registry.register("source_events", "Events brought by sources", source_events);
        registry.register_collector(Box::new(Totals(Arc::clone(&metrics.checkpoints))));
        metrics
    }

    /// The checkpoint of a partition that is routed here has moved.
    pub(crate) fn moved(&self, stream: Stream, checkpoint: Checkpoint) {
        let next = i64::try_from(checkpoint.next).unwrap_or(i64::MAX);
        self.position.get_or_create(&stream.into()).set(next);
        let mut checkpoints = self.checkpoints.lock().expect("nothing panics under this lock");
        checkpoints.insert(stream, checkpoint);
    }

    /// A partition is not routed here any more.
    pub(crate) fn left(&self, stream: Stream) {
        self.position.remove(&stream.into());
        self.lag_milliseconds.remove(&stream.into());
        let mut checkpoints = self.checkpoints.lock().expect("nothing panics under this lock");
        checkpoints.remove(&stream);
    }
}

/// The events accepted and deduplicated over the whole life of the partitions that are routed here.
struct Totals(Arc<Mutex<BTreeMap<Stream, Checkpoint>>>);

impl fmt::Debug for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Totals")
    }
}

impl Collector for Totals {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let (accepted, deduplicated) = {
            let checkpoints = self.0.lock().expect("nothing panics under this lock");
            let sum = |count: fn(&Checkpoint) -> u64| checkpoints.values().map(count).sum();
            (sum(|checkpoint| checkpoint.accepted), sum(|checkpoint| checkpoint.deduplicated))
        };
        let totals: [(&str, &str, u64); 2] = [
            ("events_accepted", "Events taken in, copies left out", accepted),
            ("events_deduplicated", "Copies of events dropped", deduplicated),
        ];
        for (name, help, total) in totals {
            let counter = ConstCounter::new(total);
            let metric = encoder.encode_descriptor(name, help, None, counter.metric_type())?;
            counter.encode(metric)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;
    use prometheus_client::registry::Registry;
    use tripline_bus::Stream;
    use tripline_kernel::Uid;

    use super::Metrics;
    use crate::store::Checkpoint;

    #[test]
    fn accepted_and_deduplicated_are_what_the_checkpoints_say() {
        let mut registry = Registry::with_prefix("tripline");
        let metrics = Metrics::register(&mut registry);
        for partition in 0..3 {
            let checkpoint = Checkpoint { accepted: 5, deduplicated: 2, ..Checkpoint::default() };
            metrics.moved(Stream { bus: Uid::NIL, partition }, checkpoint);
        }
        metrics.left(Stream { bus: Uid::NIL, partition: 2 });
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        assert!(text.contains("\ntripline_events_accepted_total 10\n"), "{text}");
        assert!(text.contains("\ntripline_events_deduplicated_total 4\n"), "{text}");
    }
}
