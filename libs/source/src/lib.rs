//! The port of event sources: where events come from when they are pulled, not pushed.
//!
//! A [`Kind`] checks settings and opens a [`Source`]; event-monitor runs the source under a lease and gives it an
//! [`Outlet`]. An adapter names its one client library and nothing of Tripline but this crate, `event` and `kernel`.

mod fields;
mod inventory;
mod text;

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;
use tripline_event::Event;
use tripline_kernel::Fault;

pub use fields::Fields;
pub use inventory::{
    Change, Entry, INVENTORY_BATCH_MAX, INVENTORY_KEY_BYTES_MAX, INVENTORY_VALUE_BYTES_MAX,
    InMemory, Inventory, conformance,
};
pub use text::without_controls;

/// Settings of a source, as they stand in the API: a JSON object.
pub type Settings = Map<String, Value>;

/// One kind of source, such as `minio`.
pub trait Kind: Send + Sync + 'static {
    /// The kind's name in the API.
    fn name(&self) -> &'static str;

    /// The settings that are secrets: sealed at rest, never read back. Names of top-level string fields.
    fn secrets(&self) -> &'static [&'static str];

    /// Every fault of the settings, with pointers into them. Does no IO: an unreachable server is no fault of the settings.
    fn check(&self, settings: &Settings) -> Vec<Fault>;

    /// Opens a source with settings that have passed [`Kind::check`], secrets in the clear. Does no IO.
    ///
    /// # Errors
    /// The faults of the settings, should they have any.
    fn open(&self, settings: &Settings) -> Result<Box<dyn Source>, Vec<Fault>>;
}

/// A configured source.
#[async_trait::async_trait]
pub trait Source: Send + Sync {
    /// Brings events to `outlet` until `stop` is cancelled, or until it fails; event-monitor then runs it again, with
    /// back-off, and shows the error's reason in the source's status.
    ///
    /// Calls [`Outlet::running`] once it is connected. Gives up an upstream position (an ack, a cursor) only after
    /// [`Outlet::publish`] has answered for all events before it.
    async fn run(&self, outlet: Arc<dyn Outlet>, stop: CancellationToken) -> Result<(), Error>;
}

/// Where a source brings its events to, and keeps what it must remember.
#[async_trait::async_trait]
pub trait Outlet: Send + Sync {
    /// Puts events into the log of the source's bus. Once this has answered, they are not lost.
    ///
    /// Events with the same partition key keep their order. After an error any part of the batch may be in the log: the
    /// same events are published again, and their ids make the copies harmless.
    async fn publish(&self, events: Vec<Event>) -> Result<(), Error>;

    /// The source is connected and receives what happens from now on.
    fn running(&self);

    /// What happens at the origin and this source cannot see, in words for the user; empty when it sees everything.
    /// Shown in the status while the source runs. Said after [`Outlet::running`].
    fn cannot_see(&self, what: &str);

    /// What the source knows of its origin, kept over all its runs.
    fn inventory(&self) -> &dyn Inventory;

    /// What [`Outlet::remember`] kept under this key, by any run of this source.
    async fn recall(&self, key: &[u8]) -> Result<Option<Bytes>, Error>;

    /// Keeps a value of at most [`REMEMBERED_BYTES_MAX`] bytes under this key. Refused once the lease is lost.
    async fn remember(&self, key: &[u8], value: Bytes) -> Result<(), Error>;
}

/// The most bytes of one remembered value.
pub const REMEMBERED_BYTES_MAX: usize = 1 << 20;

/// Why a source does not run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The origin cannot be reached or does not answer as it should. Running again may help.
    #[error("{0}")]
    Unreachable(String),
    /// The origin refuses the credentials. Only new settings help.
    #[error("{0}")]
    Refused(String),
    /// What should be watched is not there, such as a missing bucket.
    #[error("{0}")]
    Missing(String),
    /// The event log or the monitor's store cannot take anything right now.
    #[error("{0}")]
    Outlet(String),
}
