//! CloudEvents 1.0, and the frames in which they travel through the log and the lanes.
//!
//! An [`Event`] keeps the JSON text it came as: nothing on the way of an event builds a tree of it, and the
//! function receives the very bytes that were published.

mod builder;
mod codec;
mod entry;
mod event;
mod frame;
mod http_binding;
mod invocation;
mod json;

pub use builder::Builder;
pub use codec::Corrupt;
pub use entry::{Accepted, LaneEntry, LogEntry, Marker, Origin, Subject, TriggerDefinition};
pub use event::{Error, Event, limits};
pub use frame::Frame;
pub use invocation::{InvalidInvocationId, InvocationId, Occurrence};
pub use json::parse_batch;
