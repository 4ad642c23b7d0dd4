//! Buses.

use std::time::Duration;

use tripline_bus::{Retention, Stream};
use tripline_kernel::{Fault, Name, TenantUid, Uid};

use crate::condition::Condition;
use crate::function::out_of_range;
use crate::resource::Meta;

/// The bus that every tenant has.
pub(crate) const DEFAULT: &str = "default";

/// A named, durable log of events in a fixed number of partitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bus {
    pub(crate) meta: Meta,
    pub(crate) partitions: u16,
    /// Per partition.
    pub(crate) retention: Retention,
    /// How long a copy of an event is recognised.
    pub(crate) dedupe_window: Duration,
}

impl Bus {
    /// A bus with the limits that the default bus has.
    pub(crate) const fn with_default_limits(meta: Meta) -> Self {
        Self {
            meta,
            partitions: PARTITIONS_DEFAULT,
            retention: Retention {
                time: Duration::from_secs(RETENTION_SECONDS_DEFAULT),
                bytes: RETENTION_BYTES_DEFAULT,
            },
            dedupe_window: Duration::from_secs(DEDUPE_WINDOW_SECONDS_DEFAULT),
        }
    }
}

const PARTITIONS_DEFAULT: u16 = 4;
const PARTITIONS_MAX: u16 = 64;
const RETENTION_SECONDS_DEFAULT: u64 = 7 * 24 * 60 * 60;
const RETENTION_SECONDS_MIN: u64 = 60;
const RETENTION_SECONDS_MAX: u64 = 365 * 24 * 60 * 60;
const RETENTION_BYTES_DEFAULT: u64 = 1 << 30;
const RETENTION_BYTES_MIN: u64 = 1 << 20;
const RETENTION_BYTES_MAX: u64 = 1 << 40;
const DEDUPE_WINDOW_SECONDS_DEFAULT: u64 = 300;
const DEDUPE_WINDOW_SECONDS_MAX: u64 = 24 * 60 * 60;

/// A bus as it was asked for, not checked yet. What is left out is the default.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) tenant: TenantUid,
    pub(crate) name: Name,
    pub(crate) condition: Condition,
    pub(crate) partitions: Option<u32>,
    pub(crate) retention_seconds: Option<u64>,
    pub(crate) retention_bytes: Option<u64>,
    pub(crate) dedupe_window_seconds: Option<u32>,
}

impl Draft {
    /// The bus that this draft makes of `stored`, or all that is wrong with it. Partitions stay as they are: an event's
    /// key would lead to another one, and lose its order.
    pub(crate) fn check(&self, meta: Meta, stored: Option<&Bus>) -> Result<Bus, Vec<Fault>> {
        let window = self.dedupe_window_seconds.map_or(DEDUPE_WINDOW_SECONDS_DEFAULT, u64::from);
        let seconds = self.retention_seconds.unwrap_or(RETENTION_SECONDS_DEFAULT);
        let bytes = self.retention_bytes.unwrap_or(RETENTION_BYTES_DEFAULT);
        let unchanged = stored.map_or(PARTITIONS_DEFAULT, |bus| bus.partitions);
        let partitions = self.partitions.map_or(u64::from(unchanged), u64::from);
        let ranges = [
            ("/partitions", partitions, 1, PARTITIONS_MAX.into()),
            ("/retention_seconds", seconds, RETENTION_SECONDS_MIN, RETENTION_SECONDS_MAX),
            ("/retention_bytes", bytes, RETENTION_BYTES_MIN, RETENTION_BYTES_MAX),
            ("/dedupe_window_seconds", window, 1, DEDUPE_WINDOW_SECONDS_MAX),
        ];
        let check = |(pointer, value, min, max)| out_of_range(pointer, value, min, max);
        let mut faults: Vec<_> = ranges.into_iter().filter_map(check).collect();
        if let Some(bus) = stored
            && partitions != u64::from(bus.partitions)
        {
            let detail = format!("the bus was made with {} and cannot change", bus.partitions);
            faults.push(Fault::new("/partitions", "partitions-fixed", detail));
        }
        match u16::try_from(partitions) {
            Ok(partitions) if faults.is_empty() => Ok(Bus {
                meta,
                partitions,
                retention: Retention { time: Duration::from_secs(seconds), bytes },
                dedupe_window: Duration::from_secs(window),
            }),
            Ok(_) | Err(_) => Err(faults),
        }
    }
}

/// The streams of a bus.
pub(crate) fn streams(bus: Uid, partitions: u16) -> impl Iterator<Item = Stream> + Send {
    (0..partitions).map(move |partition| Stream { bus, partition })
}

#[cfg(test)]
mod tests {
    use tripline_kernel::{DEFAULT_TENANT, Timestamp, Uid};

    use super::{Bus, Draft};
    use crate::condition::Condition;
    use crate::resource::Meta;

    fn meta() -> Meta {
        Meta::new(DEFAULT_TENANT, "b".parse().unwrap(), Uid::NIL, Timestamp::from_micros(0))
    }

    fn draft() -> Draft {
        Draft {
            tenant: DEFAULT_TENANT,
            name: "b".parse().unwrap(),
            condition: Condition::default(),
            partitions: None,
            retention_seconds: None,
            retention_bytes: None,
            dedupe_window_seconds: None,
        }
    }

    fn faults(draft: &Draft, stored: Option<&Bus>) -> Vec<String> {
        let faults = draft.check(meta(), stored).err().unwrap_or_default();
        faults.into_iter().map(|fault| format!("{} {}", fault.pointer, fault.code)).collect()
    }

    #[test]
    fn what_is_left_out_is_the_default_and_each_limit_holds_at_its_edges() {
        let default = Bus::with_default_limits(meta());
        assert_eq!(draft().check(meta(), None), Ok(default));
        let edges = |partitions, seconds, bytes, window| Draft {
            partitions: Some(partitions),
            retention_seconds: Some(seconds),
            retention_bytes: Some(bytes),
            dedupe_window_seconds: Some(window),
            ..draft()
        };
        for good in [edges(1, 60, 1 << 20, 1), edges(64, 31_536_000, 1 << 40, 86_400)] {
            assert_eq!(faults(&good, None), Vec::<String>::new());
        }
        for bad in [
            edges(0, 59, (1 << 20) - 1, 0),
            edges(65, 31_536_001, (1 << 40) + 1, 86_401),
            edges(u32::MAX, u64::MAX, u64::MAX, u32::MAX),
        ] {
            let pointers =
                ["/partitions", "/retention_seconds", "/retention_bytes", "/dedupe_window_seconds"];
            let all = pointers.map(|pointer| format!("{pointer} out-of-range"));
            assert_eq!(faults(&bad, None), all);
        }
    }

    #[test]
    fn partitions_stay_as_they_were_made() {
        let stored = Bus { partitions: 7, ..Bus::with_default_limits(meta()) };
        assert_eq!(draft().check(meta(), Some(&stored)), Ok(stored.clone()));
        let more = Draft { partitions: Some(8), ..draft() };
        assert_eq!(faults(&more, Some(&stored)), ["/partitions partitions-fixed"]);
    }
}
