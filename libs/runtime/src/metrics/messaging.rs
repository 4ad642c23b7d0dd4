//! Durations of messaging operations, by the names of OpenTelemetry's semantic conventions.

use std::fmt;
use std::sync::{Arc, Mutex};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Unit;

const NAME: &str = "messaging_client_operation_duration";
const HELP: &str = "Duration of messaging operations";

/// An operation, with the histogram that its service observes anyway: the second name costs nothing but a scrape.
#[derive(Clone)]
struct Operation {
    name: &'static str,
    duration: Histogram,
}

/// The operations of a process. One family of metrics, whichever services share the process.
#[derive(Clone, Default)]
pub(super) struct Operations(Arc<Mutex<Vec<Operation>>>);

impl Operations {
    pub(super) fn add(&self, name: &'static str, duration: Histogram) {
        let mut operations = self.0.lock().expect("nothing panics under this lock");
        operations.retain(|known| known.name != name);
        operations.push(Operation { name, duration });
    }
}

impl fmt::Debug for Operations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Operations")
    }
}

impl Collector for Operations {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let operations = self.0.lock().expect("nothing panics under this lock").clone();
        let Some(first) = operations.first() else { return Ok(()) };
        let kind = first.duration.metric_type();
        let mut family = encoder.encode_descriptor(NAME, HELP, Some(&Unit::Seconds), kind)?;
        for Operation { name, duration } in &operations {
            // Both, publish and send, put a message where it is to go.
            let labels = [
                ("messaging_system", "tripline"),
                ("messaging_operation_name", *name),
                ("messaging_operation_type", "send"),
            ];
            duration.encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}
