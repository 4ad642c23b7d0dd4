//! What the services say of a trigger.

use futures_util::future::{join3, join4};
use tripline_contracts::{Error, pb};
use tripline_kernel::{Classify as _, ErrorKind};

use crate::authn::Caller;
use crate::gateway::Gateway;
use crate::peers::{READ_WAIT, answer};
use crate::refusal::Refusal;

/// How many of the trigger's dead invocations are shown.
const REFUSALS_MAX: u32 = 3;

/// What the services say of a trigger; nothing from one that could not be asked.
pub(super) struct Told {
    pub(super) routing: Option<pb::Routing>,
    pub(super) source: Option<pb::SourceStatus>,
    pub(super) allowed: Option<bool>,
    pub(super) matched: Option<Vec<pb::Invocation>>,
    pub(super) dead: Option<Vec<pb::Invocation>>,
    pub(super) health: Option<pb::FunctionHealth>,
}

/// Asks them all at once. Also who could not be asked, and why.
pub(super) async fn ask(
    gateway: &Gateway,
    caller: Caller,
    trigger: &pb::Trigger,
) -> Result<(Told, Vec<String>), Refusal> {
    let meta = trigger.meta.as_ref().ok_or(Refusal::Contract("trigger-registry"))?;
    let tenant = caller.tenant.to_string();
    let of_trigger = |limit| pb::ListInvocationsRequest {
        tenant: tenant.clone(),
        limit,
        trigger_uid: Some(meta.uid.clone()),
        ..pb::ListInvocationsRequest::default()
    };
    let dead =
        pb::ListInvocationsRequest { state: Some("dead".to_owned()), ..of_trigger(REFUSALS_MAX) };
    let routing = pb::GetRoutingRequest {
        tenant: tenant.clone(),
        bus_uid: trigger.bus_uid.clone(),
        trigger_uid: meta.uid.clone(),
    };
    let health = pb::GetFunctionHealthRequest {
        tenant: tenant.clone(),
        function_uid: trigger.function_uid.clone(),
    };
    let (mut monitor, mut invoker) = (gateway.peers.monitor.clone(), gateway.peers.invoker.clone());
    let of_invoker = join3(
        listed(gateway, of_trigger(1)),
        listed(gateway, dead),
        answer(READ_WAIT, invoker.get_function_health(health)),
    );
    let (routing, source, allowed, (matched, dead, health)) = join4(
        answer(READ_WAIT, monitor.get_routing(routing)),
        source(gateway, &tenant, trigger),
        allowed(gateway, &tenant, trigger),
        of_invoker,
    )
    .await;
    let mut unavailable = Vec::new();
    let told = Told {
        routing: said("event-monitor", routing, &mut unavailable),
        source: said("event-monitor", source, &mut unavailable).flatten(),
        allowed: said("auth", allowed, &mut unavailable),
        matched: said("invoker", matched, &mut unavailable),
        dead: said("invoker", dead, &mut unavailable),
        health: said("invoker", health, &mut unavailable),
    };
    unavailable.dedup();
    Ok((told, unavailable))
}

/// What the trigger's source is doing; nothing when it has none.
async fn source(
    gateway: &Gateway,
    tenant: &str,
    trigger: &pb::Trigger,
) -> Result<Option<pb::SourceStatus>, Error> {
    let Some(source_uid) = trigger.source_uid.clone() else { return Ok(None) };
    let read = pb::GetSourceStatusRequest { tenant: tenant.to_owned(), source_uid };
    let mut monitor = gateway.peers.monitor.clone();
    answer(READ_WAIT, monitor.get_source_status(read)).await.map(Some)
}

/// Whether there is the rule that the invoker demands.
async fn allowed(gateway: &Gateway, tenant: &str, trigger: &pb::Trigger) -> Result<bool, Error> {
    let kind = match trigger.source_uid.clone() {
        Some(source) => pb::subject::Kind::Source(source),
        None => pb::subject::Kind::Bus(trigger.bus_uid.clone()),
    };
    let read = pb::GetRuleRequest {
        tenant: tenant.to_owned(),
        subject: Some(pb::Subject { kind: Some(kind) }),
        function_uid: trigger.function_uid.clone(),
    };
    match answer(READ_WAIT, gateway.peers.auth.clone().get_rule(read)).await {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
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
        tracing::debug!(service, %error, "a trigger is explained without what a service knows");
        unavailable.push(format!("{service}: {}", error.code()));
    };
    answered.map_err(note).ok()
}
