//! What one entry of a frame holds: in the log, and in a lane.

use bytes::{BufMut as _, Bytes, BytesMut};
use tripline_kernel::{Timestamp, Uid};

use crate::codec::{Corrupt, Reader, put_text};
use crate::{Event, InvocationId};

/// Who brought an event, proved by a credential. Triggers and rules go by this, never by the `source` attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// A configured source.
    Source(Uid),
    /// The holder of an API key.
    ApiKey(Uid),
}

/// Whom a rule allows to invoke a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// A configured source: the subject of a trigger that names one.
    Source(Uid),
    /// A whole bus: the subject of a trigger without a source.
    Bus(Uid),
    /// The holder of an API key, in a direct call.
    ApiKey(Uid),
}

/// An event that has been accepted: what the log keeps of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Who brought it.
    pub origin: Origin,
    /// When it was accepted. Retention counts from here.
    pub accepted_at: Timestamp,
    /// Where in which trace it is handled (W3C Trace Context).
    pub traceparent: Option<Box<str>>,
    /// The event.
    pub event: Event,
}

/// One entry of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogEntry {
    /// An event.
    Event(Accepted),
    /// A change of what the log's readers do from here on; hidden from everyone else.
    Marker(Marker),
}

/// A change that takes effect exactly at its place in the log.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Marker {
    /// The partition begins. It keeps a new partition from being empty.
    Begin,
    /// The trigger is as defined here from now on, if `revision` is above the one in force.
    Trigger {
        /// Which trigger.
        trigger: Uid,
        /// The revision of the definition, rising with each change.
        revision: u64,
        /// The whole definition; `None` when the trigger is gone.
        definition: Option<TriggerDefinition>,
    },
}

/// All that the router needs to know of a trigger.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct TriggerDefinition {
    /// Only events brought by this source, if set.
    pub source: Option<Uid>,
    /// The event pattern, as JSON text; `None` matches every event.
    pub pattern: Option<Box<str>>,
    /// The function to invoke.
    pub function: Uid,
}

/// One entry of a lane: an event that must be handed to a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneEntry {
    /// Identifies the invocation.
    pub invocation: InvocationId,
    /// Whose.
    pub tenant: Uid,
    /// The bus the event came by.
    pub bus: Uid,
    /// The trigger that matched.
    pub trigger: Uid,
    /// The revision of the trigger that matched: its policy applies.
    pub revision: u64,
    /// The function to invoke.
    pub function: Uid,
    /// In whose name: what the rule must allow.
    pub subject: Subject,
    /// The event, as it was accepted.
    pub accepted: Accepted,
}

const EVENT: u8 = 1;
const MARKER: u8 = 2;
const SOURCE: u8 = 1;
const API_KEY: u8 = 2;
const BUS: u8 = 3;

impl LogEntry {
    /// The entry as bytes.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        match self {
            Self::Event(accepted) => {
                let mut out = BytesMut::with_capacity(1 + accepted.encoded_len());
                out.put_u8(EVENT);
                accepted.encode(&mut out);
                out.freeze()
            }
            Self::Marker(marker) => {
                let mut out = vec![MARKER];
                serde_json::to_writer(&mut out, marker).expect("a marker has only text keys");
                out.into()
            }
        }
    }

    /// The entry that these bytes hold.
    ///
    /// # Errors
    /// When the bytes are not a log entry.
    pub fn decode(bytes: Bytes) -> Result<Self, Corrupt> {
        let mut reader = Reader::new(bytes, "log entry");
        match reader.u8()? {
            EVENT => Accepted::decode(reader).map(Self::Event),
            MARKER => serde_json::from_slice(&reader.rest())
                .map(Self::Marker)
                .map_err(|_| Corrupt("log entry: marker")),
            _ => reader.corrupt(),
        }
    }
}

impl Accepted {
    /// What makes another entry a copy of this one: the event's identity, and the source that brought it, if one did.
    ///
    /// Two sources that watch the same bucket bring the same event, each for its own triggers: neither is a copy.
    #[must_use]
    pub fn identity(&self) -> u128 {
        match self.origin {
            Origin::ApiKey(_) => self.event.identity(),
            Origin::Source(uid) => {
                let (source, id) = (self.event.source(), self.event.id());
                crate::invocation::digest([&uid.as_bytes()[..], source.as_bytes(), id.as_bytes()])
            }
        }
    }

    fn encoded_len(&self) -> usize {
        let event = &self.event;
        let texts = [
            self.traceparent.as_deref(),
            Some(event.id()),
            Some(event.source()),
            event.partition_key(),
        ];
        25 + texts.iter().map(|text| 2 + text.map_or(0, str::len)).sum::<usize>()
            + event.json().len()
    }

    fn encode(&self, out: &mut BytesMut) {
        let (kind, uid) = match self.origin {
            Origin::Source(uid) => (SOURCE, uid),
            Origin::ApiKey(uid) => (API_KEY, uid),
        };
        out.put_u8(kind);
        out.put_slice(uid.as_bytes());
        out.put_i64_le(self.accepted_at.as_micros());
        put_text(out, self.traceparent.as_deref().unwrap_or(""));
        put_text(out, self.event.id());
        put_text(out, self.event.source());
        put_text(out, self.event.partition_key().unwrap_or(""));
        out.put_slice(self.event.json());
    }

    fn decode(mut reader: Reader) -> Result<Self, Corrupt> {
        let origin = match reader.u8()? {
            SOURCE => Origin::Source(reader.uid()?),
            API_KEY => Origin::ApiKey(reader.uid()?),
            _ => return reader.corrupt(),
        };
        let accepted_at = reader.timestamp()?;
        let traceparent = reader.optional_text()?;
        let (id, source) = (reader.text()?, reader.text()?);
        let partition_key = reader.optional_text()?;
        let event = Event { id, source, partition_key, json: reader.rest() };
        Ok(Self { origin, accepted_at, traceparent, event })
    }
}

impl LaneEntry {
    /// The entry as bytes.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(109 + self.accepted.encoded_len());
        out.put_slice(self.invocation.as_bytes());
        for uid in [self.tenant, self.bus, self.trigger, self.function] {
            out.put_slice(uid.as_bytes());
        }
        out.put_u64_le(self.revision);
        let (kind, uid) = match self.subject {
            Subject::Source(uid) => (SOURCE, uid),
            Subject::ApiKey(uid) => (API_KEY, uid),
            Subject::Bus(uid) => (BUS, uid),
        };
        out.put_u8(kind);
        out.put_slice(uid.as_bytes());
        self.accepted.encode(&mut out);
        out.freeze()
    }

    /// The entry that these bytes hold.
    ///
    /// # Errors
    /// When the bytes are not a lane entry.
    pub fn decode(bytes: Bytes) -> Result<Self, Corrupt> {
        let mut reader = Reader::new(bytes, "lane entry");
        let invocation = InvocationId::from_bytes(reader.array()?);
        let (tenant, bus) = (reader.uid()?, reader.uid()?);
        let (trigger, function) = (reader.uid()?, reader.uid()?);
        let revision = reader.u64()?;
        let subject = match (reader.u8()?, reader.uid()?) {
            (SOURCE, uid) => Subject::Source(uid),
            (API_KEY, uid) => Subject::ApiKey(uid),
            (BUS, uid) => Subject::Bus(uid),
            _ => return reader.corrupt(),
        };
        let accepted = Accepted::decode(reader)?;
        Ok(Self { invocation, tenant, bus, trigger, revision, function, subject, accepted })
    }
}
