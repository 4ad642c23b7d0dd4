//! An event log and a cache that do as they are told.

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tripline_bus::{Append, Error, EventLog, Offset, Reader, Retention, Stream};
use tripline_cache::SeenKeys;
use tripline_event::{Accepted, Frame, LogEntry};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Confirm,
    Refuse,
    /// Keeps appends waiting until the mode changes.
    Hold,
}

pub(crate) struct FakeLog {
    mode: watch::Sender<Mode>,
    pub(crate) holding: watch::Sender<usize>,
    entries: std::sync::Arc<Mutex<Vec<(Stream, Accepted)>>>,
}

impl Default for FakeLog {
    fn default() -> Self {
        let (mode, holding) = (watch::Sender::new(Mode::Confirm), watch::Sender::new(0));
        Self { mode, holding, entries: std::sync::Arc::default() }
    }
}

impl FakeLog {
    pub(crate) fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    /// What the log holds.
    pub(crate) fn entries(&self) -> Vec<(Stream, Accepted)> {
        self.entries.lock().unwrap().clone()
    }

    pub(crate) fn ids(&self) -> Vec<String> {
        self.entries().iter().map(|(_, accepted)| accepted.event.id().to_owned()).collect()
    }
}

#[async_trait::async_trait]
impl EventLog for FakeLog {
    async fn create(&self, _: Stream, _: Retention) -> Result<(), Error> {
        Ok(())
    }

    async fn delete(&self, _: Stream) -> Result<(), Error> {
        Ok(())
    }

    fn append(&self, stream: Stream, frame: Frame) -> Append {
        let (mut mode, holding) = (self.mode.subscribe(), self.holding.clone());
        let entries = std::sync::Arc::clone(&self.entries);
        Box::pin(async move {
            if *mode.borrow() == Mode::Hold {
                holding.send_modify(|count| *count += 1);
            }
            let mode = *mode.wait_for(|mode| *mode != Mode::Hold).await.unwrap();
            if mode == Mode::Refuse {
                return Err(Error::Unavailable("the test says so".to_owned()));
            }
            for entry in frame.into_entries() {
                let LogEntry::Event(accepted) = LogEntry::decode(entry).unwrap() else {
                    panic!("the gateway writes no markers");
                };
                entries.lock().unwrap().push((stream, accepted));
            }
            Ok(())
        })
    }

    async fn read(&self, _: Stream, _: Offset) -> Result<Box<dyn Reader>, Error> {
        unreachable!("the gateway does not read")
    }

    async fn earliest(&self, _: Stream) -> Result<Offset, Error> {
        unreachable!("the gateway does not read")
    }
}

#[derive(Default)]
pub(crate) struct FakeSeen {
    keys: Mutex<HashSet<u128>>,
    /// Whether marking never ends.
    pub(crate) stuck: AtomicBool,
}

impl FakeSeen {
    pub(crate) fn len(&self) -> usize {
        self.keys.lock().unwrap().len()
    }
}

#[async_trait::async_trait]
impl SeenKeys for FakeSeen {
    async fn seen(&self, keys: &[u128]) -> Vec<bool> {
        let known = self.keys.lock().unwrap();
        keys.iter().map(|key| known.contains(key)).collect()
    }

    async fn mark(&self, keys: &[u128], window: Duration) {
        assert_eq!(window, Duration::from_secs(300), "the window of the bus");
        if self.stuck.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        self.keys.lock().unwrap().extend(keys);
    }
}
