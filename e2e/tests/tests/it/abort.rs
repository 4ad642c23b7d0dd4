//! A crash between any two effects of binding and unbinding heals: whoever is started first, the end is the same.

mod kept;
mod seen;

use std::convert::Infallible;
use std::os::unix::process::ExitStatusExt as _;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use http::Method;
use serde_json::{Value, json};
use tripline_e2e::{Api, Edition, System, say};
use tripline_runtime::Step;
use tripline_testkit::{Answer, Receiver, wait_until};

use kept::{Bound, Kept};
use seen::{
    is_active, is_gone, is_in_state, publish, runs_nothing, runs_once, send, takes_with_it,
};

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
    /// Another function in place of the one that the trigger invoked.
    Replace,
    DeleteTrigger,
    /// Of two triggers that invoked it, one was moved to another function before.
    DeleteFunction,
}

/// Every act that passes the step in a way of its own.
fn acts_of(step: Step) -> &'static [Act] {
    match step {
        Step::TriggerStored
        | Step::RuleGranted
        | Step::TriggerGranted
        | Step::TriggerPartlyMarked
        | Step::TriggerMarked
        | Step::TriggerApplied => &[Act::Create, Act::Replace],
        Step::RemovalStored | Step::RemovalMarked | Step::RuleRevoked => &[Act::DeleteTrigger],
        Step::RemovalPartlyMarked
        | Step::RelationRevoked
        | Step::TriggerRemoved
        | Step::FunctionDeleted
        | Step::EarlierForgotten => &[Act::DeleteFunction],
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_at_any_step_of_binding_heals() -> anyhow::Result<()> {
    let begin = Instant::now();
    let receiver = Receiver::start();
    let mut system = System::start(Edition::Split).await?;
    let kept = Kept::open(&system).await?;
    put_function(&system.api(), &receiver, BEHIND).await?;
    let trigger = json!({"function": BEHIND, "pattern": {"type": [BEHIND]}});
    system.api().put_trigger(BEHIND, &trigger, DEADLINE).await?;
    let mut walks = 0;
    for step in Step::ALL {
        for (act, restart) in acts_of(step).iter().flat_map(|act| {
            [Restart::AuthFirst, Restart::RegistryFirst].map(|restart| (*act, restart))
        }) {
            let api = system.api();
            let walk = Walk { api, receiver: &receiver, act, name: format!("{step}-{walks}") };
            walk.go(&mut system, &kept, (step, restart))
                .await
                .with_context(|| format!("{act:?}, {step}, {restart:?}"))
                .with_context(|| system.output())?;
            walks += 1;
        }
    }
    say(&format!("{walks} crashes at {} steps healed in {:?}", Step::ALL.len(), begin.elapsed()));
    Ok(())
}

/// One crash. What it needs is named after it.
struct Walk<'a> {
    api: Api,
    receiver: &'a Receiver,
    act: Act,
    /// Of the trigger, its events' type, and the function that it is bound to first.
    name: String,
}

impl Walk<'_> {
    async fn go(
        &self,
        system: &mut System,
        kept: &Kept,
        (step, restart): (Step, Restart),
    ) -> anyhow::Result<()> {
        self.prepare().await?;
        self.crash(system, step).await?;
        for service in restart.order() {
            system.process(service, 0)?.process.set_env(ABORT_AT, None);
            system.process(service, 0)?.process.kill().await?;
        }
        for service in restart.order() {
            system.process(service, 0)?.process.restart().await?;
            system.process(service, 0)?.ready().await?;
        }
        self.is_healed(kept).await?;
        is_gone(&self.api, &self.name).await?;
        kept.holds(Bound::default()).await?;
        runs_nothing(&self.api, self.receiver, &self.name).await
    }

    /// All that is there before the act: its function, and a trigger with an event that waits.
    async fn prepare(&self) -> anyhow::Result<()> {
        let (api, name) = (&self.api, &self.name);
        put_function(api, self.receiver, name).await?;
        if self.act == Act::Create {
            return Ok(());
        }
        api.put_trigger(name, &trigger(name, name), DEADLINE).await?;
        runs_once(api, self.receiver, name, "before").await?;
        self.receiver.always(&format!("/{name}"), Answer::status(503));
        publish(api, name, "waiting", name).await?;
        is_in_state(api, name, "waiting", "pending").await?;
        match self.act {
            Act::Replace => put_function(api, self.receiver, &self.other()).await,
            Act::DeleteFunction => {
                let moved = self.moved();
                api.put_trigger(&moved, &trigger(name, &moved), DEADLINE).await?;
                api.put_trigger(&moved, &trigger(BEHIND, &moved), DEADLINE).await
            }
            Act::Create | Act::DeleteTrigger => Ok(()),
        }
    }

    /// Begins the act, and sees the process die at the step.
    async fn crash(&self, system: &mut System, step: Step) -> anyhow::Result<()> {
        arm(system, step).await?;
        // What is answered when the process dies is unknown to whoever asked, and no part of what is promised.
        let status = tokio::select! {
            status = system.process(step.service(), 0)?.process.wait(DEADLINE) => status,
            never = self.ask() => match never {},
        };
        let status = status.context("the step was never reached")?;
        ensure!(status.signal() == Some(SIGABRT), "it ended with {status}");
        Ok(())
    }

    /// Sees that the act is done, and then undoes what it has bound.
    async fn is_healed(&self, kept: &Kept) -> anyhow::Result<()> {
        let (api, name) = (&self.api, &self.name);
        match self.act {
            Act::Create => {
                is_active(api, name).await?;
                kept.holds(Bound { triggers: 1, relations: 1, rules: 1 }).await?;
                runs_once(api, self.receiver, name, "after").await?;
                takes_with_it(api, name, [1, 1, 1]).await
            }
            Act::Replace => {
                is_active(api, name).await?;
                // What the trigger was bound to before stays granted: something that it matched then still waits.
                kept.holds(Bound { triggers: 1, relations: 2, rules: 2 }).await?;
                publish(api, name, "after", name).await?;
                is_in_state(api, name, "after", "succeeded").await?;
                is_in_state(api, name, "waiting", "pending").await?;
                let runs =
                    [name, &self.other()].map(|to| self.receiver.count_to(&format!("/{to}")));
                ensure!(runs == [2, 1], "{runs:?} runs of the function before and the one after");
                takes_with_it(api, name, [0, 1, 1]).await?;
                self.is_cancelled("function-gone").await?;
                kept.holds(Bound { triggers: 1, relations: 1, rules: 1 }).await?;
                takes_with_it(api, &self.other(), [1, 1, 1]).await
            }
            Act::DeleteTrigger => self.is_cancelled("trigger-gone").await,
            Act::DeleteFunction => {
                self.is_cancelled("function-gone").await?;
                is_gone(api, name).await?;
                // Its rule is that of the trigger that stays.
                kept.holds(Bound { triggers: 1, relations: 1, rules: 0 }).await?;
                let moved = self.moved();
                is_active(api, &moved).await?;
                publish(api, name, "moved", &moved).await?;
                is_in_state(api, name, "moved", "succeeded").await?;
                let path = format!("/v1/triggers/{moved}");
                send(api, Method::DELETE, &path, &Value::Null).await?;
                is_gone(api, &moved).await
            }
        }
    }

    async fn is_cancelled(&self, expected: &str) -> anyhow::Result<()> {
        let reason = is_in_state(&self.api, &self.name, "waiting", "cancelled").await?;
        ensure!(reason == expected, "cancelled as {reason}, not {expected}");
        Ok(())
    }

    /// The function that the trigger is bound to in the end, where it is replaced.
    fn other(&self) -> String {
        format!("{}-b", self.name)
    }

    /// The trigger that was moved from the function before that is deleted, and the type of its events.
    fn moved(&self) -> String {
        format!("{}-moved", self.name)
    }

    /// Asks for the act until it is answered: the gateway may not have found the process anew yet.
    async fn ask(&self) -> Infallible {
        let name = &self.name;
        let (function, trigger_path) =
            (format!("/v1/functions/{name}"), format!("/v1/triggers/{name}"));
        let (method, path, body) = match self.act {
            Act::Create => (Method::PUT, trigger_path, trigger(name, name)),
            Act::Replace => (Method::PUT, trigger_path, trigger(&self.other(), name)),
            Act::DeleteTrigger => (Method::DELETE, trigger_path, Value::Null),
            Act::DeleteFunction => (Method::DELETE, function, Value::Null),
        };
        let answered = async || {
            let answer = send(&self.api, method.clone(), &path, &body).await;
            answer.is_ok_and(|(status, _)| !status.is_server_error())
        };
        // Whether the process dies in time is seen by whoever waits for that.
        let _ = wait_until(DEADLINE, answered).await;
        std::future::pending().await
    }
}

/// A function that is called at its name.
async fn put_function(api: &Api, receiver: &Receiver, name: &str) -> anyhow::Result<()> {
    let function = json!({"target": {"kind": "http", "url": receiver.url(&format!("/{name}"))}});
    api.put(&format!("/v1/functions/{name}"), &function).await.map(drop)
}

/// A trigger for events of a type. What fails once waits for long.
fn trigger(function: &str, kind: &str) -> Value {
    json!({"function": function, "pattern": {"type": [kind]},
        "delivery": {"backoff": {"base_ms": 600_000, "max_ms": 600_000}}})
}

/// Starts the process that owns the step anew, to die there.
async fn arm(system: &mut System, step: Step) -> anyhow::Result<()> {
    let running = system.process(step.service(), 0)?;
    running.process.set_env(ABORT_AT, Some(step.name()));
    running.process.restart().await?;
    running.ready().await
}
