//! What happens while nobody listens is told afterwards, and under the same ids.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::{Value, json};
use tripline_source::Error;
use tripline_testkit::{Bucket, ChaosProxy, Minio, minio, wait_for, wait_until};

use crate::{DEADLINE, Memory, Running, settings};

/// Everything that happens to content.
fn all() -> Value {
    json!({"events": ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]})
}

/// An event as type, key and id.
type Told = (String, String, String);

impl Running {
    /// What it tells, up to the event of this key, which is not part of it.
    async fn until(&mut self, key: &str) -> Vec<Told> {
        let mut told = Vec::new();
        loop {
            let event = self.next().await;
            let text = |name: &str| event[name].as_str().expect("a text").to_owned();
            let kind = text("type").rsplit('.').next().expect("a part").to_owned();
            if text("subject") == key {
                return told;
            }
            told.push((kind, text("subject"), text("id")));
        }
    }

    /// Waits until it has looked through the bucket.
    async fn looked_through(self, memory: &Memory) -> Self {
        wait_until(DEADLINE, async || memory.is_complete()).await.expect("it is done soon");
        self
    }

    async fn stopped(self) {
        self.stop.cancel();
        self.ended().await.expect("it ends well");
    }
}

fn ids(told: &[Told]) -> BTreeSet<&str> {
    told.iter().map(|(_, _, id)| id.as_str()).collect()
}

/// A source that has recorded what is there, and was stopped.
async fn recorded(settings: &Value) -> Arc<Memory> {
    let memory = Arc::default();
    let source = Running::start_with(settings, &memory).connected().await.expect("it connects");
    source.looked_through(&memory).await.stopped().await;
    memory
}

#[tokio::test]
async fn what_was_there_before_the_source_is_not_told() {
    let bucket = minio().await.bucket().await.unwrap();
    bucket.put("before", "").await.unwrap();
    let settings = settings(&bucket, all());
    let memory = recorded(&settings).await;
    assert_eq!(memory.inventory.all().len(), 1);
    let mut source = Running::start_with(&settings, &memory).connected().await.unwrap();
    bucket.put("end", "").await.unwrap();
    assert_eq!(source.until("end").await, []);
}

#[tokio::test]
async fn what_a_first_run_could_not_record_any_more_is_told_if_it_is_newer() {
    let bucket = minio().await.bucket().await.unwrap();
    let settings = settings(&bucket, all());
    let memory = recorded(&settings).await;
    bucket.put("in the gap", "").await.unwrap();
    // As if the first run had ended before its look was done.
    memory.forget_completion();
    let mut source = Running::start_with(&settings, &memory).connected().await.unwrap();
    assert_eq!(source.next().await["subject"], "in the gap");
}

/// Another source hears the same changes live: both must give them the same ids.
#[tokio::test]
async fn every_net_change_of_a_gap_is_told_once_with_the_id_that_it_has_live() {
    let bucket = minio().await.bucket().await.unwrap();
    let long = format!("{0}/{0}/{0}/{0}", "n".repeat(249));
    let odd = ["a b", "a+b%2Bc", "a\u{1}\n", "é/🚀", "\"<&>'", "folder/", " ", &long];
    for key in odd {
        bucket.put(key, "").await.unwrap();
    }
    for n in 0..50 {
        bucket.put(&format!("old-{n:02}"), "old").await.unwrap();
    }
    let settings = settings(&bucket, all());
    let memory = recorded(&settings).await;
    let witness_memory = Arc::default();
    let mut witness = Running::start_with(&settings, &witness_memory).connected().await.unwrap();
    witness = witness.looked_through(&witness_memory).await;

    for key in odd {
        bucket.remove(key).await.unwrap();
    }
    for n in 0..30 {
        bucket.put(&format!("new-{n:02}"), "new").await.unwrap();
        bucket.put(&format!("ö/+ {n:02}"), "new").await.unwrap();
    }
    for n in 0..10 {
        bucket.put(&format!("old-{n:02}"), "overwritten").await.unwrap();
    }
    let removed: Vec<_> = (20..50).map(|n| format!("old-{n:02}")).collect();
    bucket.remove_all(&removed).await.unwrap();

    let mut source = Running::start_with(&settings, &memory).connected().await.unwrap();
    let mut told = Vec::new();
    while told.len() < 8 + 60 + 10 + 30 {
        let event = source.next().await;
        told.push(event["id"].as_str().unwrap().to_owned());
    }
    bucket.put("end", "").await.unwrap();
    assert_eq!(source.until("end").await, [], "nothing more");
    let heard = witness.until("end").await;
    let told: BTreeSet<_> = told.iter().map(String::as_str).collect();
    assert_eq!(told, ids(&heard), "each once, and the same");
    source.stopped().await;

    let mut again = Running::start_with(&settings, &memory).connected().await.unwrap();
    bucket.put("end again", "").await.unwrap();
    assert_eq!(again.until("end again").await, [], "what was told is known");
    assert!(again.unseen.borrow().contains("keeps no versions"));
}

#[tokio::test]
async fn with_versions_every_change_of_a_gap_is_told() {
    let bucket = minio().await.bucket().await.unwrap();
    bucket.keep_versions().await.unwrap();
    for key in ["kept", "removed", "version removed", "marked before"] {
        bucket.put(key, "1").await.unwrap();
    }
    bucket.remove("marked before").await.unwrap();
    let settings = settings(&bucket, all());
    let memory = recorded(&settings).await;
    let witness_memory = Arc::default();
    let mut witness = Running::start_with(&settings, &witness_memory).connected().await.unwrap();
    witness = witness.looked_through(&witness_memory).await;

    for body in ["2", "3", "4"] {
        bucket.put("kept", body).await.unwrap();
        bucket.put("new", body).await.unwrap();
    }
    for key in ["removed", "new"] {
        bucket.remove(key).await.unwrap();
    }
    bucket.put("new", "5").await.unwrap();
    bucket.remove_all(&["kept".to_owned()]).await.unwrap();
    for version in bucket.versions().await.unwrap() {
        let marker = version.key == "marked before" && version.delete_marker;
        if version.key == "version removed" || marker {
            bucket.remove_version(&version.key, &version.id).await.unwrap();
        }
    }

    let mut source = Running::start_with(&settings, &memory).connected().await.unwrap();
    // Seven writes, three delete markers, two removals for good.
    let mut told = Vec::new();
    while told.len() < 12 {
        let event = source.next().await;
        let text = |name: &str| event[name].as_str().unwrap().to_owned();
        told.push((text("type"), text("subject"), text("id")));
    }
    bucket.put("end", "").await.unwrap();
    assert_eq!(source.until("end").await, [], "nothing more");
    assert_eq!(ids(&told), ids(&witness.until("end").await), "each once, and the same");
    let of_new: Vec<_> = told.iter().filter(|(_, key, _)| key == "new").collect();
    assert!(of_new[3].0.ends_with("DeleteMarkerCreated"), "in the order in which they were made");
    assert!(!source.unseen.borrow().contains("keeps no versions"));
}

#[tokio::test]
async fn a_restart_of_the_server_hides_nothing() {
    let mut server = Minio::start().await.unwrap();
    let ready = async || server.bucket().await.ok();
    let bucket = wait_for(DEADLINE, ready).await.expect("it is ready soon");
    let settings = settings(&bucket, all());
    let memory = recorded(&settings).await;
    let source = Running::start_with(&settings, &memory).connected().await.unwrap();
    server.kill().await.unwrap();
    assert!(matches!(source.ended().await, Err(Error::Unreachable(_))));
    server.restart().await.unwrap();
    wait_until(DEADLINE, async || bucket.put("before it listens again", "").await.is_ok())
        .await
        .unwrap();
    let again = async || Running::start_with(&settings, &memory).connected().await;
    let mut source = wait_for(DEADLINE, again).await.unwrap();
    assert_eq!(source.next().await["subject"], "before it listens again");
    bucket.put("end", "").await.unwrap();
    assert_eq!(source.until("end").await, []);
}

#[tokio::test]
async fn a_cut_wire_hides_nothing() {
    let bucket = minio().await.bucket().await.unwrap();
    let proxy = ChaosProxy::start(address(&bucket)).unwrap();
    let through =
        json!({"endpoint": format!("http://{}", proxy.addr()), "events": all()["events"]});
    let settings = settings(&bucket, through);
    let memory = recorded(&settings).await;
    let mut told = Vec::new();
    for cut in 0..4 {
        let mut source = Running::start_with(&settings, &memory).connected().await.unwrap();
        for n in 0..20 {
            bucket.put(&format!("{cut}-{n:02}"), "").await.unwrap();
            if n == 7 {
                proxy.refuse();
            }
        }
        for n in 0..5 {
            bucket.remove(&format!("{cut}-{n:02}")).await.unwrap();
        }
        while let Some(event) = source.events.recv().await {
            told.push(event);
        }
        assert!(matches!(source.ended().await, Err(Error::Unreachable(_))));
        proxy.heal();
    }
    let mut source = Running::start_with(&settings, &memory).connected().await.unwrap();
    bucket.put("end", "").await.unwrap();
    let changes = |event: &tripline_event::Event| {
        let event: Value = serde_json::from_slice(event.json()).unwrap();
        let text = |name: &str| event[name].as_str().unwrap().to_owned();
        (text("type"), text("subject"))
    };
    // What the last cut hid is found by looking, which may end before or after the stream tells of "end".
    let is_left = |told: &[tripline_event::Event]| {
        let pairs: BTreeSet<_> = told.iter().map(changes).collect();
        let of = |name: &str, key: &str| (format!("com.amazonaws.s3.Object{name}"), key.to_owned());
        let has = |name: &str, key: &str| pairs.contains(&of(name, key));
        let untold = |n: usize, key: &str| match has("Created:Put", key) {
            true => n < 5 && !has("Removed:Delete", key),
            false => n >= 5,
        };
        !has("Created:Put", "end")
            || (0..20).any(|n| (0..4).any(|cut| untold(n, &format!("{cut}-{n:02}"))))
    };
    while is_left(&told) {
        let next = tokio::time::timeout(DEADLINE, source.events.recv()).await.unwrap();
        told.push(next.unwrap());
    }
    let pairs: BTreeSet<_> = told.iter().map(changes).collect();
    for cut in 0..4 {
        for n in 0..20 {
            let key = format!("{cut}-{n:02}");
            let put = ("com.amazonaws.s3.ObjectCreated:Put".to_owned(), key.clone());
            let removed = ("com.amazonaws.s3.ObjectRemoved:Delete".to_owned(), key);
            let was_told = pairs.contains(&put);
            // The first five are gone again, which counts where their creation was told.
            assert!(was_told || n < 5, "{} was missed", put.1);
            assert_eq!(pairs.contains(&removed), was_told && n < 5, "{}", put.1);
        }
    }
    let ids: BTreeSet<_> = told.iter().map(|event| event.id().to_owned()).collect();
    assert_eq!(ids.len(), pairs.len(), "a change that is told twice has one id");
}

fn address(bucket: &Bucket) -> SocketAddr {
    bucket.endpoint().trim_start_matches("http://").parse().expect("an address")
}

#[tokio::test]
async fn what_was_told_and_not_written_down_is_told_again_under_the_same_id() {
    let bucket = minio().await.bucket().await.unwrap();
    let settings = settings(&bucket, all());
    bucket.put("old", "").await.unwrap();
    let memory = recorded(&settings).await;
    let mut source = Running::start_with(&settings, &memory).connected().await.unwrap();
    memory.refuses.store(true, Ordering::Relaxed);
    bucket.remove("old").await.unwrap();
    let removal = source.next().await;
    assert!(matches!(source.ended().await, Err(Error::Outlet(_))));
    bucket.put("new", "").await.unwrap();
    let mut source = Running::start_with(&settings, &memory).connected().await.unwrap();
    let (first, second) = (source.next().await, source.next().await);
    let mut found = [&first["id"], &second["id"]];
    found.sort_by_key(|id| **id != removal["id"]);
    assert_eq!(found[0], &removal["id"]);
    assert!(matches!(source.ended().await, Err(Error::Outlet(_))));

    memory.refuses.store(false, Ordering::Relaxed);
    let mut source = Running::start_with(&settings, &memory).connected().await.unwrap();
    let again = [source.next().await["id"].clone(), source.next().await["id"].clone()];
    assert!(again.contains(found[0]) && again.contains(found[1]));
}

#[tokio::test]
async fn what_is_not_watched_any_more_is_not_told_as_removed() {
    let bucket = minio().await.bucket().await.unwrap();
    for key in ["in/a.jpg", "in/b.png", "out/c.jpg"] {
        bucket.put(key, "").await.unwrap();
    }
    let watching = |prefix: &str, suffix: &str| {
        let affixes = json!({"prefix": prefix, "suffix": suffix, "events": all()["events"]});
        settings(&bucket, affixes)
    };
    let memory = recorded(&watching("", "")).await;
    let narrow = watching("in/", ".jpg");
    let mut source = Running::start_with(&narrow, &memory).connected().await.unwrap();
    bucket.remove("in/a.jpg").await.unwrap();
    bucket.put("in/end.jpg", "").await.unwrap();
    let told = source.until("in/end.jpg").await;
    // The listing may have shown it before the stream told it.
    assert!(told.iter().all(|told| told.1 == "in/a.jpg") && ids(&told).len() == 1, "{told:?}");
    source.looked_through(&memory).await.stopped().await;

    bucket.put("in/d.jpg", "").await.unwrap();
    let wide = watching("", "");
    let mut source = Running::start_with(&wide, &memory).connected().await.unwrap();
    assert_eq!(source.next().await["subject"], "in/d.jpg", "it was watched all the time");
    source = source.looked_through(&memory).await;
    bucket.put("end", "").await.unwrap();
    assert_eq!(source.until("end").await, [], "what is watched anew is recorded, not told");
    let known = memory.inventory.all().len();
    assert_eq!(known, 5);
}
