//! The metrics of this service.

use std::sync::Weak;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric as _};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use crate::core::Core;
use crate::store::Stats;

/// What is counted and measured. The first five are durable: they go on where the database stands.
pub(crate) struct Metrics {
    matched: Counter<u64, AtomicU64>,
    delivered: Counter<u64, AtomicU64>,
    dead: Counter<u64, AtomicU64>,
    cancelled: Counter<u64, AtomicU64>,
    pending: Gauge<i64, AtomicI64>,
    attempts: Family<Outcome, Counter>,
    pub(crate) call_seconds: Histogram,
    duplicates: Counter,
    refused: Counter,
    unreadable: Counter,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

impl Metrics {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            matched: Counter::default(),
            delivered: Counter::default(),
            dead: Counter::default(),
            cancelled: Counter::default(),
            pending: Gauge::default(),
            attempts: Family::default(),
            // From 1 ms to 65 s.
            call_seconds: Histogram::new(exponential_buckets(0.001, 2.0, 17)),
            duplicates: Counter::default(),
            refused: Counter::default(),
            unreadable: Counter::default(),
        };
        let counters = [
            ("invocations_matched", "Generations of invocations opened", &metrics.matched),
            ("invocations_delivered", "Invocations that succeeded", &metrics.delivered),
            ("invocations_dead", "Invocations that ended as dead letters", &metrics.dead),
            ("invocations_cancelled", "Invocations that were cancelled", &metrics.cancelled),
            (
                "invocations_duplicate",
                "Lane entries whose invocation was stored before",
                &metrics.duplicates,
            ),
            (
                "records_refused",
                "Records of attempts whose row another replica has taken back, or that an earlier commit had written",
                &metrics.refused,
            ),
            ("lane_entries_unreadable", "Lane entries that cannot be read", &metrics.unreadable),
        ];
        for (name, help, counter) in counters {
            registry.register(name, help, counter.clone());
        }
        let help = "Invocations that are pending or running";
        registry.register("invocations_pending", help, metrics.pending.clone());
        registry.register("attempts", "Attempts, by what they came to", metrics.attempts.clone());
        let help = "How long functions take to answer";
        registry.register("call_seconds", help, metrics.call_seconds.clone());
        metrics
    }

    /// Sets the durable numbers to what the database says.
    pub(crate) fn set(&self, stats: Stats) {
        for (counter, number) in [
            (&self.matched, stats.matched),
            (&self.delivered, stats.delivered),
            (&self.dead, stats.dead),
            (&self.cancelled, stats.cancelled),
        ] {
            counter.inner().store(u64::try_from(number).unwrap_or(0), Ordering::Relaxed);
        }
        self.pending.set(stats.open());
    }

    /// Adds what a transaction of this process has counted.
    pub(crate) fn add(&self, stats: &Stats) {
        for (counter, number) in [
            (&self.matched, stats.matched),
            (&self.delivered, stats.delivered),
            (&self.dead, stats.dead),
            (&self.cancelled, stats.cancelled),
        ] {
            counter.inc_by(u64::try_from(number).unwrap_or(0));
        }
        self.pending.inc_by(stats.open());
    }

    pub(crate) fn attempt(&self, outcome: &'static str, took: Duration) {
        self.attempts.get_or_create(&Outcome { outcome }).inc();
        self.call_seconds.observe(took.as_secs_f64());
    }

    pub(crate) fn duplicate(&self) {
        self.duplicates.inc();
    }

    pub(crate) fn refused(&self, records: usize) {
        self.refused.inc_by(records as u64);
    }

    pub(crate) fn unreadable(&self) {
        self.unreadable.inc();
    }
}

/// Tells at each scrape how many invocations wait in memory and run.
#[derive(Debug)]
pub(crate) struct Load(pub(crate) Weak<Core>);

impl Collector for Load {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let (waiting, running) = self.0.upgrade().map_or((0, 0), |core| core.dispatcher.load());
        let gauges = [
            ("invocations_waiting_in_memory", "Invocations that wait for a slot", waiting),
            ("invocations_running", "Attempts under way", running),
        ];
        for (name, help, number) in gauges {
            let gauge = ConstGauge::new(i64::try_from(number).unwrap_or(i64::MAX));
            let described = encoder.encode_descriptor(name, help, None, gauge.metric_type())?;
            gauge.encode(described)?;
        }
        Ok(())
    }
}
