//! The metrics of the registry.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use tripline_runtime as runtime;

/// The registry's own numbers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Metrics {
    /// Tasks that the relay has not done yet.
    pub(crate) outbox_pending: Gauge,
    /// Attempts of the relay that failed.
    pub(crate) relay_failures: Counter,
}

impl Metrics {
    /// Registers the metrics, once per process.
    pub(crate) fn register(metrics: &runtime::Metrics) -> Self {
        let own = Self::default();
        metrics.register(|registry| {
            let help = "Changes that are not yet carried to auth and the event log";
            registry.register("registry_outbox_pending", help, own.outbox_pending.clone());
            let help = "Failed attempts to carry a change to auth or the event log";
            registry.register("registry_relay_failures", help, own.relay_failures.clone());
        });
        own
    }
}
