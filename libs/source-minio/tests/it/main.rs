//! The source against a real server.

mod ends;
mod gaps;
mod told;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tripline_event::Event;
use tripline_kernel::Clock as _;
use tripline_outbound::{Client, Guard, Options};
use tripline_runtime::SystemClock;
use tripline_source::{Change, Entry, Error, InMemory, Inventory, Kind as _, Outlet, Settings};
use tripline_source_minio::Kind;
use tripline_testkit::Bucket;

const DEADLINE: Duration = Duration::from_secs(20);

/// What outlives a run.
#[derive(Default)]
struct Memory {
    remembered: Mutex<BTreeMap<Vec<u8>, Bytes>>,
    inventory: InMemory,
    /// Whether the inventory is written no more.
    refuses: AtomicBool,
}

impl Memory {
    fn progress(&self) -> Value {
        let remembered = self.remembered.lock().expect("no panic");
        let progress = remembered.get(&b"progress"[..]).map(|bytes| serde_json::from_slice(bytes));
        progress.transpose().expect("JSON").unwrap_or_default()
    }

    /// Whether the inventory is complete for what is watched.
    fn is_complete(&self) -> bool {
        let progress = self.progress();
        progress["complete"].is_object() && progress["recording"].is_null()
    }

    /// Makes it look as if the inventory had been begun a moment ago and never completed.
    fn forget_completion(&self) {
        let mut progress = self.progress();
        let scope = progress["complete"].take();
        let since = SystemClock.now().as_micros() / 1_000 - 5_000;
        progress["recording"] = json!({"scope": scope, "since": since});
        let bytes = Bytes::from(progress.to_string());
        self.remembered.lock().expect("no panic").insert(b"progress".to_vec(), bytes);
    }
}

#[async_trait::async_trait]
impl Inventory for Memory {
    async fn entries(&self, after: &[u8]) -> Result<Vec<Entry>, Error> {
        self.inventory.entries(after).await
    }

    async fn find(&self, keys: &[Bytes]) -> Result<Vec<Entry>, Error> {
        self.inventory.find(keys).await
    }

    async fn write(&self, changes: &[Change]) -> Result<(), Error> {
        if self.refuses.load(Ordering::Relaxed) {
            return Err(Error::Outlet("the database is away".to_owned()));
        }
        self.inventory.write(changes).await
    }

    async fn clear(&self) -> Result<(), Error> {
        self.inventory.clear().await
    }
}

/// Keeps what it is given.
struct Kept {
    events: mpsc::Sender<Event>,
    running: watch::Sender<bool>,
    unseen: watch::Sender<String>,
    memory: Arc<Memory>,
}

#[async_trait::async_trait]
impl Outlet for Kept {
    async fn publish(&self, events: Vec<Event>) -> Result<(), Error> {
        for event in events {
            let taken = self.events.send(event).await;
            taken.map_err(|_| Error::Outlet("the test is over".to_owned()))?;
        }
        Ok(())
    }

    fn running(&self) {
        self.running.send_replace(true);
    }

    fn cannot_see(&self, what: &str) {
        self.unseen.send_replace(what.to_owned());
    }

    fn inventory(&self) -> &dyn Inventory {
        &*self.memory
    }

    async fn recall(&self, key: &[u8]) -> Result<Option<Bytes>, Error> {
        Ok(self.memory.remembered.lock().expect("no panic").get(key).cloned())
    }

    async fn remember(&self, key: &[u8], value: Bytes) -> Result<(), Error> {
        self.memory.remembered.lock().expect("no panic").insert(key.to_owned(), value);
        Ok(())
    }
}

/// A source that runs.
struct Running {
    events: mpsc::Receiver<Event>,
    running: watch::Receiver<bool>,
    unseen: watch::Receiver<String>,
    stop: CancellationToken,
    task: JoinHandle<Result<(), Error>>,
}

impl Running {
    fn start(settings: &Value) -> Self {
        Self::start_with(settings, &Arc::default())
    }

    /// Starts a run with what earlier ones have left.
    fn start_with(settings: &Value, memory: &Arc<Memory>) -> Self {
        let kind = Kind::new(loopback_client(), Arc::new(SystemClock));
        let source = kind.open(settings.as_object().expect("an object")).expect("valid settings");
        let (kept, events) = mpsc::channel(10_000);
        let (running_sender, running) = watch::channel(false);
        let (unseen_sender, unseen) = watch::channel(String::new());
        let outlet = Arc::new(Kept {
            events: kept,
            running: running_sender,
            unseen: unseen_sender,
            memory: Arc::clone(memory),
        });
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let task = tokio::spawn(async move { source.run(outlet, stopped).await });
        Self { events, running, unseen, stop, task }
    }

    /// Starts and waits until it listens.
    async fn listening(settings: &Value) -> Self {
        Self::start(settings).connected().await.expect("it connects")
    }

    /// Waits until it listens; nothing when it ends instead.
    async fn connected(mut self) -> Option<Self> {
        let running = self.running.wait_for(|running| *running);
        let connected = tokio::time::timeout(DEADLINE, running).await.expect("it decides").is_ok();
        connected.then_some(self)
    }

    /// The next event, as JSON.
    async fn next(&mut self) -> Value {
        let event = tokio::time::timeout(DEADLINE, self.events.recv()).await.expect("an event");
        serde_json::from_slice(event.expect("it lives").json()).expect("JSON")
    }

    /// Why it ended.
    async fn ended(self) -> Result<(), Error> {
        tokio::time::timeout(DEADLINE, self.task).await.expect("it ends").expect("no panic")
    }
}

/// A client that may call this machine.
fn loopback_client() -> Client {
    let options = Options { allow_cidrs: vec!["127.0.0.0/8".to_owned()], ..Options::default() };
    let guard = Guard::new(&options).expect("a valid network");
    Client::new(guard, &options)
}

fn settings(bucket: &Bucket, more: Value) -> Value {
    let mut settings = json!({
        "endpoint": bucket.endpoint(),
        "bucket": bucket.name(),
        "access_key": bucket.access_key(),
        "secret_key": bucket.secret_key(),
    });
    if let (Some(settings), Value::Object(more)) = (settings.as_object_mut(), more) {
        settings.extend::<Settings>(more);
    }
    settings
}
