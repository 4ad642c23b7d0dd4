//! What the gateway counts. Labels are bounded: routes as they are declared, classes of status.

use std::collections::HashMap;
use std::sync::atomic::AtomicI64;

use actix_web::http::StatusCode;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};

/// The route label of requests that no route takes.
const NO_ROUTE: &str = "none";
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    route: &'static str,
    status: &'static str,
}

/// The gateway's metrics.
pub(crate) struct Metrics {
    /// Counters by route, then by class of status: found once, so that counting takes no lock.
    requests: HashMap<&'static str, [Counter; CLASSES.len()]>,
    unrouted: [Counter; CLASSES.len()],
    pub(crate) in_flight: Gauge<i64, AtomicI64>,
    pub(crate) publish_seconds: Histogram,
}

impl Metrics {
    /// Registers the metrics for these routes.
    pub(crate) fn register(metrics: &tripline_runtime::Metrics, routes: &[&'static str]) -> Self {
        let requests = Family::<Labels, Counter>::default();
        let in_flight = Gauge::default();
        // 0.5 ms to 4 s.
        let publish_seconds = Histogram::new(exponential_buckets(0.0005, 2.0, 14));
        metrics.register(|registry| {
            registry.register("http_requests", "Requests answered", requests.clone());
            registry.register("http_requests_in_flight", "Requests under way", in_flight.clone());
            registry.register(
                "publish_duration_seconds",
                "Time from a publish request to its answer",
                publish_seconds.clone(),
            );
        });
        metrics.operation("publish", &publish_seconds);
        let counters =
            |route| CLASSES.map(|status| requests.get_or_create_owned(&Labels { route, status }));
        Self {
            requests: routes.iter().map(|route| (*route, counters(route))).collect(),
            unrouted: counters(NO_ROUTE),
            in_flight,
            publish_seconds,
        }
    }

    /// Counts an answer.
    pub(crate) fn count(&self, route: Option<&str>, status: StatusCode) {
        let counters = route.and_then(|route| self.requests.get(route)).unwrap_or(&self.unrouted);
        let class = usize::from(status.as_u16() / 100).saturating_sub(1);
        if let Some(counter) = counters.get(class) {
            counter.inc();
        }
    }
}
