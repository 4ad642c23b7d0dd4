//! What changes of functions and triggers call for in the store, and telling the registry of a trigger to be paused.

use std::sync::Arc;
use std::time::Duration;

use tripline_contracts::pb::registry_client::RegistryClient;
use tripline_contracts::pb::{PauseTriggerRequest, pause_trigger_request::Which};
use tripline_contracts::transport::Client;
use tripline_kernel::{Uid, backoff};

use crate::core::Core;
use crate::invocation::reason;
use crate::snapshot::{Known, Standing};
use crate::store::{Group, Stats};

/// The waits between attempts grow from here…
const RETRY_BASE: Duration = Duration::from_millis(200);
/// …to here.
const RETRY_MAX: Duration = Duration::from_secs(30);
/// What the registry shows as the reason of a pause.
const GONE_REASON: &str = "the function answered 410 Gone";

/// Something to be done in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Chore {
    /// Rows that wait for something may run.
    MakeDue(Group),
    /// Rows are wanted no more.
    Cancel(Group, Uid, &'static str),
    /// Rows parked by an earlier process: their triggers may have been resumed or deleted since.
    Reconcile,
}

/// A trigger to be paused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pause {
    pub(crate) tenant: Uid,
    pub(crate) trigger: Uid,
}

/// Does the chores, one after the other, each until it is done. Cancel by dropping.
pub(crate) async fn work(core: Arc<Core>) {
    loop {
        let chore = core.chores.next().await;
        let mut attempt = 0;
        while let Err(error) = run(&core, chore).await {
            attempt += 1;
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                ?chore,
                "a change could not be applied to the store yet"
            );
            let unit_random = core.entropy.unit();
            tokio::time::sleep(backoff(attempt, RETRY_BASE, RETRY_MAX, unit_random)).await;
        }
    }
}

async fn run(core: &Core, chore: Chore) -> Result<(), tripline_db::Error> {
    let now = core.clock.now();
    match chore {
        Chore::MakeDue(group) => {
            core.store.make_due(group, now).await?;
            match group {
                Group::Function(function) => core.schedule.at(function, now),
                // Rows of a trigger may be of several functions, when it was edited.
                Group::Trigger(_) => core.schedule.reload(),
            }
        }
        Chore::Cancel(group, tenant, reason) => {
            let epoch = core.tenure.wait().await;
            let cancelled = core.store.cancel(group, (tenant, reason), (epoch, now)).await?;
            if cancelled > 0 {
                tracing::info!(cancelled, ?group, reason, "pending invocations were cancelled");
                let cancelled = cancelled.cast_signed();
                core.metrics.add(&Stats { cancelled, ..Stats::default() });
            }
        }
        Chore::Reconcile => {
            for (trigger, tenant) in core.store.parked_triggers().await? {
                match core.snapshot.trigger(trigger) {
                    Known::Is(known) if known.standing == Standing::Paused => {
                        core.snapshot.parked(trigger);
                    }
                    Known::Gone => {
                        let group = Group::Trigger(trigger);
                        core.chores.put(Chore::Cancel(group, tenant, reason::TRIGGER_GONE));
                    }
                    // What is to become of them shows when they are tried.
                    Known::Is(_) | Known::NotYet => {
                        core.chores.put(Chore::MakeDue(Group::Trigger(trigger)));
                    }
                }
            }
        }
    }
    Ok(())
}

/// Tells the registry of triggers to be paused, each until it has heard. Cancel by dropping.
pub(crate) async fn pause(core: Arc<Core>, registry: Client) {
    let registry = RegistryClient::new(registry);
    let mut attempt = 0;
    loop {
        let pause = core.pauses.next().await;
        let request = PauseTriggerRequest {
            tenant: pause.tenant.to_string(),
            which: Some(Which::Uid(pause.trigger.to_string())),
            reason: GONE_REASON.to_owned(),
            condition: None,
        };
        let Err(status) = registry.clone().pause_trigger(request).await else {
            attempt = 0;
            continue;
        };
        if status.code() == tonic::Code::NotFound {
            continue;
        }
        attempt += 1;
        tracing::warn!(trigger.uid = %pause.trigger, error = %status, "a trigger could not be paused yet");
        core.pauses.put(pause);
        let unit_random = core.entropy.unit();
        tokio::time::sleep(backoff(attempt, RETRY_BASE, RETRY_MAX, unit_random)).await;
    }
}
