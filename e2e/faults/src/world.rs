//! A system under load, with a ledger beside it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde::Serialize;
use serde_json::json;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tripline_e2e::{Api, Plan, System};
use tripline_testkit::{Answer, Bucket, Receiver, Recording, Request, wait_for, wait_until};

use crate::ledger::{Class, Ledger};
use crate::load::{Load, Sender, event_type};
use crate::objects;
use crate::verdict::{Arrival, Stats, Verdict};

/// How long a trigger may take to be in force in a new system on a busy machine.
const TRIGGER_MAX: Duration = Duration::from_secs(60);
/// How long a function takes to answer, so that there are always some calls under way.
const ANSWER_AFTER: Duration = Duration::from_millis(20);
/// How long held calls wait for their answers: longer than it takes to strike.
const HELD_FOR: Duration = Duration::from_secs(5);
/// Events that are sent after a fault to see whether all works again: enough to meet every partition and most lanes.
const PROBES: u64 = 64;
/// How long after a fault it may take until all works again, where nothing stricter is promised.
pub(crate) const RECOVER_MAX: Duration = Duration::from_secs(90);
/// How long what was accepted may take to end, once all works again.
const SETTLE_MAX: Duration = Duration::from_secs(120);
/// How long the publishers may take to bring what a fault waits for.
const LOAD_MAX: Duration = Duration::from_secs(60);
/// All calls are remembered.
const RECORDING: Recording = Recording { requests_max: 1_000_000, body_bytes_max: 1 << 30 };

/// One fault that struck, and how long it was felt.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    /// What was done.
    pub what: String,
    /// How long that took, such as until a server served again.
    pub lasted_ms: f64,
    /// How much longer it took until events of every partition were accepted and delivered.
    pub works_after_ms: f64,
}

/// What became of everything, and what was done.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Whether the laws were kept.
    pub verdict: Verdict,
    /// What was done.
    pub steps: Vec<Step>,
    /// What the programs were built from; several where they differ.
    pub commit: String,
}

/// A system under load.
pub struct World {
    /// The system.
    pub system: System,
    receiver: Receiver,
    ledger: Arc<Ledger>,
    load: Option<Load>,
    bucket: Option<Bucket>,
    per_second: u32,
    rounds: u64,
    steps: Vec<Step>,
}

impl World {
    /// Starts a system, and begins to publish this many events a second once it is ready.
    ///
    /// # Errors
    /// When it does not start, or its triggers are not in force in time.
    pub async fn start(plan: Plan, per_second: u32) -> anyhow::Result<Self> {
        let mut system = System::launch(plan).await?;
        system.ready().await?;
        Self::over(system, per_second).await
    }

    /// The same with a system that is ready.
    ///
    /// # Errors
    /// When its triggers are not in force in time.
    pub async fn over(system: System, per_second: u32) -> anyhow::Result<Self> {
        let receiver = Receiver::start_with(RECORDING);
        receiver.always(&path(Class::Run), Answer::ok().after(ANSWER_AFTER));
        receiver.always(&path(Class::Refuse), Answer::status(422));
        for class in [Class::Run, Class::Refuse, Class::Probe] {
            let configured = configure(&system.api(), &receiver, class).await;
            configured.with_context(|| system.output())?;
        }
        let ledger = Arc::new(Ledger::default());
        let load = Some(Load::begin(system.apis(), Arc::clone(&ledger), per_second));
        let steps = Vec::new();
        Ok(Self { system, receiver, ledger, load, bucket: None, per_second, rounds: 0, steps })
    }

    /// Puts objects into a bucket, too, which the system watches.
    ///
    /// # Errors
    /// When the source does not run in time.
    pub(crate) async fn watch(&mut self, bucket: Bucket) -> anyhow::Result<()> {
        let api = self.system.api();
        objects::watch(&api, &bucket).await.with_context(|| self.system.output())?;
        configure(&api, &self.receiver, Class::Object).await?;
        if let Some(load) = &mut self.load {
            load.put_into(bucket.clone(), Arc::clone(&self.ledger));
        }
        self.bucket = Some(bucket);
        Ok(())
    }

    /// What was sent, and what was promised.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Waits until the publishers had this many seconds' worth of events accepted.
    ///
    /// # Errors
    /// When they have not in time.
    pub async fn load_for(&self, seconds: u32) -> anyhow::Result<()> {
        let target = self.ledger.accepted() + u64::from(self.per_second * seconds);
        wait_until(LOAD_MAX, async || self.ledger.accepted() >= target)
            .await
            .with_context(|| format!("too little is accepted\n{}", self.system.output()))
    }

    /// Has so many calls wait for their answers for [`HELD_FOR`]; returns when all are under way.
    pub(crate) async fn hold_calls(&self, count: u64) -> anyhow::Result<()> {
        let path = path(Class::Run);
        let held = (0..count).map(|_| Answer::ok().after(HELD_FOR));
        self.receiver.script(&path, held);
        let begun = self.receiver.count_to(&path) + count;
        wait_until(LOAD_MAX, async || self.receiver.count_to(&path) >= begun).await
    }

    /// Strikes while events are under way, and waits until all works again, [`RECOVER_MAX`] at most.
    ///
    /// # Errors
    /// When the blow cannot be dealt, or it does not work again in time.
    pub(crate) async fn strike(
        &mut self,
        what: &str,
        blow: impl AsyncFnOnce(&mut System, &Ledger) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        self.strike_within(RECOVER_MAX, what, blow).await
    }

    /// The same with a limit of its own.
    pub(crate) async fn strike_within(
        &mut self,
        limit: Duration,
        what: &str,
        blow: impl AsyncFnOnce(&mut System, &Ledger) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        self.load_for(1).await?;
        wait_until(LOAD_MAX, async || self.ledger.under_way() > 0).await?;
        let begin = Instant::now();
        blow(&mut self.system, &self.ledger).await.with_context(|| what.to_owned())?;
        let lasted = begin.elapsed();
        let works_after = self
            .works_again(limit)
            .await
            .with_context(|| format!("after {what}\n{}", self.system.output()))?;
        self.note(what, lasted, works_after);
        Ok(())
    }

    /// Adds to the name of the last step what it met.
    pub(crate) fn add_to_last(&mut self, met: &str) {
        if let Some(step) = self.steps.last_mut() {
            step.what = format!("{}: {met}", step.what);
        }
    }

    /// Writes down a step that was not made by [`Self::strike`].
    pub(crate) fn note(&mut self, what: &str, lasted: Duration, works_after: Duration) {
        let what = what.to_owned();
        let (lasted_ms, works_after_ms) = (milliseconds(lasted), milliseconds(works_after));
        self.steps.push(Step { what, lasted_ms, works_after_ms });
    }

    /// Sends events to every partition and waits until all have arrived. How long that took.
    pub(crate) async fn works_again(&mut self, limit: Duration) -> anyhow::Result<Duration> {
        let (begin, stop) = (Instant::now(), CancellationToken::new());
        self.rounds += 1;
        let ids: BTreeSet<_> =
            (0..PROBES).map(|at| format!("probe-{}-{at}", self.rounds)).collect();
        let sender = Sender::new(self.system.apis(), Arc::clone(&self.ledger), stop.clone());
        // Whoever waits no longer leaves no probe under way.
        let _stop = stop.drop_guard();
        let mut probes = JoinSet::new();
        for (turn, id) in (0..).zip(ids.clone()) {
            let sender = sender.clone();
            probes.spawn(async move { sender.send(Class::Probe, &id, turn).await });
        }
        let arrive = async {
            while let Some(probe) = probes.join_next().await {
                probe??;
            }
            self.arrived(Class::Probe, &ids).await?;
            if let Some(bucket) = &self.bucket {
                let id = objects::put_probe(bucket, &self.ledger, self.rounds).await;
                self.arrived(Class::Object, &BTreeSet::from([id])).await?;
            }
            anyhow::Ok(())
        };
        let arrived = tokio::time::timeout(limit, arrive).await;
        arrived.with_context(|| format!("it does not work again after {limit:?}"))??;
        Ok(begin.elapsed())
    }

    /// Waits until all these events have arrived.
    async fn arrived(&self, class: Class, ids: &BTreeSet<String>) -> anyhow::Result<()> {
        loop {
            let calls = self.receiver.requests_to(&path(class));
            let seen: BTreeSet<_> = calls.iter().map(event_id).collect();
            if seen.is_superset(ids) {
                return Ok(());
            }
            let next = calls.len() as u64 + 1;
            self.receiver.wait_for_path(&path(class), next, SETTLE_MAX).await?;
        }
    }

    /// Waits until every object that its server kept has arrived: those that were put while nobody watched are found
    /// in no certain order.
    async fn objects_arrived(&self) {
        let events = self.ledger.events().into_iter();
        let kept = events.filter(|(id, kept)| *kept && Class::of(id) == Some(Class::Object));
        let kept: BTreeSet<_> = kept.map(|(id, _)| id).collect();
        // What is missing afterwards is lost, and the verdict says so.
        let _ = tokio::time::timeout(SETTLE_MAX, self.arrived(Class::Object, &kept)).await;
    }

    /// Stops the publishers, waits until everything has ended, and compares.
    ///
    /// # Errors
    /// When the system is not ready, or cannot be asked what became of everything.
    pub async fn finish(mut self) -> anyhow::Result<Outcome> {
        if let Some(load) = self.load.take() {
            load.end().await?;
        }
        self.system.ready().await?;
        // Behind everything else in its partition: once these have arrived, all before them has been routed.
        self.works_again(RECOVER_MAX).await.with_context(|| self.system.output())?;
        self.objects_arrived().await;
        let api = self.system.api();
        let settled = async || stats(&api).await.is_ok_and(|stats| stats.is_settled());
        // When it does not settle, the verdict says how.
        let _ = wait_until(SETTLE_MAX, settled).await;
        let stats = wait_for(SETTLE_MAX, async || stats(&api).await.ok()).await?;
        let dead = api.list("/v1/dead-letters").await?;
        let dead: Vec<_> = dead.iter().map(|letter| ledger_id(&letter["event"])).collect();
        let arrival = |request: &Request| Arrival {
            event: event_id(request),
            invocation: request.header("webhook-id").unwrap_or_default().to_owned(),
        };
        let calls = self.receiver.requests();
        anyhow::ensure!(calls.len() as u64 == self.receiver.count(), "every call is remembered");
        let arrivals: Vec<_> = calls.iter().map(arrival).collect();
        let unsigned = self.receiver.invalid();
        let verdict = Verdict::of(&self.ledger, &arrivals, &dead, unsigned, stats);
        let commits: BTreeSet<_> =
            self.system.versions().await?.iter().map(|version| text(&version["commit"])).collect();
        let commit = Vec::from_iter(commits).join(", ");
        Ok(Outcome { verdict, steps: self.steps, commit })
    }
}

/// Makes the function of a class, and a trigger for its events.
async fn configure(api: &Api, receiver: &Receiver, class: Class) -> anyhow::Result<()> {
    let (name, path) = (class.name(), path(class));
    // A header, so that there are sealed settings.
    let headers = json!({"x-token": "t"});
    let target = json!({"kind": "http", "url": receiver.url(&path), "headers": headers});
    let function = json!({"target": target, "concurrency": 64});
    let function = api.put(&format!("/v1/functions/{name}"), &function).await?;
    let secret = function["signing_secret"].as_str().context("a new function shows its secret")?;
    receiver.verify_with(&path, &[secret.parse()?]);
    let delivery = json!({"max_attempts": 100, "backoff": {"base_ms": 50, "max_ms": 1000}});
    let trigger = match class {
        // What it brings has the types of the source's kind.
        Class::Object => json!({"function": name, "source": name, "delivery": delivery}),
        Class::Run | Class::Refuse | Class::Probe => {
            json!({"function": name, "pattern": {"type": [event_type(class)]}, "delivery": delivery})
        }
    };
    api.put_trigger(name, &trigger, TRIGGER_MAX).await
}

fn path(class: Class) -> String {
    format!("/{}", class.name())
}

async fn stats(api: &Api) -> anyhow::Result<Stats> {
    Ok(serde_json::from_value(api.get("/v1/stats").await?.1)?)
}

fn event_id(request: &Request) -> String {
    request.json().map(|event| ledger_id(&event)).unwrap_or_default()
}

/// The id in the ledger: for an object its key, which is the subject. Nothing else has one.
fn ledger_id(event: &serde_json::Value) -> String {
    text(event.get("subject").unwrap_or(&event["id"]))
}

fn text(value: &serde_json::Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

pub(crate) fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
