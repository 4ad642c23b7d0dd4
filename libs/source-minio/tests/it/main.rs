//! The source against a real server.

mod ends;
mod told;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tripline_event::Event;
use tripline_outbound::{Client, Guard, Options};
use tripline_runtime::SystemClock;
use tripline_source::{Error, Kind as _, Outlet, Settings};
use tripline_source_minio::Kind;
use tripline_testkit::Bucket;

const DEADLINE: Duration = Duration::from_secs(20);

/// Keeps what it is given.
struct Kept {
    events: mpsc::Sender<Event>,
    running: watch::Sender<bool>,
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

    async fn recall(&self, _: &[u8]) -> Result<Option<Bytes>, Error> {
        Ok(None)
    }

    async fn remember(&self, _: &[u8], _: Bytes) -> Result<(), Error> {
        Ok(())
    }
}

/// A source that runs.
struct Running {
    events: mpsc::Receiver<Event>,
    running: watch::Receiver<bool>,
    stop: CancellationToken,
    task: JoinHandle<Result<(), Error>>,
}

impl Running {
    fn start(settings: &Value) -> Self {
        let kind = Kind::new(loopback_client(), Arc::new(SystemClock));
        let source = kind.open(settings.as_object().expect("an object")).expect("valid settings");
        let (kept, events) = mpsc::channel(10_000);
        let (running_sender, running) = watch::channel(false);
        let outlet = Arc::new(Kept { events: kept, running: running_sender });
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let task = tokio::spawn(async move { source.run(outlet, stopped).await });
        Self { events, running, stop, task }
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
