//! The CloudEvent.

use std::borrow::Cow;
use std::hash::Hasher as _;

use bytes::Bytes;
use tripline_kernel::{Classify, ErrorKind, Fault};
use twox_hash::XxHash3_64;

/// What an event may measure. CloudEvents sets no limits of its own.
pub mod limits {
    /// Longest `id`, in bytes.
    pub const ID_BYTES_MAX: usize = 1024;
    /// Longest `source`, `type` or `partitionkey`, in bytes.
    pub const ATTRIBUTE_BYTES_MAX: usize = 2048;
    /// Most attributes of one event, extensions included.
    pub const ATTRIBUTES_MAX: usize = 64;
    /// Most events in one batch.
    pub const BATCH_EVENTS_MAX: usize = 10_000;
}

/// A valid CloudEvent of specification version 1.0, in the JSON event format.
#[derive(Clone, PartialEq, Eq)]
pub struct Event {
    pub(crate) json: Bytes,
    pub(crate) id: Box<str>,
    pub(crate) source: Box<str>,
    pub(crate) partition_key: Option<Box<str>>,
}

impl Event {
    /// Reads a structured-mode event (CloudEvents JSON format 1.0.2, section 2). The text is kept as it is.
    ///
    /// # Errors
    /// [`Error::Malformed`] when it is not JSON, [`Error::Invalid`] with every fault when it is not a CloudEvent.
    pub fn from_json(json: Bytes) -> Result<Self, Error> {
        crate::json::parse(json)
    }

    /// The event in the JSON event format, as it was published.
    #[must_use]
    pub fn json(&self) -> &Bytes {
        &self.json
    }

    /// The `id` attribute: with `source`, the identity of the event.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The `source` attribute. Anyone can write it; see [`crate::Origin`] for who really brought the event.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The `partitionkey` extension (CloudEvents partitioning extension), where there is one.
    #[must_use]
    pub fn partition_key(&self) -> Option<&str> {
        self.partition_key.as_deref()
    }

    /// The `traceparent` extension (CloudEvents distributed tracing extension), as it stands there, where there is one.
    /// Looks through the text each time.
    #[must_use]
    pub fn traceparent(&self) -> Option<String> {
        #[derive(serde::Deserialize)]
        struct Traced {
            traceparent: String,
        }
        let text = std::str::from_utf8(&self.json).ok()?;
        // Few events have one, and to look for the name costs far less than to read the text.
        let named = text.contains("\"traceparent\"");
        named
            .then(|| serde_json::from_str(text).ok())
            .flatten()
            .map(|Traced { traceparent }| traceparent)
    }

    /// The hash by which events are spread: XXH3-64 of the partition key, else of source and id, length-prefixed.
    #[must_use]
    pub fn key_hash(&self) -> u64 {
        if let Some(key) = &self.partition_key {
            return XxHash3_64::oneshot(key.as_bytes());
        }
        let mut hasher = XxHash3_64::new();
        for part in [&self.source, &self.id] {
            hasher.write(&(part.len() as u64).to_le_bytes());
            hasher.write(part.as_bytes());
        }
        hasher.finish()
    }

    /// The partition of a bus with `partitions` partitions that this event belongs to.
    #[must_use]
    pub fn partition(&self, partitions: u16) -> u16 {
        u16::try_from(self.key_hash() % u64::from(partitions.max(1))).unwrap_or(0)
    }

    /// The identity (`source`, `id`) as a 128-bit hash, for sets of what has been seen.
    #[must_use]
    pub fn identity(&self) -> u128 {
        crate::invocation::digest([self.source.as_bytes(), self.id.as_bytes()])
    }
}

impl std::fmt::Debug for Event {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The data may hold secrets of whoever published it.
        f.debug_struct("Event")
            .field("source", &self.source)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// Why something is not a CloudEvent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The text is not JSON.
    #[error("not JSON: {0}")]
    Malformed(String),
    /// JSON, but not a CloudEvent. Holds every fault found.
    #[error("not a valid CloudEvent: {}", list(.0))]
    Invalid(Vec<Fault>),
    /// More than a named limit.
    #[error("{0}")]
    TooLarge(String),
}

fn list(faults: &[Fault]) -> String {
    let details: Vec<_> = faults.iter().map(|fault| fault.detail.as_str()).collect();
    details.join("; ")
}

impl Classify for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Malformed(_) => ErrorKind::Malformed,
            Self::Invalid(_) => ErrorKind::Invalid,
            Self::TooLarge(_) => ErrorKind::TooLarge,
        }
    }

    fn code(&self) -> Cow<'static, str> {
        match self {
            Self::Malformed(_) => "malformed-json",
            Self::Invalid(_) => "invalid-event",
            Self::TooLarge(_) => "body-too-large",
        }
        .into()
    }

    fn faults(&self) -> &[Fault] {
        match self {
            Self::Invalid(faults) => faults,
            Self::Malformed(_) | Self::TooLarge(_) => &[],
        }
    }
}
