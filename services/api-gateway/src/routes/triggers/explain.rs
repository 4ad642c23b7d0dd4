//! Why a trigger runs, or does not.

mod told;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use tripline_contracts::pb;
use tripline_kernel::Timestamp;
use tripline_runtime::Problem;

use super::super::invocations::view::Invocation;
use super::super::name;
use super::view::state;
use crate::answer::filled;
use crate::authn::Caller;
use crate::gateway::Gateway;
use crate::peers::{READ_WAIT, answer};
use crate::query::Query;
use crate::refusal::{Kind, Refusal};
use told::ask;

/// All that is known of a trigger, and what follows from it. What cannot be asked just now is null, and named.
#[derive(Serialize)]
struct Explanation {
    name: String,
    state: &'static str,
    state_reason: Option<String>,
    /// What stands between an event and its function, in words. Empty when nothing is known to, which is less than that
    /// nothing does while a service cannot be asked.
    obstacles: Vec<String>,
    /// The source whose events it takes; nothing when it takes those of its whole bus.
    source: Option<Source>,
    /// Whether a rule lets its source, or its bus, invoke the function.
    allowed: Option<bool>,
    /// How far the routers have come, by partition of the trigger's bus.
    partitions: Option<Vec<Partition>>,
    /// The newest invocation that it gave rise to.
    last_match: Option<Invocation>,
    /// The newest of its invocations that ended dead, each with the reason.
    last_refusals: Option<Vec<Invocation>>,
    target: Option<Target>,
    /// Services that could not be asked, each with the reason.
    unavailable: Vec<String>,
}

/// What the trigger's source is doing.
#[derive(Serialize)]
struct Source {
    source: String,
    /// `starting`, `running`, `failing` or `paused`; null when event-monitor cannot be asked.
    state: Option<String>,
    reason: Option<String>,
}

/// A partition, as of its router's last checkpoint, at most about a second ago.
#[derive(Serialize)]
struct Partition {
    partition: u32,
    /// The next frame of the log to be routed.
    next_offset: u64,
    /// Events routed over the partition's whole life, copies left out.
    accepted: u64,
    deduplicated: u64,
    /// Whether the newest definition of the trigger is in force there.
    in_force: bool,
}

/// How the function has answered lately, whichever trigger called it.
#[derive(Serialize)]
struct Target {
    function: String,
    /// `answering`, `failing`, or `unknown` when it was not called lately. A function that refuses an event answers.
    state: String,
    last_success_at: Option<Timestamp>,
    last_failure_at: Option<Timestamp>,
    last_failure: Option<String>,
}

/// `GET /v1/triggers/{name}/explain`.
pub(in crate::routes) async fn explain(
    request: HttpRequest,
    caller: Caller,
    gateway: Data<Gateway>,
) -> Result<HttpResponse, Problem> {
    Query::new(request.query_string()).finish()?;
    let name = name(&request, Kind::Trigger)?;
    let mut registry = gateway.peers.registry.clone();
    let trigger = answer(READ_WAIT, registry.get_trigger(caller.get_request(name))).await?;
    let bus = gateway.bus(caller.tenant, &trigger.bus).await?;
    let (told, unavailable) = ask(&gateway, caller, &trigger).await?;
    let shown = |items: Vec<pb::Invocation>| {
        items.into_iter().map(|item| Invocation::of(item, &gateway.snapshot)).collect::<Vec<_>>()
    };
    let state = state(trigger.state()).ok_or(Refusal::Contract("trigger-registry"))?;
    let revision = trigger.definition_revision;
    let partitions = told.routing.map(|routing| partitions(routing, revision));
    let target = told.health.map(|health| Target::of(trigger.function, health));
    let source = trigger.source.map(|name| Source::of(name, told.source));
    let standing = Standing {
        state,
        reason: filled(trigger.state_reason),
        partitions: partitions.as_deref(),
        partitions_all: bus.partitions.into(),
        target: target.as_ref(),
        source: source.as_ref(),
        allowed: told.allowed,
    };
    Ok(HttpResponse::Ok().json(Explanation {
        name: trigger.meta.map(|meta| meta.name).unwrap_or_default(),
        state,
        obstacles: standing.obstacles(),
        state_reason: standing.reason,
        allowed: told.allowed,
        source,
        partitions,
        last_match: told.matched.and_then(|items| shown(items).pop()),
        last_refusals: told.dead.map(shown),
        target,
        unavailable,
    }))
}

fn partitions(routing: pb::Routing, revision: u64) -> Vec<Partition> {
    let partition = |one: pb::PartitionRouting| Partition {
        partition: one.partition,
        next_offset: one.next_offset,
        accepted: one.accepted,
        deduplicated: one.deduplicated,
        in_force: one.definition_revision == Some(revision),
    };
    routing.partitions.into_iter().map(partition).collect()
}

impl Source {
    fn of(source: String, status: Option<pb::SourceStatus>) -> Self {
        let (state, reason) = match status {
            Some(status) => (Some(status.state), filled(status.reason)),
            None => (None, None),
        };
        Self { source, state, reason }
    }
}

impl Target {
    fn of(function: String, health: pb::FunctionHealth) -> Self {
        Self {
            function,
            state: health.state,
            last_success_at: health.last_success_at.map(Timestamp::from_micros),
            last_failure_at: health.last_failure_at.map(Timestamp::from_micros),
            last_failure: filled(health.last_failure),
        }
    }
}

/// What decides whether an event reaches its function.
struct Standing<'a> {
    state: &'static str,
    reason: Option<String>,
    /// Those that a router has begun; nothing when that is not known.
    partitions: Option<&'a [Partition]>,
    partitions_all: usize,
    target: Option<&'a Target>,
    source: Option<&'a Source>,
    allowed: Option<bool>,
}

impl Standing<'_> {
    fn obstacles(&self) -> Vec<String> {
        let mut found = Vec::new();
        let why = self.reason.as_deref().unwrap_or("no reason is known");
        match self.state {
            "active" => {}
            "paused" => found.push(format!("it is paused: {why}; what matches waits")),
            other => found.push(format!("it is {other}")),
        }
        if let Some(Source { source, state: Some(state), reason }) = self.source
            && state != "running"
        {
            let why = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
            found.push(format!("its source '{source}' is {state}{why}"));
        }
        if self.allowed == Some(false) {
            let subject = if self.source.is_some() { "source" } else { "bus" };
            found.push(format!("no rule lets its {subject} invoke the function"));
        }
        if let Some(partitions) = self.partitions {
            let all = self.partitions_all;
            let applied = partitions.iter().filter(|partition| partition.in_force).count();
            if applied < all {
                let behind = all - applied;
                found.push(format!(
                    "its definition is not in force on {behind} of {all} partitions"
                ));
            }
        }
        if let Some(Target { state, last_failure: Some(why), function, .. }) = self.target
            && state == "failing"
        {
            found.push(format!("the function '{function}' fails: {why}"));
        }
        found
    }
}
