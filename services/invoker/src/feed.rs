//! Following the watch streams of registry and auth.

use std::sync::Arc;
use std::time::Duration;

use tonic::Status;
use tripline_contracts::convert::BadField;
use tripline_contracts::pb::auth_client::AuthClient;
use tripline_contracts::pb::change::Resource;
use tripline_contracts::pb::registry_client::RegistryClient;
use tripline_contracts::pb::{self, Change, RuleChange, WatchRequest, WatchRulesRequest};
use tripline_contracts::transport::Client;
use tripline_kernel::{Uid, backoff};
use tripline_runtime::Check;
use tripline_target::Kind;

use crate::convert;
use crate::core::Core;
use crate::invocation::reason;
use crate::snapshot::Consequence;
use crate::store::Group;
use crate::upkeep::Chore;

/// The waits between attempts to connect grow from here…
const RETRY_BASE: Duration = Duration::from_millis(100);
/// …to here.
const RETRY_MAX: Duration = Duration::from_secs(5);

/// Follows functions and triggers, for ever. Cancel by dropping.
pub(crate) async fn follow_registry(
    core: Arc<Core>,
    registry: Client,
    kinds: Vec<Arc<dyn Kind>>,
    health: Check,
) {
    let (mut revision, mut attempt) = (0, 0);
    loop {
        let mut client = RegistryClient::new(registry.clone());
        let request = WatchRequest { after_revision: revision };
        let ended = match client.watch(request).await {
            Ok(stream) => {
                let mut stream = stream.into_inner();
                loop {
                    match stream.message().await {
                        Ok(Some(change)) => {
                            attempt = 0;
                            revision = revision.max(change.revision);
                            apply(&core, &kinds, &change, &health);
                        }
                        Ok(None) => break None,
                        Err(status) => break Some(status),
                    }
                }
            }
            Err(status) => Some(status),
        };
        core.snapshot.set_complete(false);
        attempt += 1;
        pause(&core, attempt, ended, "the registry").await;
    }
}

/// Waits before the next attempt. A stream that `who` ended in order is no failure: whoever stops does so.
async fn pause(core: &Core, attempt: u32, failure: Option<Status>, who: &str) {
    match failure {
        Some(error) => tracing::warn!(
            %error,
            attempt,
            "{who} cannot be followed; going on with what is known"
        ),
        None => tracing::info!(attempt, "{who} ended its stream; following it again"),
    }
    let unit_random = core.entropy.unit();
    tokio::time::sleep(backoff(attempt, RETRY_BASE, RETRY_MAX, unit_random)).await;
}

fn apply(core: &Arc<Core>, kinds: &[Arc<dyn Kind>], change: &Change, health: &Check) {
    let applied = match &change.resource {
        Some(Resource::Function(function)) if change.deleted => function_gone(core, function),
        Some(Resource::Function(function)) => function_changed(core, function, kinds),
        Some(Resource::Trigger(trigger)) if change.deleted => trigger_gone(core, trigger),
        Some(Resource::Trigger(trigger)) => trigger_changed(core, trigger),
        Some(Resource::CaughtUp(_)) => {
            health.ready();
            core.snapshot.set_complete(true);
            core.chores.put(Chore::Reconcile);
            wake_all(core);
            Ok(())
        }
        Some(Resource::Bus(_) | Resource::Source(_)) | None => Ok(()),
    };
    if let Err(error) = applied {
        tracing::error!(
            error = &error as &dyn std::error::Error,
            revision = change.revision,
            "a change of the registry cannot be read"
        );
    }
}

fn function_changed(
    core: &Arc<Core>,
    message: &pb::Function,
    kinds: &[Arc<dyn Kind>],
) -> Result<(), BadField> {
    let function = convert::function(message, kinds)?;
    let uid = function.uid;
    core.snapshot.put_function(function);
    // More of its calls may run at once now.
    core.fill_slots(uid);
    wake(core, uid);
    Ok(())
}

fn function_gone(core: &Core, message: &pb::Function) -> Result<(), BadField> {
    let (tenant, uid) = convert::identity(message.meta.as_ref())?;
    core.snapshot.remove_function(uid);
    core.chores.put(Chore::Cancel(Group::Function(uid), tenant, reason::FUNCTION_GONE));
    Ok(())
}

fn trigger_changed(core: &Core, message: &pb::Trigger) -> Result<(), BadField> {
    let trigger = convert::trigger(message)?;
    let (uid, tenant, function) = (trigger.uid, trigger.tenant, trigger.function);
    match core.snapshot.put_trigger(trigger) {
        Consequence::Resumed => core.chores.put(Chore::MakeDue(Group::Trigger(uid))),
        Consequence::Deleted => {
            core.chores.put(Chore::Cancel(Group::Trigger(uid), tenant, reason::TRIGGER_GONE));
        }
        Consequence::Nothing => wake(core, function),
    }
    Ok(())
}

fn trigger_gone(core: &Core, message: &pb::Trigger) -> Result<(), BadField> {
    let (tenant, uid) = convert::identity(message.meta.as_ref())?;
    core.snapshot.remove_trigger(uid);
    core.chores.put(Chore::Cancel(Group::Trigger(uid), tenant, reason::TRIGGER_GONE));
    Ok(())
}

/// What rows of the function were waiting for may be known now.
fn wake(core: &Core, function: Uid) {
    if core.snapshot.wake(function) {
        core.chores.put(Chore::MakeDue(Group::Function(function)));
    }
}

fn wake_all(core: &Core) {
    for function in core.snapshot.wake_all() {
        core.chores.put(Chore::MakeDue(Group::Function(function)));
    }
}

/// Follows rules, for ever. Cancel by dropping.
pub(crate) async fn follow_rules(core: Arc<Core>, auth: Client, health: Check) {
    let (mut revision, mut attempt) = (0, 0);
    loop {
        let mut client = AuthClient::new(auth.clone());
        let request = WatchRulesRequest { after_revision: revision };
        let ended = match client.watch_rules(request).await {
            Ok(stream) => {
                let mut stream = stream.into_inner();
                loop {
                    match stream.message().await {
                        Ok(Some(change)) => {
                            attempt = 0;
                            revision = revision.max(change.revision);
                            apply_rule(&core, &change, &health);
                        }
                        Ok(None) => break None,
                        Err(status) => break Some(status),
                    }
                }
            }
            Err(status) => Some(status),
        };
        attempt += 1;
        pause(&core, attempt, ended, "auth").await;
    }
}

fn apply_rule(core: &Core, change: &RuleChange, health: &Check) {
    let Some(message) = &change.rule else {
        health.ready();
        // Auth is back: whoever waited for its answer can ask again.
        return wake_all(core);
    };
    match convert::rule(message) {
        Ok(rule) if change.ended => {
            core.snapshot.remove_rule(&rule);
            core.lookup.forget(&rule);
        }
        Ok(rule) => {
            core.snapshot.put_rule(rule);
            wake(core, rule.function);
        }
        Err(error) => {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                revision = change.revision,
                "a rule cannot be read"
            );
        }
    }
}
