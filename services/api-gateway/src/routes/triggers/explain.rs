//! Why a trigger runs, or does not.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use futures_util::future::join4;
use serde::Serialize;
use tripline_contracts::{Error, pb};
use tripline_kernel::{Classify as _, Timestamp};
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

/// How many of the trigger's dead invocations are shown.
const REFUSALS_MAX: u32 = 3;
/// How many of the function's invocations are looked at.
const LOOKED_AT_MAX: u32 = 20;

/// All that is known of a trigger, and what follows from it. What cannot be asked just now is null, and named.
#[derive(Serialize)]
struct Explanation {
    name: String,
    state: &'static str,
    state_reason: Option<String>,
    /// What stands between an event and its function, in words; empty when nothing does.
    obstacles: Vec<String>,
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
    /// `answering`, `failing`, or `unknown` when it was not called lately.
    state: &'static str,
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
    let target = told.called.map(|called| Target::of(trigger.function, &called));
    let standing = Standing {
        state,
        reason: filled(trigger.state_reason),
        partitions: partitions.as_deref(),
        partitions_all: bus.partitions.into(),
        target: target.as_ref(),
    };
    Ok(HttpResponse::Ok().json(Explanation {
        name: trigger.meta.map(|meta| meta.name).unwrap_or_default(),
        state,
        obstacles: standing.obstacles(),
        state_reason: standing.reason,
        partitions,
        last_match: told.matched.and_then(|items| shown(items).pop()),
        last_refusals: told.dead.map(shown),
        target,
        unavailable,
    }))
}

/// What the services say of a trigger; nothing from one that could not be asked.
struct Told {
    routing: Option<pb::Routing>,
    matched: Option<Vec<pb::Invocation>>,
    dead: Option<Vec<pb::Invocation>>,
    called: Option<Vec<pb::Invocation>>,
}

/// Asks them all at once. Also who could not be asked, and why.
async fn ask(
    gateway: &Gateway,
    caller: Caller,
    trigger: &pb::Trigger,
) -> Result<(Told, Vec<String>), Refusal> {
    let meta = trigger.meta.as_ref().ok_or(Refusal::Contract("trigger-registry"))?;
    let tenant = caller.tenant.to_string();
    let newest = |limit| pb::ListInvocationsRequest {
        tenant: tenant.clone(),
        limit,
        ..pb::ListInvocationsRequest::default()
    };
    let of_trigger =
        |limit| pb::ListInvocationsRequest { trigger_uid: Some(meta.uid.clone()), ..newest(limit) };
    let dead =
        pb::ListInvocationsRequest { state: Some("dead".to_owned()), ..of_trigger(REFUSALS_MAX) };
    let of_function = pb::ListInvocationsRequest {
        function_uid: Some(trigger.function_uid.clone()),
        ..newest(LOOKED_AT_MAX)
    };
    let routing = pb::GetRoutingRequest {
        tenant: tenant.clone(),
        bus_uid: trigger.bus_uid.clone(),
        trigger_uid: meta.uid.clone(),
    };
    let mut monitor = gateway.peers.monitor.clone();
    let (routing, matched, dead, called) = join4(
        answer(READ_WAIT, monitor.get_routing(routing)),
        listed(gateway, of_trigger(1)),
        listed(gateway, dead),
        listed(gateway, of_function),
    )
    .await;
    let mut unavailable = Vec::new();
    let told = Told {
        routing: said("event-monitor", routing, &mut unavailable),
        matched: said("invoker", matched, &mut unavailable),
        dead: said("invoker", dead, &mut unavailable),
        called: said("invoker", called, &mut unavailable),
    };
    unavailable.dedup();
    Ok((told, unavailable))
}

async fn listed(
    gateway: &Gateway,
    read: pb::ListInvocationsRequest,
) -> Result<Vec<pb::Invocation>, Error> {
    let mut invoker = gateway.peers.invoker.clone();
    Ok(answer(READ_WAIT, invoker.list_invocations(read)).await?.items)
}

/// What a service said; that it could not be asked goes onto the list.
fn said<T>(service: &str, answered: Result<T, Error>, unavailable: &mut Vec<String>) -> Option<T> {
    let note = |error: Error| {
        tracing::warn!(service, %error, "a trigger is explained without what a service knows");
        unavailable.push(format!("{service}: {}", error.code()));
    };
    answered.map_err(note).ok()
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

impl Target {
    /// From its invocations, newest first.
    fn of(function: String, called: &[pb::Invocation]) -> Self {
        let attempts = called.iter().flat_map(|invocation| &invocation.attempts);
        let (succeeded, failed): (Vec<_>, Vec<_>) =
            attempts.partition(|attempt| attempt.error.is_empty());
        let success = succeeded.iter().map(|attempt| attempt.started_at).max();
        let failure = failed.iter().max_by_key(|attempt| attempt.started_at);
        let failure_at = failure.map(|attempt| attempt.started_at);
        Self {
            function,
            state: match (success, failure_at) {
                (None, None) => "unknown",
                (success, failure) if success >= failure => "answering",
                _ => "failing",
            },
            last_success_at: success.map(Timestamp::from_micros),
            last_failure_at: failure_at.map(Timestamp::from_micros),
            last_failure: failure.map(|attempt| attempt.error.clone()),
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
        if let Some(Target { state: "failing", last_failure: Some(why), function, .. }) =
            self.target
        {
            found.push(format!("the function '{function}' fails: {why}"));
        }
        found
    }
}
