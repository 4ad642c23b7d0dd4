//! Changes in a real MinIO while the monitor, or MinIO itself, is killed again and again: every net change arrives, and
//! with versions every change.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::json;
use tokio::task::JoinHandle;
use tripline_e2e::{Api, Edition, System, say};
use tripline_testkit::{Bucket, Minio, Receiver, wait_for, wait_until};

/// Objects that are there, and told, before the first kill. All of them are removed later.
const OLD: usize = 200;
/// Objects that are created while processes are killed.
const NEW: usize = 800;
const KILLS: usize = 5;
/// How long everything may take to arrive on a busy machine. After each kill of a service its leases must run out.
const DEADLINE: Duration = Duration::from_secs(240);

#[tokio::test(flavor = "multi_thread")]
async fn no_net_change_is_missed_when_the_monitor_is_killed_split() -> anyhow::Result<()> {
    let bucket = tripline_testkit::minio().await.bucket().await?;
    monitor_is_killed(Edition::Split, "event-monitor", bucket).await
}

#[tokio::test(flavor = "multi_thread")]
async fn no_net_change_is_missed_when_the_monitor_is_killed_embedded() -> anyhow::Result<()> {
    let bucket = tripline_testkit::minio().await.bucket().await?;
    monitor_is_killed(Edition::Embedded, "tripline", bucket).await
}

#[tokio::test(flavor = "multi_thread")]
async fn no_change_of_a_bucket_with_versions_is_missed_when_the_monitor_is_killed()
-> anyhow::Result<()> {
    let bucket = tripline_testkit::minio().await.bucket().await?;
    bucket.keep_versions().await?;
    monitor_is_killed(Edition::Split, "event-monitor", bucket).await
}

#[tokio::test(flavor = "multi_thread")]
async fn no_net_change_is_missed_when_minio_is_killed() -> anyhow::Result<()> {
    let mut server = Minio::start().await?;
    let ready = async || server.bucket().await.ok();
    let bucket = wait_for(DEADLINE, ready).await.context("MinIO is not ready")?;
    let world = World::start(Edition::Embedded, bucket).await?;
    for round in 0..KILLS {
        let (before, after) = halves(round);
        world.change(before).await?;
        server.kill().await?;
        server.restart().await?;
        // Before the source listens again.
        let ready = async || world.bucket.versions().await.is_ok();
        wait_until(DEADLINE, ready).await.context("MinIO is not ready")?;
        world.change(after).await?;
    }
    world.verify("MinIO").await
}

async fn monitor_is_killed(edition: Edition, victim: &str, bucket: Bucket) -> anyhow::Result<()> {
    let mut world = World::start(edition, bucket).await?;
    for round in 0..KILLS {
        let (before, after) = halves(round);
        world.change(before).await?;
        let changing = world.begin(after);
        world.system.kill_and_restart(victim).await?;
        changing.await??;
        world.system.ready().await?;
        // The next kill comes when it works again, and is perhaps not through with what it missed.
        let (count, told) = (world.receiver.count(), world.told().len());
        let again = async || world.receiver.count() > count || told == world.expected_by(round);
        wait_until(DEADLINE, again).await.with_context(|| world.system.output())?;
    }
    world.verify(victim).await
}

/// Changes of one round, by number: what is done before the kill and what after it began.
type Part = std::ops::Range<usize>;

fn halves(round: usize) -> (Part, Part) {
    let (first, next) = (round * NEW / KILLS, (round + 1) * NEW / KILLS);
    let middle = first + (next - first) / 3;
    (first..middle, middle..next)
}

struct World {
    bucket: Bucket,
    receiver: Receiver,
    system: System,
    began: Instant,
}

impl World {
    /// A system that has told of the old objects.
    async fn start(edition: Edition, bucket: Bucket) -> anyhow::Result<Self> {
        let receiver = Receiver::start();
        let system = System::start(edition).await?;
        configure(&system.api(), &receiver, &bucket).await?;
        let world = Self { bucket, receiver, system, began: Instant::now() };
        for number in 0..OLD {
            world.bucket.put(&format!("old-{number:03}"), "old").await?;
        }
        let told = async || world.told().len() == OLD;
        wait_until(DEADLINE, told).await.with_context(|| world.system.output())?;
        Ok(world)
    }

    /// Creates the new objects of a part, and removes the old ones that belong to it.
    async fn change(&self, part: Part) -> anyhow::Result<()> {
        change(&self.bucket, part).await
    }

    fn begin(&self, part: Part) -> JoinHandle<anyhow::Result<()>> {
        let bucket = self.bucket.clone();
        tokio::spawn(async move { change(&bucket, part).await })
    }

    /// How many changes there are after this round.
    fn expected_by(&self, round: usize) -> usize {
        OLD + (round + 1) * (NEW + OLD) / KILLS
    }

    /// Every change that has arrived, with the ids under which it did.
    fn told(&self) -> BTreeMap<Change, BTreeSet<String>> {
        let mut told: BTreeMap<Change, BTreeSet<String>> = BTreeMap::new();
        for request in self.receiver.requests() {
            let event = request.json().expect("the function is sent JSON");
            let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
            let object = &event["data"]["s3"]["object"];
            let change = Change {
                key: text("subject"),
                removed: text("type").contains("ObjectRemoved"),
                version: object["versionId"].as_str().unwrap_or("null").to_owned(),
            };
            told.entry(change).or_default().insert(text("id"));
        }
        told
    }

    /// What must have arrived: with versions all that the bucket lists, else what is there and what is gone.
    async fn expected(&self) -> anyhow::Result<BTreeSet<Change>> {
        let versions = self.bucket.versions().await?.into_iter();
        let mut expected: BTreeSet<_> = versions
            .map(|version| Change {
                key: version.key,
                removed: version.delete_marker,
                version: version.id,
            })
            .collect();
        if expected.iter().all(|change| change.version == "null") {
            ensure!(expected.len() == NEW, "the old objects are gone, the new ones are there");
            for number in 0..OLD {
                let (key, version) = (format!("old-{number:03}"), "null".to_owned());
                let created = Change { key: key.clone(), removed: false, version: version.clone() };
                expected.extend([created, Change { key, removed: true, version }]);
            }
        }
        ensure!(expected.len() == OLD + NEW + OLD);
        Ok(expected)
    }

    /// How many events were found by listing, and not told by the live stream.
    fn found_by_listing(&self) -> usize {
        let requests = self.receiver.requests();
        let found = requests.iter().filter(|request| {
            request.json().is_ok_and(|event| event["data"]["tripline"]["found"] == "listing")
        });
        found.count()
    }

    async fn verify(&self, victim: &str) -> anyhow::Result<()> {
        let expected = self.expected().await?;
        let all = async || self.told().len() >= expected.len();
        let arrived = wait_until(DEADLINE, all).await;
        let told = self.told();
        let changes: BTreeSet<_> = told.keys().cloned().collect();
        let missed: Vec<_> = expected.difference(&changes).collect();
        let invented: Vec<_> = changes.difference(&expected).collect();
        let found = self.found_by_listing();
        let twice: Vec<_> = told.iter().filter(|(_, ids)| ids.len() > 1).collect();
        say(&format!(
            "{victim} killed {KILLS} times: {} changes, {} arrived in {:.1} s, {found} of {} requests found by listing, \
             missed {missed:?}, invented {invented:?}, under more than one id {twice:?}",
            expected.len(),
            told.len(),
            self.began.elapsed().as_secs_f64(),
            self.receiver.count(),
        ));
        arrived.with_context(|| self.system.output())?;
        ensure!(missed.is_empty() && invented.is_empty() && twice.is_empty());
        ensure!(found > 0, "no kill left a gap");
        ensure!(self.receiver.invalid() == 0, "every signature verifies");
        Ok(())
    }
}

/// One change of the bucket.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Change {
    key: String,
    removed: bool,
    /// `null` where there are no versions.
    version: String,
}

async fn change(bucket: &Bucket, part: Part) -> anyhow::Result<()> {
    for number in part {
        bucket.put(&format!("new/ö +{number:04}"), "new").await?;
        if number % (NEW / OLD) == 0 {
            bucket.remove(&format!("old-{:03}", number / (NEW / OLD))).await?;
        }
    }
    Ok(())
}

async fn configure(api: &Api, receiver: &Receiver, bucket: &Bucket) -> anyhow::Result<()> {
    let body =
        json!({"target": {"kind": "http", "url": receiver.url("/changes")}, "concurrency": 16});
    let function = api.put("/v1/functions/changes", &body).await?;
    let secret = function["signing_secret"].as_str().context("signing secret")?;
    receiver.verify_with("/changes", &[secret.parse()?]);
    let settings = json!({
        "endpoint": bucket.endpoint(), "bucket": bucket.name(),
        "access_key": bucket.access_key(), "secret_key": bucket.secret_key(),
        "events": ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"],
    });
    api.put("/v1/sources/bucket", &json!({"kind": "minio", "settings": settings})).await?;
    let running = async || {
        let status = api.get("/v1/sources/bucket/status").await;
        status.is_ok_and(|(_, status)| status["state"] == "running")
    };
    wait_until(DEADLINE, running).await.context("the source does not run")?;
    let pattern = json!({"type": [{"prefix": "com.amazonaws.s3.Object"}]});
    let delivery = json!({"max_attempts": 50, "backoff": {"base_ms": 50, "max_ms": 1000}});
    let trigger = json!({"source": "bucket", "function": "changes", "pattern": pattern, "delivery": delivery});
    api.put_trigger("changes", &trigger, DEADLINE).await
}
