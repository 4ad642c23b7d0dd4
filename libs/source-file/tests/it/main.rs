//! The source against a real folder.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tripline_event::Event;
use tripline_source::{Error, InMemory, Inventory, Kind as _, Outlet};
use tripline_source_file::Kind;

const DEADLINE: Duration = Duration::from_secs(20);

type Memory = Arc<Mutex<BTreeMap<Vec<u8>, Bytes>>>;

struct Kept {
    events: mpsc::Sender<Event>,
    running: watch::Sender<bool>,
    memory: Memory,
    inventory: InMemory,
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

    fn cannot_see(&self, _: &str) {}

    fn inventory(&self) -> &dyn Inventory {
        &self.inventory
    }

    async fn recall(&self, key: &[u8]) -> Result<Option<Bytes>, Error> {
        Ok(self.memory.lock().expect("no panic").get(key).cloned())
    }

    async fn remember(&self, key: &[u8], value: Bytes) -> Result<(), Error> {
        self.memory.lock().expect("no panic").insert(key.to_owned(), value);
        Ok(())
    }
}

struct Running {
    events: mpsc::Receiver<Event>,
    stop: CancellationToken,
    task: JoinHandle<Result<(), Error>>,
}

impl Running {
    async fn start(settings: &Value, memory: &Memory) -> Self {
        let source = Kind::new().open(settings.as_object().expect("an object"));
        let source = source.expect("valid settings");
        let (kept, events) = mpsc::channel(10_000);
        let (running_sender, mut running) = watch::channel(false);
        let memory = Arc::clone(memory);
        let outlet = Arc::new(Kept {
            events: kept,
            running: running_sender,
            memory,
            inventory: InMemory::default(),
        });
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let task = tokio::spawn(async move { source.run(outlet, stopped).await });
        let running = running.wait_for(|running| *running);
        let _ = tokio::time::timeout(DEADLINE, running).await.expect("it starts or ends");
        Self { events, stop, task }
    }

    async fn watching(folder: &Path) -> Self {
        Self::start(&json!({"path": folder}), &Memory::default()).await
    }

    async fn next(&mut self) -> Value {
        let event = tokio::time::timeout(DEADLINE, self.events.recv()).await.expect("an event");
        serde_json::from_slice(event.expect("it lives").json()).expect("JSON")
    }

    /// The kind and subject of the next event.
    async fn next_change(&mut self) -> (String, String) {
        let event = self.next().await;
        let text = |name: &str| event[name].as_str().expect("a text").to_owned();
        (text("type").trim_start_matches("dev.tripline.file.").to_owned(), text("subject"))
    }

    async fn ended(self) -> Result<(), Error> {
        tokio::time::timeout(DEADLINE, self.task).await.expect("it ends").expect("no panic")
    }

    async fn stopped(self) {
        self.stop.cancel();
        self.ended().await.expect("it was asked to");
    }
}

fn change(kind: &str, name: &str) -> (String, String) {
    (kind.to_owned(), name.to_owned())
}

#[tokio::test]
async fn a_file_is_told_when_it_is_whole_and_when_it_goes() {
    let folder = tempfile::tempdir().unwrap();
    let mut source = Running::watching(folder.path()).await;
    let path = folder.path().join("a b\n.txt");
    std::fs::write(&path, "abc").unwrap();
    let event = source.next().await;
    assert_eq!(event["type"], "dev.tripline.file.created");
    assert_eq!(event["source"], format!("file://{}", folder.path().display()));
    assert_eq!(
        (&event["subject"], &event["partitionkey"]),
        (&json!("a b%0A.txt"), &json!("a b%0A.txt"))
    );
    assert_eq!(event["data"]["path"], path.to_str().unwrap());
    assert_eq!(event["data"]["size"], 3);
    assert_eq!(event["data"]["modified"], event["time"]);
    std::fs::remove_file(&path).unwrap();
    let removed = source.next().await;
    assert_eq!(removed["type"], "dev.tripline.file.removed");
    assert_eq!(removed["data"], json!({"path": path}));
    assert_ne!(removed["id"], event["id"]);
    source.stopped().await;
}

#[tokio::test]
async fn moving_in_is_creation_and_moving_out_removal() {
    let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut source = Running::watching(folder.path()).await;
    let (inside, outside) = (folder.path().join("in"), elsewhere.path().join("out"));
    std::fs::write(&outside, "abc").unwrap();
    std::fs::rename(&outside, &inside).unwrap();
    assert_eq!(source.next_change().await, change("created", "in"));
    std::fs::rename(&inside, folder.path().join("renamed")).unwrap();
    assert_eq!(source.next_change().await, change("removed", "in"));
    assert_eq!(source.next_change().await, change("created", "renamed"));
    std::fs::rename(folder.path().join("renamed"), &outside).unwrap();
    assert_eq!(source.next_change().await, change("removed", "renamed"));
}

#[tokio::test]
async fn only_regular_files_with_the_suffix_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let settings = json!({"path": folder.path(), "suffix": ".jpg"});
    let mut source = Running::start(&settings, &Memory::default()).await;
    std::fs::write(folder.path().join("a.txt"), "").unwrap();
    std::fs::create_dir(folder.path().join("d.jpg")).unwrap();
    std::os::unix::fs::symlink("a.txt", folder.path().join("l.jpg")).unwrap();
    std::fs::write(folder.path().join("d.jpg/deep.jpg"), "").unwrap();
    std::fs::write(folder.path().join("b.jpg"), "").unwrap();
    assert_eq!(source.next_change().await, change("created", "b.jpg"));
}

#[tokio::test]
async fn what_came_while_the_source_was_away_is_told_once() {
    let folder = tempfile::tempdir().unwrap();
    let settings = json!({"path": folder.path()});
    let memory = Memory::default();
    std::fs::write(folder.path().join("before"), "").unwrap();
    let mut source = Running::start(&settings, &memory).await;
    assert_eq!(source.next_change().await, change("created", "before"));
    source.stopped().await;

    std::fs::write(folder.path().join("meanwhile"), "").unwrap();
    let mut source = Running::start(&settings, &memory).await;
    assert_eq!(source.next_change().await, change("created", "meanwhile"));
    source.stopped().await;

    let mut source = Running::start(&settings, &memory).await;
    std::fs::write(folder.path().join("after"), "").unwrap();
    assert_eq!(source.next_change().await, change("created", "after"));
}

#[tokio::test]
async fn without_its_memory_a_source_gives_the_same_ids() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a"), "abc").unwrap();
    let mut ids = Vec::new();
    for _ in 0..2 {
        let mut source = Running::watching(folder.path()).await;
        ids.push(source.next().await["id"].clone());
    }
    assert_eq!(ids[0], ids[1]);
}

#[tokio::test]
async fn more_files_than_may_wait_are_all_told() {
    let folder = tempfile::tempdir().unwrap();
    let mut source = Running::watching(folder.path()).await;
    let path = folder.path().to_owned();
    let count = 5_000;
    let writing = tokio::task::spawn_blocking(move || {
        (0..count).for_each(|n| std::fs::write(path.join(n.to_string()), "").unwrap());
    });
    let mut told = std::collections::BTreeSet::new();
    while told.len() < count {
        told.insert(source.next_change().await.1);
    }
    writing.await.unwrap();
}

#[tokio::test]
async fn a_missing_folder_is_missing_and_one_that_goes_ends_the_source() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("in");
    let source = Running::watching(&folder).await;
    let gone = format!("there is no folder '{}'", folder.display());
    assert_eq!(source.ended().await, Err(Error::Missing(gone)));

    std::fs::write(&folder, "").unwrap();
    let source = Running::watching(&folder).await;
    assert_eq!(
        source.ended().await,
        Err(Error::Missing(format!("'{}' is not a folder", folder.display())))
    );

    std::fs::remove_file(&folder).unwrap();
    std::fs::create_dir(&folder).unwrap();
    let source = Running::watching(&folder).await;
    std::fs::remove_dir(&folder).unwrap();
    assert!(matches!(source.ended().await, Err(Error::Missing(_))));
}
