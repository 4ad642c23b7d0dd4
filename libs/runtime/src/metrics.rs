//! The metrics of a process.

use std::sync::{Arc, Mutex};

use prometheus_client::registry::Registry;

/// The metrics of a process, in which each service registers its own once. Names begin with `tripline_`.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Mutex<Registry>>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self { registry: Arc::new(Mutex::new(Registry::with_prefix("tripline"))) }
    }
}

impl Metrics {
    /// Registers metrics. Names come without the prefix and, for counters, without `_total`: both are added.
    pub fn register<T>(&self, register: impl FnOnce(&mut Registry) -> T) -> T {
        register(&mut self.registry.lock().expect("registering metrics does not panic"))
    }

    /// All metrics in the OpenMetrics text format.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = String::new();
        let registry = self.registry.lock().expect("registering metrics does not panic");
        prometheus_client::encoding::text::encode(&mut text, &registry)
            .expect("text takes what is written to it");
        text
    }
}
