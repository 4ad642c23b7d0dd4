//! A crash between any two effects of binding and unbinding heals: whoever is started first, the end is the same.

use std::convert::Infallible;
use std::os::unix::process::ExitStatusExt as _;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use http::{Method, StatusCode};
use sea_orm::{ConnectionTrait as _, Database, DatabaseConnection, Statement};
use serde_json::{Value, json};
use tripline_e2e::{Api, Edition, System, say};
use tripline_runtime::Step;
use tripline_testkit::{Answer, Receiver, wait_for, wait_until};

/// How long anything may take on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);
/// SIGABRT, by which `abort` ends a process.
const SIGABRT: i32 = 6;
const ABORT_AT: &str = "TRIPLINE_ABORT_AT";
/// A trigger that stays, and the type of its events.
const BEHIND: &str = "behind";

/// Who is started anew, in which order. The one that died is started by its own name.
#[derive(Clone, Copy, Debug)]
enum Restart {
    AuthFirst,
    RegistryFirst,
}

impl Restart {
    fn order(self) -> [&'static str; 2] {
        match self {
            Self::AuthFirst => ["auth", "trigger-registry"],
            Self::RegistryFirst => ["trigger-registry", "auth"],
        }
    }
}

/// What is under way when the process dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Create,
    DeleteTrigger,
    DeleteFunction,
}

fn act_of(step: Step) -> Act {
    match step {
        Step::TriggerStored
        | Step::RuleGranted
        | Step::TriggerGranted
        | Step::TriggerPartlyMarked
        | Step::TriggerMarked
        | Step::TriggerApplied => Act::Create,
        Step::RemovalStored | Step::RemovalMarked | Step::RuleRevoked => Act::DeleteTrigger,
        Step::RemovalPartlyMarked
        | Step::RelationRevoked
        | Step::TriggerRemoved
        | Step::FunctionDeleted => Act::DeleteFunction,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_at_any_step_of_binding_heals() -> anyhow::Result<()> {
    let begin = Instant::now();
    let receiver = Receiver::start();
    let mut system = System::start(Edition::Split).await?;
    let kept = Kept::open(&system).await?;
    let function = json!({"target": {"kind": "http", "url": receiver.url("/behind")}});
    system.api().put("/v1/functions/behind", &function).await?;
    let trigger = json!({"function": BEHIND, "pattern": {"type": [BEHIND]}});
    system.api().put_trigger(BEHIND, &trigger, DEADLINE).await?;
    let mut walks = 0;
    for step in Step::ALL {
        for restart in [Restart::AuthFirst, Restart::RegistryFirst] {
            let name = format!("{step}-{walks}");
            walk(&mut system, (&receiver, &kept), &name, (step, restart))
                .await
                .with_context(|| format!("{step}, {restart:?}"))
                .with_context(|| system.output())?;
            walks += 1;
        }
    }
    say(&format!("{walks} crashes at {} steps healed in {:?}", Step::ALL.len(), begin.elapsed()));
    Ok(())
}

async fn walk(
    system: &mut System,
    (receiver, kept): (&Receiver, &Kept),
    name: &str,
    (step, restart): (Step, Restart),
) -> anyhow::Result<()> {
    let (api, act) = (system.api(), act_of(step));
    let path = format!("/{name}");
    let function = json!({"target": {"kind": "http", "url": receiver.url(&path)}});
    api.put(&format!("/v1/functions/{name}"), &function).await?;
    // What fails once waits for long.
    let delivery = json!({"backoff": {"base_ms": 600_000, "max_ms": 600_000}});
    let trigger = json!({"function": name, "pattern": {"type": [name]}, "delivery": delivery});
    if act != Act::Create {
        api.put_trigger(name, &trigger, DEADLINE).await?;
        runs_once(&api, receiver, name, "before").await?;
        receiver.always(&path, Answer::status(503));
        publish(&api, name, "waiting", name).await?;
        is_in_state(&api, name, "waiting", "pending").await?;
    }

    arm(system, step).await?;
    // What is answered when the process dies is unknown to whoever asked, and no part of what is promised.
    let status = tokio::select! {
        status = system.process(step.service(), 0)?.process.wait(DEADLINE) => status,
        never = ask(&api, act, name, &trigger) => match never {},
    };
    let status = status.context("the step was never reached")?;
    ensure!(status.signal() == Some(SIGABRT), "it ended with {status}");

    for service in restart.order() {
        system.process(service, 0)?.process.set_env(ABORT_AT, None);
        system.process(service, 0)?.process.kill().await?;
    }
    for service in restart.order() {
        system.process(service, 0)?.process.restart().await?;
        system.process(service, 0)?.ready().await?;
    }
    if act == Act::Create {
        is_active(&api, name).await?;
        kept.holds(1).await?;
        runs_once(&api, receiver, name, "after").await?;
        let gone = delete_function(&api, name).await?;
        let count = |kind: &str| gone.iter().filter(|item| item["kind"] == kind).count();
        ensure!((count("trigger"), count("relation"), count("rule")) == (1, 1, 1), "{gone:?}");
    } else {
        let reason = is_in_state(&api, name, "waiting", "cancelled").await?;
        let gone = if act == Act::DeleteFunction { "function-gone" } else { "trigger-gone" };
        ensure!(reason == gone, "cancelled as {reason}, not {gone}");
    }
    is_gone(&api, name).await?;
    kept.holds(0).await?;
    runs_nothing(&api, receiver, name).await
}

/// Asks for the act until it is answered: the gateway may not have found the process anew yet.
async fn ask(api: &Api, act: Act, name: &str, trigger: &Value) -> Infallible {
    let (method, path, body) = match act {
        Act::Create => (Method::PUT, format!("/v1/triggers/{name}"), trigger),
        Act::DeleteTrigger => (Method::DELETE, format!("/v1/triggers/{name}"), &Value::Null),
        Act::DeleteFunction => (Method::DELETE, format!("/v1/functions/{name}"), &Value::Null),
    };
    let answered = async || {
        let answer = send(api, method.clone(), &path, body).await;
        answer.is_ok_and(|(status, _)| !status.is_server_error())
    };
    // Whether the process dies in time is seen by whoever waits for that.
    let _ = wait_until(DEADLINE, answered).await;
    std::future::pending().await
}

/// What auth and the registry have in their databases.
struct Kept {
    auth: DatabaseConnection,
    registry: DatabaseConnection,
}

impl Kept {
    async fn open(system: &System) -> anyhow::Result<Self> {
        let connect = async |service: &str| {
            let url = system.database(service).context("a database")?;
            anyhow::Ok(Database::connect(url).await?)
        };
        Ok(Self { auth: connect("auth").await?, registry: connect("trigger-registry").await? })
    }

    /// Sees that so many triggers are bound beside the one that stays, each by one relation that is granted, and that
    /// nothing is left to be done.
    async fn holds(&self, bound: i64) -> anyhow::Result<()> {
        let all = bound + 1;
        let expected = [all, all, 0, all, all];
        let mut found = [0; 5];
        wait_until(DEADLINE, async || match self.count().await {
            Ok(counted) => {
                found = counted;
                counted == expected
            }
            Err(_) => false,
        })
        .await
        .with_context(|| {
            format!("triggers, relations, tasks, rules and grants: {found:?}, not {expected:?}")
        })
    }

    async fn count(&self) -> anyhow::Result<[i64; 5]> {
        let count = async |db: &DatabaseConnection, from: &str| {
            let sql = format!("SELECT COUNT(*) FROM {from}");
            let row =
                db.query_one_raw(Statement::from_string(db.get_database_backend(), sql)).await?;
            anyhow::Ok(row.context("a count is one row")?.try_get_by_index::<i64>(0)?)
        };
        Ok([
            count(&self.registry, "triggers").await?,
            count(&self.registry, "relations").await?,
            count(&self.registry, "outbox").await?,
            count(&self.auth, "rules WHERE ended = 0").await?,
            count(&self.auth, "rule_relations WHERE revoked = 0").await?,
        ])
    }
}

/// Starts the process that owns the step anew, to die there.
async fn arm(system: &mut System, step: Step) -> anyhow::Result<()> {
    let running = system.process(step.service(), 0)?;
    running.process.set_env(ABORT_AT, Some(step.name()));
    running.process.restart().await?;
    running.ready().await
}

async fn send(
    api: &Api,
    method: Method,
    path: &str,
    body: &Value,
) -> anyhow::Result<(StatusCode, Value)> {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    api.send(method, path, ("application/json", body)).await
}

async fn is_active(api: &Api, name: &str) -> anyhow::Result<()> {
    let path = format!("/v1/triggers/{name}");
    wait_until(DEADLINE, async || {
        api.get(&path).await.is_ok_and(|(_, trigger)| trigger["state"] == "active")
    })
    .await
    .context("the trigger is not active")
}

/// Deletes the function, once the registry is reached, and answers with what went with it.
async fn delete_function(api: &Api, name: &str) -> anyhow::Result<Vec<Value>> {
    let path = format!("/v1/functions/{name}");
    let (status, answer) = send(api, Method::DELETE, &path, &Value::Null).await?;
    ensure!(status == StatusCode::OK, "DELETE {path}: {status} {answer}");
    Ok(answer["deleted"].as_array().cloned().unwrap_or_default())
}

/// The trigger goes only after auth has revoked its relation, in the transaction that forgets the relation.
async fn is_gone(api: &Api, name: &str) -> anyhow::Result<()> {
    let path = format!("/v1/triggers/{name}");
    wait_until(DEADLINE, async || {
        api.get(&path).await.is_ok_and(|(status, _)| status == StatusCode::NOT_FOUND)
    })
    .await
    .context("the trigger is still there")
}

/// Publishes an event of this type. All of one walk share a partition, so they are routed in this order.
async fn publish(api: &Api, name: &str, when: &str, kind: &str) -> anyhow::Result<()> {
    let event = json!({"specversion": "1.0", "id": format!("{name}-{when}"), "source": "/abort",
        "type": kind, "partitionkey": name});
    api.publish_until_accepted(&event, DEADLINE).await
}

/// Waits until the event's one invocation is in this state. Answers with its reason.
async fn is_in_state(api: &Api, name: &str, when: &str, state: &str) -> anyhow::Result<String> {
    let path = format!("/v1/invocations?event_id={name}-{when}");
    let mut seen = Vec::new();
    let found = wait_for(DEADLINE, async || {
        seen = api.list(&path).await.ok()?;
        let [only] = &seen[..] else { return None };
        let tried = only["attempts"].as_array().is_some_and(|attempts| !attempts.is_empty());
        (only["state"] == state && tried).then(|| only["reason"].as_str().unwrap_or("").to_owned())
    })
    .await;
    found.with_context(|| format!("'{when}' is not {state}: {seen:?}"))
}

async fn runs_once(api: &Api, receiver: &Receiver, name: &str, when: &str) -> anyhow::Result<()> {
    publish(api, name, when, name).await?;
    let settled = format!("/v1/invocations?trigger={name}&state=succeeded");
    wait_until(DEADLINE, async || api.list(&settled).await.is_ok_and(|items| !items.is_empty()))
        .await
        .context("the event ran nothing")?;
    let all = api.list(&format!("/v1/invocations?trigger={name}")).await?;
    let runs = receiver.count_to(&format!("/{name}"));
    ensure!((all.len(), runs) == (1, 1), "{runs} runs, {all:?}");
    Ok(())
}

/// Publishes once more, and sees that this runs nothing while what comes after it runs, and that nothing waits.
async fn runs_nothing(api: &Api, receiver: &Receiver, name: &str) -> anyhow::Result<()> {
    let path = format!("/{name}");
    let before = receiver.count_to(&path);
    publish(api, name, "gone", name).await?;
    publish(api, name, "behind", BEHIND).await?;
    is_in_state(api, name, "behind", "succeeded").await?;
    wait_until(DEADLINE, async || {
        let pending = api.list("/v1/invocations?state=pending").await;
        let running = api.list("/v1/invocations?state=running").await;
        [pending, running].into_iter().all(|items| items.is_ok_and(|items| items.is_empty()))
    })
    .await
    .context("something is left pending")?;
    let matched = api.list(&format!("/v1/invocations?event_id={name}-gone")).await?;
    ensure!(matched.is_empty(), "a trigger that is gone still matched: {matched:?}");
    ensure!(receiver.count_to(&path) == before, "the function ran after it was unbound");
    Ok(())
}
