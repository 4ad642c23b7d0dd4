//! The log itself: what callers hold.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::JoinHandle;

use futures_util::FutureExt as _;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tripline_event::Frame;
use tripline_kernel::Clock;

use super::disk::{Disk, Lock, SyncPoint};
use super::inbox::{Answer, Command, Inbox, Submission};
use super::options::{OpenError, Options};
use super::reader::Reader;
use super::recover::recover;
use super::view::View;
use super::writer::Writer;
use super::writing::Writing;
use crate::{Append, Error, EventLog, Offset, Retention, Stream};

/// Largest frame, in bytes.
pub const FRAME_BYTES_MAX: usize = 32 << 20;

/// The log of one process, in segment files on its own disk.
///
/// Offsets count the frames of a stream from 0. An append is answered once its frame is synced. Dropping the log
/// finishes what was taken, then gives up the directory.
pub struct Log {
    disk: Arc<dyn Disk>,
    shared: Arc<Shared>,
    /// There until the log is dropped.
    writer: Option<JoinHandle<()>>,
    // Declared last: the directory is free only when the writer has ended.
    _lock: Lock,
}

/// What the callers share with the writer.
pub(super) struct Shared {
    pub(super) inbox: Inbox,
    pub(super) failed: CancellationToken,
    streams: RwLock<HashMap<Stream, Arc<View>>>,
}

impl Shared {
    pub(super) fn add(&self, stream: Stream, view: Arc<View>) {
        self.streams.write().unwrap_or_else(PoisonError::into_inner).insert(stream, view);
    }

    /// Shows a stream no more. Its readers hear that nothing will come.
    pub(super) fn remove(&self, stream: Stream) {
        let mut streams = self.streams.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(view) = streams.remove(&stream) {
            view.close();
        }
    }

    fn view(&self, stream: Stream) -> Result<Arc<View>, Error> {
        let streams = self.streams.read().unwrap_or_else(PoisonError::into_inner);
        streams.get(&stream).cloned().ok_or_else(|| Error::NoStream(stream.to_string()))
    }
}

impl Log {
    /// Locks the directory, recovers what is in it and starts to write. Blocks while it reads.
    ///
    /// Reads the last segment of each stream whole, and of the others as much as is quick; a record in the rest
    /// that turns out to be bad makes its reader fail with [`Error::Corrupt`].
    ///
    /// # Errors
    /// When another process has the directory, when the disk fails, and when something that was confirmed cannot be
    /// read any more.
    pub fn open(
        options: &Options,
        disk: Arc<dyn Disk>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, OpenError> {
        let dir = options.dir.display();
        disk.make_directory().map_err(OpenError::disk(format!("make {dir}")))?;
        let lock = disk.lock().map_err(OpenError::disk(format!("lock {dir}")))?;
        let lock = lock.ok_or_else(|| OpenError::Locked { dir: options.dir.clone() })?;
        disk.sync_parents(SyncPoint::DirectoryParents)
            .map_err(OpenError::disk(format!("sync the parents of {dir}")))?;
        let shared = Arc::new(Shared {
            inbox: Inbox::default(),
            failed: CancellationToken::new(),
            streams: RwLock::default(),
        });
        let mut writer = Writer::new(options, Arc::clone(&disk), clock, Arc::clone(&shared))
            .map_err(OpenError::disk("start the threads that sync"))?;
        for recovered in recover(&*disk)? {
            writer.add(recovered.stream, Writing::recovered(recovered));
        }
        let writer = std::thread::Builder::new()
            .name("tripline-log".to_owned())
            .spawn(move || writer.run())
            .map_err(OpenError::disk("start the writer"))?;
        Ok(Self { disk, shared, writer: Some(writer), _lock: lock })
    }

    /// Cancelled when the disk has failed and the log has stopped for good. The process should then end.
    #[must_use]
    pub fn failed(&self) -> CancellationToken {
        self.shared.failed.clone()
    }

    /// Hands a command to the writer.
    fn ask(&self, command: impl FnOnce(Answer) -> Command) -> Append {
        let (answer, answered) = oneshot::channel();
        self.shared.inbox.put(command(answer));
        let gone = || Error::Unavailable("the log is closed".to_owned());
        answered.map(move |answer| answer.unwrap_or_else(|_| Err(gone()))).boxed()
    }
}

#[async_trait::async_trait]
impl EventLog for Log {
    /// A stream that is there takes over the retention, durably.
    async fn create(&self, stream: Stream, retention: Retention) -> Result<(), Error> {
        self.ask(|answer| Command::Create { stream, retention, answer }).await
    }

    async fn delete(&self, stream: Stream) -> Result<(), Error> {
        self.ask(|answer| Command::Delete { stream, answer }).await
    }

    fn append(&self, stream: Stream, frame: Frame) -> Append {
        let bytes = frame.entries().iter().map(|entry| entry.len() + 4).sum();
        let refusal = if bytes > FRAME_BYTES_MAX {
            Err(Error::TooLarge { bytes, bytes_max: FRAME_BYTES_MAX })
        } else {
            self.shared.view(stream).map(drop)
        };
        if refusal.is_err() {
            return std::future::ready(refusal).boxed();
        }
        // Encoded here and not in the writer, which everyone waits for.
        let payload = frame.encode();
        let payload_crc = crc32fast::hash(&payload);
        self.ask(|answer| {
            Command::Append(Submission { stream, frame, payload, payload_crc, answer })
        })
    }

    async fn read(&self, stream: Stream, from: Offset) -> Result<Box<dyn crate::Reader>, Error> {
        let view = self.shared.view(stream)?;
        let first = view.first();
        if from < first {
            return Err(Error::Gap { asked: from, first });
        }
        Ok(Box::new(Reader::new(Arc::clone(&self.disk), stream, view, from)))
    }

    async fn earliest(&self, stream: Stream) -> Result<Offset, Error> {
        Ok(self.shared.view(stream)?.first())
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.shared.inbox.close("the log is closed");
        if let Some(writer) = self.writer.take()
            && writer.join().is_err()
        {
            tracing::error!("the writer of the event log panicked");
        }
        for view in self.shared.streams.read().unwrap_or_else(PoisonError::into_inner).values() {
            view.close();
        }
    }
}
