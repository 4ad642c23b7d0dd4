//! What an operator can set, and what the process gives.

use std::sync::Arc;

use tripline_bus::{EventLog, WorkQueue};
use tripline_contracts::transport::{Client, Listener};
use tripline_kernel::Fault;
use tripline_signing::ServiceKey;
use tripline_source::Kind;

use crate::router::Limits;

/// What can be set of event-monitor.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Where leases, checkpoints and what sources remember are kept.
    pub db: tripline_db::Options,
    /// How many lanes there are. Must be the same as the invoker's.
    pub lanes: u16,
    /// No other replica lives, which whoever sets this must know: leases of earlier processes are taken over at once.
    pub sole_replica: bool,
    /// Most lane entries that one partition's router holds unconfirmed. A lane that stands still stops the partition when
    /// they are used up.
    pub entries_in_flight_max: usize,
    /// Most event identities in the dedupe window of one partition, of about 80 bytes each. The oldest leave first.
    pub dedupe_identities_max: usize,
}

/// Most lanes.
const LANES_MAX: u16 = 256;

impl Default for Options {
    fn default() -> Self {
        Self {
            db: tripline_db::Options::default(),
            lanes: 16,
            sole_replica: false,
            entries_in_flight_max: 8192,
            dedupe_identities_max: 500_000,
        }
    }
}

impl Options {
    /// Every fault of the options; none when they are fine.
    #[must_use]
    pub fn validate(&self) -> Vec<Fault> {
        let mut faults: Vec<_> =
            self.db.validate().into_iter().map(|fault| fault.under("/db")).collect();
        if !(1..=LANES_MAX).contains(&self.lanes) {
            let detail = format!("must be 1 to {LANES_MAX}");
            faults.push(Fault::new("/lanes", "out-of-range", detail));
        }
        for (pointer, limit) in [
            ("/entries_in_flight_max", self.entries_in_flight_max),
            ("/dedupe_identities_max", self.dedupe_identities_max),
        ] {
            if limit == 0 {
                faults.push(Fault::new(pointer, "out-of-range", "must be at least 1"));
            }
        }
        faults
    }

    pub(crate) fn limits(&self) -> Limits {
        Limits {
            lanes: self.lanes,
            entries_max: self.entries_in_flight_max,
            dedupe_identities_max: self.dedupe_identities_max,
        }
    }
}

/// What event-monitor is given by the process it runs in.
pub struct Ports {
    /// Where its gRPC service is reached.
    pub listener: Listener,
    /// Proves the calls of other services.
    pub service_key: Arc<ServiceKey>,
    /// trigger-registry.
    pub registry: Client,
    /// The log that events are read from, and that sources' events go to.
    pub log: Arc<dyn EventLog>,
    /// The lanes to the invoker.
    pub lanes: Arc<dyn WorkQueue>,
    /// The kinds of sources that can be run.
    pub sources: Vec<Arc<dyn Kind>>,
}

#[cfg(test)]
mod tests {
    use super::{LANES_MAX, Options};

    #[test]
    fn all_faults_are_told_at_once() {
        let mut options = Options::default();
        options.db.url = "sqlite::memory:".into();
        assert_eq!(options.validate(), []);
        options.lanes = LANES_MAX;
        assert_eq!(options.validate(), []);
        options.db.url = "".into();
        options.lanes = LANES_MAX + 1;
        options.entries_in_flight_max = 0;
        options.dedupe_identities_max = 0;
        assert_eq!(options.validate().len(), 4);
    }
}
