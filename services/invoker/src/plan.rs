//! Whether an attempt may be made, as things stand at this moment, and with what.

use std::sync::Arc;
use std::time::Duration;

use tripline_target::Target;

use crate::core::Core;
use crate::invocation::{Invocation, Outcome, reason};
use crate::judge::Policy;
use crate::lookup::Found;
use crate::snapshot::{Callable, Function, Known, Rule, Standing, Trigger};

/// How long an invocation waits at least for something to become known, before it is looked at again; up to twice
/// that. News of it comes earlier, mostly.
const UNKNOWN_WAIT: Duration = Duration::from_secs(2);
/// A function that a complete snapshot has not shown for this long was deleted.
const GONE_AFTER: Duration = Duration::from_secs(60);

/// What an attempt needs.
pub(crate) struct Plan {
    pub(crate) function: Arc<Function>,
    pub(crate) target: Arc<dyn Target>,
    pub(crate) address: Arc<str>,
    pub(crate) trigger: Option<Arc<str>>,
    pub(crate) policy: Policy,
}

impl Core {
    /// What an attempt needs; or where the invocation goes when none may be made now.
    pub(crate) async fn plan(&self, invocation: &Invocation) -> Result<Plan, Outcome> {
        let trigger = match invocation.trigger {
            Some(_) => Some(self.standing_trigger(invocation).await?),
            None => None,
        };
        let function = self.known_function(invocation)?;
        if trigger.is_some() {
            self.check_rule(invocation).await?;
        }
        let policy = match &trigger {
            Some(trigger) => self.policy(invocation, trigger).await?,
            None => Policy::default(),
        };
        let (target, address) = match &function.callable {
            Callable::Target(target, address) => (Arc::clone(target), Arc::clone(address)),
            Callable::Refused(why) => {
                tracing::warn!(function.uid = %function.uid, why, "the function's settings are refused");
                return Err(Outcome::Dead(reason::FORBIDDEN));
            }
            Callable::UnknownKind => return Err(self.wait(invocation, reason::TARGET_UNKNOWN)),
        };
        let trigger = trigger.map(|trigger| Arc::clone(&trigger.name));
        Ok(Plan { function, target, address, trigger, policy })
    }

    /// The trigger, if its invocations may run.
    async fn standing_trigger(&self, invocation: &Invocation) -> Result<Arc<Trigger>, Outcome> {
        let Some(uid) = invocation.trigger else { return Err(Outcome::Dead(reason::FORBIDDEN)) };
        let trigger = match self.snapshot.trigger(uid) {
            Known::Is(trigger) => trigger,
            Known::Gone => return Err(Outcome::Cancelled(reason::TRIGGER_GONE)),
            Known::NotYet => match self.lookup.revision(uid, invocation.revision).await {
                Found::Is(trigger) => trigger,
                Found::No => return Err(Outcome::Cancelled(reason::TRIGGER_GONE)),
                Found::Away => return Err(self.wait(invocation, reason::TRIGGER_UNKNOWN)),
            },
        };
        if trigger.tenant != invocation.tenant {
            return Err(Outcome::Dead(reason::FORBIDDEN));
        }
        match trigger.standing {
            Standing::Running if !self.snapshot.is_paused_here(uid) => Ok(trigger),
            Standing::Running | Standing::Paused => {
                self.snapshot.parked(uid);
                Err(Outcome::Pending { reason: reason::TRIGGER_PAUSED, at: None })
            }
            Standing::Deleting => Err(Outcome::Cancelled(reason::TRIGGER_GONE)),
        }
    }

    fn known_function(&self, invocation: &Invocation) -> Result<Arc<Function>, Outcome> {
        match self.snapshot.function(invocation.function) {
            Known::Is(function) if function.tenant == invocation.tenant => Ok(function),
            Known::Is(_) => Err(Outcome::Dead(reason::FORBIDDEN)),
            Known::Gone => Err(Outcome::Cancelled(reason::FUNCTION_GONE)),
            Known::NotYet => {
                let age = self.clock.now().since(invocation.accepted_at);
                let complete_for = self.snapshot.complete_for();
                if age > GONE_AFTER && complete_for.is_some_and(|span| span > GONE_AFTER) {
                    return Err(Outcome::Cancelled(reason::FUNCTION_GONE));
                }
                Err(self.wait(invocation, reason::FUNCTION_UNKNOWN))
            }
        }
    }

    /// A rule must allow the trigger's subject to invoke the function. Direct calls were allowed by who took them in.
    async fn check_rule(&self, invocation: &Invocation) -> Result<(), Outcome> {
        let Invocation { tenant, subject, function, .. } = *invocation;
        let rule = Rule { tenant, subject, function };
        if self.snapshot.allows(&rule) {
            return Ok(());
        }
        match self.lookup.rule(rule).await {
            Found::Is(()) => Ok(()),
            Found::No => Err(Outcome::Dead(reason::FORBIDDEN)),
            Found::Away => Err(self.wait(invocation, reason::RULE_UNKNOWN)),
        }
    }

    /// The policy of the revision that matched.
    async fn policy(&self, invocation: &Invocation, now: &Trigger) -> Result<Policy, Outcome> {
        if now.revision == invocation.revision {
            return Ok(now.policy);
        }
        match self.lookup.revision(now.uid, invocation.revision).await {
            Found::Is(then) => Ok(then.policy),
            // The trigger lives, its old revision is not kept any more.
            Found::No => Ok(now.policy),
            Found::Away => Err(self.wait(invocation, reason::TRIGGER_UNKNOWN)),
        }
    }

    fn wait(&self, invocation: &Invocation, reason: &'static str) -> Outcome {
        self.snapshot.waits(invocation.function);
        let wait = UNKNOWN_WAIT.mul_f64(1.0 + self.entropy.unit());
        Outcome::Pending { reason, at: Some(self.clock.now().after(wait)) }
    }
}
