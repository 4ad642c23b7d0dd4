//! Gathers single entries into frames, so that one append carries what many callers brought.
//!
//! Each stream has one task, made at its first entry. It never waits for a frame to fill: an entry that finds
//! nothing under way leaves at once. While [`PARTIAL_FRAMES_UNDER_WAY_MAX`] frames are under way, what arrives
//! gathers, and leaves when one of them is answered or when the frame is full, whichever is first.

mod lane;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::{Error, EventLog, Stream};
use lane::{Entries, Lane};

/// Most frames of one stream whose answers are awaited.
pub const FRAMES_UNDER_WAY_MAX: usize = 8;
/// With this many under way only full frames leave: one is being made durable, one waits behind it, the rest gathers.
pub const PARTIAL_FRAMES_UNDER_WAY_MAX: usize = 2;
/// Most entries of one stream that wait for a frame.
pub const ENTRIES_WAITING_MAX: usize = 8192;
/// Most bytes of one stream that wait for a frame. One larger entry waits alone.
pub const BYTES_WAITING_MAX: usize = 8 << 20;
/// How long an entry waits for a place among those before it is refused.
pub const PLACE_TIMEOUT: Duration = Duration::from_secs(2);

/// Appends single entries to a log, gathered into frames. Cheap to clone; clones share their streams' frames.
#[derive(Clone)]
pub struct Gatherer {
    lanes: Arc<Lanes>,
}

/// The streams that have been appended to.
struct Lanes {
    log: Arc<dyn EventLog>,
    tasks: TaskTracker,
    stop: CancellationToken,
    open: RwLock<HashMap<Stream, Arc<Lane>>>,
}

impl Gatherer {
    /// A gatherer that appends to `log`. Its tasks run on `tasks`; on `stop` they take no more, finish and end.
    #[must_use]
    pub fn new(log: Arc<dyn EventLog>, tasks: TaskTracker, stop: CancellationToken) -> Self {
        Self { lanes: Arc::new(Lanes { log, tasks, stop, open: RwLock::default() }) }
    }

    /// Appends one entry and returns once the frame that holds it is durable.
    ///
    /// Entries of one stream stand in the log in the order in which they found a place. A dropped call may still
    /// append its entry.
    ///
    /// # Errors
    /// What the log said to the frame; [`Error::Unavailable`] when no place became free within [`PLACE_TIMEOUT`],
    /// or after `stop`.
    pub async fn append(&self, stream: Stream, entry: Bytes) -> Result<(), Error> {
        self.submit(stream, Entries::One(Some(entry))).await
    }

    /// Appends entries, one behind the other, and returns once all of them are durable.
    ///
    /// # Errors
    /// As for [`Gatherer::append`], with the first error of any of the frames; some entries may then be in the log.
    pub async fn append_all(&self, stream: Stream, entries: Vec<Bytes>) -> Result<(), Error> {
        if entries.is_empty() {
            return Ok(());
        }
        self.submit(stream, Entries::Many(entries.into_iter())).await
    }

    async fn submit(&self, stream: Stream, entries: Entries) -> Result<(), Error> {
        let (answer, answered) = oneshot::channel();
        self.lanes.of(stream).put(entries, answer).await?;
        answered.await.unwrap_or_else(|_| Err(stopping()))
    }
}

impl Lanes {
    fn of(self: &Arc<Self>, stream: Stream) -> Arc<Lane> {
        // The map is whole at every moment, whatever panicked: each change is one insert or remove.
        let known = self.open.read().unwrap_or_else(PoisonError::into_inner).get(&stream).cloned();
        known.unwrap_or_else(|| {
            let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(open.entry(stream).or_insert_with(|| Arc::new(Lane::start(self, stream))))
        })
    }

    /// Forgets the lane of a stream that turned out not to be there, so that its task can end.
    fn retire(&self, stream: Stream) {
        self.open.write().unwrap_or_else(PoisonError::into_inner).remove(&stream);
    }
}

fn stopping() -> Error {
    Error::Unavailable("the process is stopping".to_owned())
}

#[cfg(test)]
mod tests;
