//! `kill -9` of every process in turn while events are published: what was accepted arrives.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::json;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tripline_e2e::{Api, Edition, System, say};
use tripline_testkit::{Receiver, wait_for, wait_until};

/// Events published over the whole test, in one part for each kill.
const EVENTS: usize = 20_000;
const PUBLISHERS: usize = 16;
/// How long one event may wait to be accepted, and a part to be delivered.
const ACCEPT_MAX: Duration = Duration::from_secs(60);
const DELIVER_MAX: Duration = Duration::from_secs(120);
/// Decides at which accepted event of its part each process is killed. Another seed must do as well.
const SEED: u64 = 20_261_121;

#[tokio::test(flavor = "multi_thread")]
async fn nothing_accepted_is_lost_when_processes_are_killed_embedded() -> anyhow::Result<()> {
    kill_each(Edition::Embedded, &["tripline"; 5]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_accepted_is_lost_when_processes_are_killed_split() -> anyhow::Result<()> {
    let processes = ["api-gateway", "event-monitor", "invoker", "trigger-registry", "auth"];
    kill_each(Edition::Split, &processes).await
}

async fn kill_each(edition: Edition, victims: &[&str]) -> anyhow::Result<()> {
    let receiver = Receiver::start();
    let mut system = System::start(edition).await?;
    let api = system.api();
    let body =
        json!({"target": {"kind": "http", "url": receiver.url("/count")}, "concurrency": 64});
    let function = api.put("/v1/functions/count", &body).await?;
    let secret = function["signing_secret"].as_str().context("signing secret")?;
    receiver.verify_with("/count", &[secret.parse()?]);
    let delivery = json!({"max_attempts": 100, "backoff": {"base_ms": 50, "max_ms": 1000}});
    let trigger = json!({"function": "count", "pattern": {"type": ["dev.tripline.kill"]}, "delivery": delivery});
    api.put_trigger("count", &trigger, ACCEPT_MAX).await?;

    let mut random = StdRng::seed_from_u64(SEED);
    let each = EVENTS / victims.len();
    let mut everything = BTreeSet::new();
    for (part, victim) in victims.iter().enumerate() {
        let kill_at = random.random_range(each / 4..each * 3 / 4);
        let accepted = part_of(&mut system, &receiver, (part, each), (victim, kill_at)).await?;
        everything.extend(accepted);
        delivered(&receiver, &everything).await.with_context(|| system.output())?;
        report(&api, &receiver, victim, &everything).await?;
    }
    assert_eq!(everything.len(), each * victims.len());
    Ok(())
}

/// Publishes one part while `victim` is killed; returns the ids that were accepted.
async fn part_of(
    system: &mut System,
    receiver: &Receiver,
    (part, each): (usize, usize),
    (victim, kill_at): (&str, usize),
) -> anyhow::Result<Vec<String>> {
    let (accepted, reached) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let next = Arc::new(AtomicUsize::new(0));
    let before = receiver.count();
    let mut publishers = JoinSet::new();
    for _ in 0..PUBLISHERS {
        let (api, next) = (system.api(), Arc::clone(&next));
        let (accepted, reached) = (Arc::clone(&accepted), Arc::clone(&reached));
        publishers.spawn(async move {
            let mut ids = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= each {
                    return anyhow::Ok(ids);
                }
                let id = format!("part-{part}-event-{number}");
                let event = json!({"specversion": "1.0", "id": id, "source": "/kill", "type": "dev.tripline.kill", "data": {"number": number}});
                api.publish_until_accepted(&event, ACCEPT_MAX).await?;
                ids.push(id);
                if accepted.fetch_add(1, Ordering::Relaxed) + 1 == kill_at {
                    reached.notify_one();
                }
            }
        });
    }
    reached.notified().await;
    // From here on, the first moment at which something is under way.
    let (in_time, in_flight) = wait_for(ACCEPT_MAX, async || {
        let in_time = accepted.load(Ordering::Relaxed) as u64;
        let in_flight = in_time.saturating_sub(receiver.count() - before);
        (in_flight > 0).then_some((in_time, in_flight))
    })
    .await
    .context("nothing was ever in flight")?;
    system.kill_and_restart(victim).await?;
    say(&format!("{victim}: killed with {in_time} accepted, {in_flight} of them in flight"));
    assert!(in_time > 0 && in_flight > 0, "the kill came in the middle");
    let mut ids = Vec::new();
    while let Some(publisher) = publishers.join_next().await {
        ids.extend(publisher?.with_context(|| system.output())?);
    }
    Ok(ids)
}

/// Waits until every accepted event has arrived.
async fn delivered(receiver: &Receiver, accepted: &BTreeSet<String>) -> anyhow::Result<()> {
    let all_there = async || {
        ids_delivered(receiver)
            .keys()
            .collect::<BTreeSet<_>>()
            .is_superset(&accepted.iter().collect())
    };
    receiver.wait_for(accepted.len() as u64, DELIVER_MAX).await?;
    wait_until(DELIVER_MAX, all_there).await.context("some accepted events never arrived")
}

/// Each event that arrived, with the invocation id of each arrival.
fn ids_delivered(receiver: &Receiver) -> BTreeMap<String, Vec<String>> {
    let mut ids: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for request in receiver.requests() {
        let event = request.json().expect("the function is sent JSON");
        let invocation = request.header("webhook-id").unwrap_or_default().to_owned();
        ids.entry(event["id"].as_str().unwrap_or_default().to_owned())
            .or_default()
            .push(invocation);
    }
    ids
}

async fn report(
    api: &Api,
    receiver: &Receiver,
    victim: &str,
    accepted: &BTreeSet<String>,
) -> anyhow::Result<()> {
    wait_until(DELIVER_MAX, async || {
        let pending = api.get("/v1/invocations?state=pending&limit=1").await;
        let running = api.get("/v1/invocations?state=running&limit=1").await;
        let none = |answer: anyhow::Result<tripline_e2e::Answer>| {
            answer.is_ok_and(|(status, body)| {
                status == 200 && body["items"].as_array().is_some_and(Vec::is_empty)
            })
        };
        none(pending) && none(running)
    })
    .await
    .context("invocations are left over")?;
    let arrivals = ids_delivered(receiver);
    let duplicates = arrivals.values().map(|ids| ids.len() - 1).sum::<usize>();
    let dead = api.list("/v1/dead-letters").await?.len();
    let arrived: BTreeSet<_> = arrivals.keys().cloned().collect();
    let lost: Vec<_> = accepted.difference(&arrived).collect();
    let phantom: Vec<_> = arrived.difference(accepted).collect();
    say(&format!(
        "{victim}: accepted {}, delivered {}, duplicates {duplicates}, dead {dead}, accepted but not delivered {lost:?}, delivered but not accepted {phantom:?}",
        accepted.len(),
        arrived.len()
    ));
    assert!(lost.is_empty() && phantom.is_empty() && dead == 0);
    assert_eq!(receiver.invalid(), 0, "every signature verifies");
    for (event, invocations) in &arrivals {
        let distinct: BTreeSet<_> = invocations.iter().collect();
        assert_eq!(distinct.len(), 1, "{event} ran under two invocation ids");
    }
    Ok(())
}
