//! Time and randomness, as arguments.

use std::fmt;
use std::time::Duration;

/// A moment in UTC, in microseconds since 1970-01-01T00:00:00Z.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(try_from = "String", into = "String")]
pub struct Timestamp(i64);

/// Whole milliseconds of a span, at most `u64::MAX`: a log writes what has 128 bits as text.
#[must_use]
pub fn milliseconds(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// The text is not a time of RFC 3339.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a time is written as in RFC 3339, such as 2026-01-31T23:59:59Z")]
pub struct InvalidTimestamp;

impl Timestamp {
    /// The moment this many microseconds after the epoch.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since the epoch.
    #[must_use]
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down.
    #[must_use]
    pub const fn as_seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// This moment and `wait` more; stops at the end of time.
    #[must_use]
    pub fn after(self, wait: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(wait.as_micros()).unwrap_or(i64::MAX)))
    }

    /// This moment less `span`; stops at the beginning of time.
    #[must_use]
    pub fn before(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)))
    }

    /// How long after `earlier` this is; nothing when it is not after it.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl std::str::FromStr for Timestamp {
    type Err = InvalidTimestamp;

    fn from_str(text: &str) -> Result<Self, InvalidTimestamp> {
        // jiff reads more than RFC 3339 allows (other separators, offsets without minutes, zone annotations).
        let strict = text.len() >= 20
            && text.is_ascii()
            && matches!(text.as_bytes()[10], b'T' | b't')
            && matches!(text.as_bytes()[4], b'-')
            && !text.contains('[')
            && (text.ends_with(['Z', 'z']) || matches!(text.as_bytes()[text.len() - 3], b':'));
        let parsed = text.parse::<jiff::Timestamp>().map_err(|_| InvalidTimestamp)?;
        if strict { Ok(Self(parsed.as_microsecond())) } else { Err(InvalidTimestamp) }
    }
}

impl TryFrom<String> for Timestamp {
    type Error = InvalidTimestamp;

    fn try_from(text: String) -> Result<Self, InvalidTimestamp> {
        text.parse()
    }
}

impl From<Timestamp> for String {
    fn from(time: Timestamp) -> Self {
        time.to_string()
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC, with as many decimals as needed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(time) => fmt::Display::fmt(&time, f),
            Err(_) => write!(f, "{}us", self.0),
        }
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Tells the time. `tripline_runtime` has the real one; tests bring their own.
pub trait Clock: Send + Sync + 'static {
    /// Now, in UTC.
    fn now(&self) -> Timestamp;
}

/// Gives random bytes fit for secrets. `tripline_runtime` has the real one; tests bring a seeded one.
pub trait Entropy: Send + Sync + 'static {
    /// Fills `bytes` with random values.
    fn fill(&self, bytes: &mut [u8]);

    /// A draw from [0, 1), for jitter.
    fn unit(&self) -> f64 {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        // 53 bits are what an f64 can hold exactly.
        #[allow(clippy::cast_precision_loss, reason = "53 bits fit")]
        let draw = (u64::from_le_bytes(bytes) >> 11) as f64;
        draw / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::Timestamp;

    #[test]
    fn times_cross_text_unchanged_and_other_forms_are_refused() {
        let time: Timestamp = "2026-01-31T23:59:59.123456Z".parse().unwrap();
        assert_eq!(time.to_string(), "2026-01-31T23:59:59.123456Z");
        assert_eq!("2026-02-01T01:59:59.123456+02:00".parse::<Timestamp>().unwrap(), time);
        for bad in [
            "",
            "2026-01-31",
            "2026-01-31 23:59:59Z",
            "20260131T235959Z",
            "2026-01-31T23:59:59",
            "2026-01-31T23:59:59+02",
            "2026-01-31T23:59:59Z[UTC]",
            "2026-13-01T00:00:00Z",
        ] {
            assert!(bad.parse::<Timestamp>().is_err(), "{bad:?}");
        }
    }
}
