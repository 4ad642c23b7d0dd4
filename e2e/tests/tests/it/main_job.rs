//! An object lands in a real MinIO, and the right function runs.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tripline_e2e::{Api, Edition, System, say};
use tripline_testkit::{Bucket, Receiver, wait_until};

/// How many objects are put, and by how many writers at a time.
const OBJECTS: usize = 200;
const WRITERS: usize = 5;
/// How long everything together may take on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn every_object_in_minio_invokes_the_right_functions_once_embedded() -> anyhow::Result<()> {
    main_job(Edition::Embedded).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_object_in_minio_invokes_the_right_functions_once_split() -> anyhow::Result<()> {
    main_job(Edition::Split).await
}

async fn main_job(edition: Edition) -> anyhow::Result<()> {
    let bucket = tripline_testkit::minio().await.bucket().await?;
    let receiver = Receiver::start();
    let system = System::start(edition).await?;
    show_processes(&system).await?;
    let api = system.api();
    for name in ["prefixed", "suffixed", "everything", "narrowed"] {
        function(&api, &receiver, name).await?;
    }
    source(&api, &bucket, "whole", json!({})).await?;
    source(&api, &bucket, "narrow", json!({"prefix": "in/", "suffix": ".jpg"})).await?;
    let created = json!([{"prefix": "com.amazonaws.s3.ObjectCreated:"}]);
    trigger(&api, "prefixed", "whole", json!({"type": created, "subject": [{"prefix": "in/"}]}))
        .await?;
    trigger(&api, "suffixed", "whole", json!({"type": created, "data": {"s3": {"object": {"size": [{"exists": true}]}}}, "subject": [{"suffix": ".jpg"}]})).await?;
    trigger(&api, "everything", "whole", json!({"type": created})).await?;
    trigger(&api, "narrowed", "narrow", json!({"type": created})).await?;

    let keys: Vec<_> = (0..OBJECTS).map(key).collect();
    put_all(&bucket, &keys).await?;

    let expected = |wanted: &dyn Fn(&str) -> bool| -> BTreeSet<String> {
        keys.iter().filter(|key| wanted(key)).cloned().collect()
    };
    let wanted = BTreeMap::from([
        ("prefixed", expected(&|key| key.starts_with("in/"))),
        ("suffixed", expected(&|key| key.ends_with(".jpg"))),
        ("everything", expected(&|_| true)),
        ("narrowed", expected(&|key| key.starts_with("in/") && key.ends_with(".jpg"))),
    ]);
    assert!(wanted.values().all(|keys| !keys.is_empty()), "each trigger has something to do");
    let calls = wanted.values().map(BTreeSet::len).sum::<usize>() as u64;
    receiver.wait_for(calls, DEADLINE).await.with_context(|| system.output())?;
    drained(&api, calls).await?;
    verify(&receiver, &wanted)
}

async fn show_processes(system: &System) -> anyhow::Result<()> {
    let commit = option_env!("TRIPLINE_COMMIT").unwrap_or("unknown");
    for (running, version) in system.processes().iter().zip(system.versions().await?) {
        let executable = std::fs::read_link(format!("/proc/{}/exe", running.process.pid()))?;
        say(&format!(
            "{}: pid {}, {}, {version}",
            running.name,
            running.process.pid(),
            executable.display()
        ));
        assert_eq!(version["commit"], commit, "{} was not built from this checkout", running.name);
    }
    Ok(())
}

async fn function(api: &Api, receiver: &Receiver, name: &str) -> anyhow::Result<()> {
    let path = format!("/{name}");
    let body = json!({"target": {"kind": "http", "url": receiver.url(&path)}});
    let function = api.put(&format!("/v1/functions/{name}"), &body).await?;
    let secret = function["signing_secret"]
        .as_str()
        .context("a new function shows its signing secret once")?;
    receiver.verify_with(&path, &[secret.parse()?]);
    Ok(())
}

async fn source(api: &Api, bucket: &Bucket, name: &str, more: Value) -> anyhow::Result<()> {
    let mut settings = json!({
        "endpoint": bucket.endpoint(), "bucket": bucket.name(),
        "access_key": bucket.access_key(), "secret_key": bucket.secret_key(),
        "events": ["s3:ObjectCreated:*", "s3:ObjectRemoved:*", "s3:ObjectAccessed:*"],
    });
    for (key, value) in more.as_object().into_iter().flatten() {
        settings[key] = value.clone();
    }
    let path = format!("/v1/sources/{name}");
    let source = api.put(&path, &json!({"kind": "minio", "settings": settings})).await?;
    assert_eq!(
        source["settings"]["secret_key"],
        json!({"secret": "set"}),
        "a secret is never read back"
    );
    wait_until(DEADLINE, async || {
        api.get(&format!("{path}/status"))
            .await
            .is_ok_and(|(_, status)| status["state"] == "running")
    })
    .await
    .context("the source does not run")
}

async fn trigger(api: &Api, name: &str, source: &str, pattern: Value) -> anyhow::Result<()> {
    let body = json!({"bus": "default", "source": source, "function": name, "pattern": pattern});
    api.put_trigger(name, &body, DEADLINE).await?;
    Ok(())
}

/// Keys with everything that keys may have: spaces, `+`, `%`, Unicode, and a full length in segments that MinIO takes.
fn key(number: usize) -> String {
    let folder = ["in/", "out/", "", "in/deep/er/"][number % 4];
    let name = match number / 4 % 5 {
        0 => format!("plain-{number}"),
        1 => format!("with space and + and %41 {number}"),
        2 => format!("ümläut-日本語-🦀-{number}"),
        3 => format!("a&b=c?d#e;f,g'h\"i(j)!{number}"),
        _ => {
            let segment = "s".repeat(240);
            format!("{number}/{segment}/{segment}/{segment}/{}", "e".repeat(240))
        }
    };
    let ending = [".jpg", ".png", ".jpg", ""][number / 3 % 4];
    let mut key = format!("{folder}{name}{ending}");
    if name.len() > 900 {
        // Exactly 1,000 bytes.
        let missing = 1000 - key.len();
        key.insert_str(folder.len(), &"p".repeat(missing));
    }
    key
}

async fn put_all(bucket: &Bucket, keys: &[String]) -> anyhow::Result<()> {
    let mut writers = JoinSet::new();
    for part in keys.chunks(keys.len().div_ceil(WRITERS)) {
        let (bucket, part) = (bucket.clone(), part.to_vec());
        writers.spawn(async move {
            for key in part {
                bucket.put(&key, key.clone()).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(writer) = writers.join_next().await {
        writer??;
    }
    Ok(())
}

/// Waits until nothing is pending or running, so that a call too many would have been seen.
async fn drained(api: &Api, calls: u64) -> anyhow::Result<()> {
    wait_until(DEADLINE, async || {
        let succeeded = api.list("/v1/invocations?state=succeeded").await;
        succeeded.is_ok_and(|items| items.len() as u64 >= calls)
    })
    .await
    .context("the invocations are not recorded as succeeded")?;
    let all = api.list("/v1/invocations").await?;
    assert_eq!(all.len() as u64, calls, "no invocation beyond those expected");
    let tries: BTreeSet<_> =
        all.iter().map(|item| item["attempts"].as_array().map_or(0, Vec::len)).collect();
    assert_eq!(tries, BTreeSet::from([1]), "a calm run needs one attempt for each");
    Ok(())
}

fn verify(receiver: &Receiver, wanted: &BTreeMap<&str, BTreeSet<String>>) -> anyhow::Result<()> {
    assert_eq!(receiver.invalid(), 0, "every signature verifies");
    let mut ids = BTreeSet::new();
    for (name, wanted) in wanted {
        let requests = receiver.requests_to(&format!("/{name}"));
        let mut came = BTreeSet::new();
        for request in &requests {
            let event = request.json()?;
            assert_eq!(request.header("tripline-trigger"), Some(*name));
            assert_eq!(request.header("idempotency-key"), request.header("webhook-id"));
            ids.insert(request.header("webhook-id").context("webhook-id")?.to_owned());
            let subject = event["subject"].as_str().context("subject")?.to_owned();
            assert_eq!(event["partitionkey"], subject.as_str());
            assert_eq!(event["data"]["s3"]["object"]["size"], subject.len(), "{event}");
            assert!(came.insert(subject.clone()), "{name} ran twice for {subject}");
        }
        assert_eq!(&came, wanted, "{name}");
    }
    let calls = wanted.values().map(BTreeSet::len).sum::<usize>();
    assert_eq!(ids.len(), calls, "each invocation has an id of its own");
    say(&format!("{calls} calls, {OBJECTS} objects, 0 invalid signatures, 0 duplicates"));
    Ok(())
}
