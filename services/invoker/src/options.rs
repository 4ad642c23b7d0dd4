//! What an operator can set, and what the process gives.

use std::sync::Arc;

use tripline_bus::WorkQueue;
use tripline_contracts::transport::{Client, Listener};
use tripline_kernel::Fault;
use tripline_signing::ServiceKey;
use tripline_target::Kind;

/// What an operator can set of the invoker.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// The invoker's own database.
    pub db: tripline_db::Options,
    /// How many lanes there are. The same in every replica and in event-monitor.
    pub lanes: u16,
    /// Whether no other replica can be alive: what earlier processes were running is then taken back at once.
    pub sole_replica: bool,
    /// How long records of succeeded and cancelled invocations are kept, in seconds.
    pub retention_seconds: u64,
    /// How long dead letters are kept, in seconds; 0 keeps them until they are deleted.
    pub dead_retention_seconds: u64,
    /// How long calls under way may go on when the service is told to stop, in seconds.
    pub drain_seconds: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            db: tripline_db::Options::default(),
            lanes: 16,
            sole_replica: false,
            retention_seconds: 7 * 86_400,
            dead_retention_seconds: 0,
            drain_seconds: 20,
        }
    }
}

/// Most lanes.
const LANES_MAX: u16 = 256;
/// Finished records are kept at least this long, so that a copy of an event meets the record of its first run.
const RETENTION_SECONDS_MIN: u64 = 3600;

impl Options {
    /// Every fault of these options.
    #[must_use]
    pub fn validate(&self) -> Vec<Fault> {
        let mut faults: Vec<_> =
            self.db.validate().into_iter().map(|fault| fault.under("/db")).collect();
        let mut wrong = |pointer: &str, detail: String| {
            faults.push(Fault::new(pointer, "out-of-range", detail));
        };
        if !(1..=LANES_MAX).contains(&self.lanes) {
            wrong("/lanes", format!("must be 1 to {LANES_MAX}"));
        }
        if self.retention_seconds < RETENTION_SECONDS_MIN {
            wrong("/retention_seconds", format!("must be at least {RETENTION_SECONDS_MIN}"));
        }
        if (1..RETENTION_SECONDS_MIN).contains(&self.dead_retention_seconds) {
            let detail = format!("must be at least {RETENTION_SECONDS_MIN}, or 0 for ever");
            wrong("/dead_retention_seconds", detail);
        }
        faults
    }
}

/// What the invoker is given by the process it runs in.
pub struct Ports {
    /// Where its gRPC service is reached.
    pub listener: Listener,
    /// Proves the calls of other services.
    pub service_key: Arc<ServiceKey>,
    /// trigger-registry.
    pub registry: Client,
    /// auth.
    pub auth: Client,
    /// What the router hands over.
    pub lanes: Arc<dyn WorkQueue>,
    /// The kinds of functions that can be called.
    pub targets: Vec<Arc<dyn Kind>>,
}

#[cfg(test)]
mod tests {
    use super::Options;

    #[test]
    fn all_faults_are_named_at_once() {
        let options = Options {
            lanes: 0,
            retention_seconds: 1,
            dead_retention_seconds: 1,
            ..Options::default()
        };
        let pointers: Vec<_> = options.validate().into_iter().map(|fault| fault.pointer).collect();
        let expected = ["/db/url", "/lanes", "/retention_seconds", "/dead_retention_seconds"];
        assert_eq!(pointers, expected);
    }
}
