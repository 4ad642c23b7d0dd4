//! The metrics of a process.

mod messaging;

use std::sync::{Arc, Mutex};

use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use messaging::Operations;

/// The metrics of a process, in which each service registers its own once. Names begin with `tripline_`.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Mutex<Registry>>,
    operations: Operations,
}

impl Default for Metrics {
    fn default() -> Self {
        let registry = Arc::new(Mutex::new(Registry::with_prefix("tripline")));
        Self { registry, operations: Operations::default() }
    }
}

impl Metrics {
    /// Registers metrics. Names come without the prefix and, for counters, without `_total`: both are added.
    pub fn register<T>(&self, register: impl FnOnce(&mut Registry) -> T) -> T {
        register(&mut self.registry.lock().expect("registering metrics does not panic"))
    }

    /// Shows the durations of a messaging operation, such as `publish`, as
    /// `messaging_client_operation_duration_seconds` as well: the name in OpenTelemetry's semantic conventions.
    pub fn operation(&self, name: &'static str, duration: &Histogram) {
        self.operations.add(name, duration.clone());
    }

    /// All metrics in the OpenMetrics text format.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = String::new();
        let registry = self.registry.lock().expect("registering metrics does not panic");
        let mut conventional = Registry::default();
        conventional.register_collector(Box::new(self.operations.clone()));
        encode_registry(&mut text, &registry)
            .and_then(|()| encode_registry(&mut text, &conventional))
            .and_then(|()| encode_eof(&mut text))
            .expect("text takes what is written to it");
        text
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::metrics::histogram::Histogram;

    use super::Metrics;

    #[test]
    fn operations_of_all_services_are_one_family() {
        let metrics = Metrics::default();
        assert_eq!(metrics.render(), "# EOF\n", "nothing is measured yet");
        let (publish, send) = (Histogram::new([0.1, 1.0]), Histogram::new([0.5]));
        metrics.operation("publish", &publish);
        metrics.clone().operation("send", &send);
        publish.observe(0.2);
        let text = metrics.render();
        let family = "messaging_client_operation_duration_seconds";
        assert_eq!(text.matches(&format!("# TYPE {family} histogram")).count(), 1, "{text}");
        let labels = |name| {
            format!(
                "messaging_system=\"tripline\",messaging_operation_name=\"{name}\",messaging_operation_type=\"send\""
            )
        };
        let publish = format!("{family}_count{{{}}} 1\n", labels("publish"));
        let send = format!("{family}_count{{{}}} 0\n", labels("send"));
        assert!(text.contains(&publish) && text.contains(&send), "{text}");
        assert!(text.ends_with("# EOF\n"), "{text}");
    }
}
