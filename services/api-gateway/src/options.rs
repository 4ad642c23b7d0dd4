//! What an operator can set.

use std::ops::RangeInclusive;

use tripline_kernel::Fault;

/// The options of api-gateway.
#[derive(
    Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Threads that serve HTTP; 0 for one per core.
    pub workers: usize,
    /// Largest event, and largest body of a direct call, in bytes.
    pub event_bytes_max: usize,
    /// Largest batch of events, in bytes.
    pub batch_bytes_max: usize,
    /// Largest document of a function, source or trigger, in bytes.
    pub document_bytes_max: usize,
    /// How long a client may take to send the head of a request, in milliseconds.
    pub head_timeout_ms: u64,
    /// How long a client may take to send the body of a request, in milliseconds.
    pub body_timeout_ms: u64,
    /// How long a connection without a request is kept, in seconds.
    pub keep_alive_seconds: u64,
    /// Most connections of one worker at a time; more wait to be accepted.
    pub connections_max: usize,
    /// Most requests a second that one API key may send to one replica, publishing left out; twice as many in a burst.
    /// 0 for no limit.
    pub requests_per_second_max: u32,
    /// Most publish requests a second that one API key may send to one replica; twice as many in a burst. A batch counts
    /// once. 0 for no limit.
    pub publishes_per_second_max: u32,
    /// How long requests under way may take to end once the service is told to stop, in seconds.
    pub drain_timeout_seconds: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            workers: 0,
            event_bytes_max: 1 << 20,
            batch_bytes_max: 10 << 20,
            document_bytes_max: 256 << 10,
            head_timeout_ms: 5_000,
            body_timeout_ms: 30_000,
            keep_alive_seconds: 75,
            connections_max: 10_000,
            requests_per_second_max: 500,
            publishes_per_second_max: 50_000,
            drain_timeout_seconds: 25,
        }
    }
}

impl Options {
    const WORKERS: RangeInclusive<usize> = 0..=1024;
    const EVENT_BYTES: RangeInclusive<usize> = 1024..=8 << 20;
    const BATCH_BYTES: RangeInclusive<usize> = 1024..=64 << 20;
    const DOCUMENT_BYTES: RangeInclusive<usize> = 1024..=1 << 20;
    const TIMEOUT_MS: RangeInclusive<u64> = 100..=600_000;
    const SECONDS: RangeInclusive<u64> = 1..=3600;
    const CONNECTIONS: RangeInclusive<usize> = 1..=1_000_000;

    /// All that is wrong with the options.
    #[must_use]
    pub fn validate(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        check(&mut faults, "/workers", self.workers, &Self::WORKERS);
        check(&mut faults, "/event_bytes_max", self.event_bytes_max, &Self::EVENT_BYTES);
        check(&mut faults, "/batch_bytes_max", self.batch_bytes_max, &Self::BATCH_BYTES);
        check(&mut faults, "/document_bytes_max", self.document_bytes_max, &Self::DOCUMENT_BYTES);
        check(&mut faults, "/head_timeout_ms", self.head_timeout_ms, &Self::TIMEOUT_MS);
        check(&mut faults, "/body_timeout_ms", self.body_timeout_ms, &Self::TIMEOUT_MS);
        check(&mut faults, "/keep_alive_seconds", self.keep_alive_seconds, &Self::SECONDS);
        check(&mut faults, "/connections_max", self.connections_max, &Self::CONNECTIONS);
        check(&mut faults, "/drain_timeout_seconds", self.drain_timeout_seconds, &Self::SECONDS);
        if self.batch_bytes_max < self.event_bytes_max {
            let detail = "a batch must have room for the largest event";
            faults.push(Fault::new("/batch_bytes_max", "out-of-range", detail));
        }
        faults
    }
}

fn check<T: PartialOrd + Copy + std::fmt::Display>(
    faults: &mut Vec<Fault>,
    pointer: &str,
    value: T,
    range: &RangeInclusive<T>,
) {
    if !range.contains(&value) {
        let detail = format!("must be from {} to {}", range.start(), range.end());
        faults.push(Fault::new(pointer, "out-of-range", detail));
    }
}

#[cfg(test)]
mod tests {
    use super::Options;

    #[test]
    fn the_defaults_are_valid_and_every_fault_is_told_at_once() {
        assert_eq!(Options::default().validate(), []);
        let wrong = Options {
            event_bytes_max: 2 << 20,
            batch_bytes_max: 1 << 20,
            keep_alive_seconds: 0,
            ..Options::default()
        };
        let pointers: Vec<_> = wrong.validate().into_iter().map(|fault| fault.pointer).collect();
        assert_eq!(pointers, ["/keep_alive_seconds", "/batch_bytes_max"]);
    }
}
