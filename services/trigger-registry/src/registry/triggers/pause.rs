//! Pausing and resuming. Changes of state only: nothing is written to the log, and the definition stays in force.

use tripline_kernel::{Name, TenantUid, Uid};

use crate::condition::Condition;
use crate::registry::{Error, Registry};
use crate::resource::Kind;
use crate::store::{self, Write};
use crate::trigger::{State, Trigger};

/// Longest reason, in bytes. What is longer is cut.
const REASON_BYTES_MAX: usize = 500;

/// Which trigger is meant.
#[derive(Clone, Debug)]
pub(crate) enum Which {
    Name(Name),
    Uid(Uid),
}

impl Registry {
    /// Pauses a trigger. One that is paused already keeps its first reason.
    pub(crate) async fn pause_trigger(
        &self,
        tenant: TenantUid,
        which: &Which,
        condition: Condition,
        reason: &str,
    ) -> Result<Trigger, Error> {
        self.set_state(tenant, which, condition, State::Paused(tidy(reason))).await
    }

    /// Resumes a trigger. One that is active stays so.
    pub(crate) async fn resume_trigger(
        &self,
        tenant: TenantUid,
        which: &Which,
        condition: Condition,
    ) -> Result<Trigger, Error> {
        self.set_state(tenant, which, condition, State::Active).await
    }

    async fn set_state(
        &self,
        tenant: TenantUid,
        which: &Which,
        condition: Condition,
        state: State,
    ) -> Result<Trigger, Error> {
        let mut write = self.store.write().await?;
        let mut trigger = find(&write, tenant, which).await?;
        condition.check(Kind::Trigger, &trigger.meta.name, Some(&trigger.meta))?;
        match (&trigger.state, &state) {
            (State::Activating, _) => return Err(Error::Activating(trigger.meta.name)),
            (State::Deleting, _) => return Err(Error::Deleting(trigger.meta.name)),
            (State::Active, State::Active) | (State::Paused(_), State::Paused(_)) => {
                return Ok(trigger);
            }
            (State::Active | State::Paused(_), _) => {}
        }
        trigger.state = state;
        write.stamp(&mut trigger.meta);
        write.update(&trigger).await?;
        write.commit().await?;
        tracing::info!(
            trigger.name = %trigger.meta.name,
            trigger.uid = %trigger.meta.uid,
            reason = trigger.state.reason(),
            "trigger '{}' is now {}", trigger.meta.name, trigger.state.as_str()
        );
        Ok(trigger)
    }
}

async fn find(write: &Write, tenant: TenantUid, which: &Which) -> Result<Trigger, Error> {
    let found = match which {
        Which::Name(name) => store::named(write.db(), tenant, name).await?,
        Which::Uid(uid) => store::with_uid(write.db(), tenant, *uid).await?,
    };
    found.ok_or_else(|| match which {
        Which::Name(name) => Error::not_found(Kind::Trigger, name.as_str()),
        Which::Uid(uid) => Error::not_found(Kind::Trigger, &uid.to_string()),
    })
}

/// The reason without control characters (which not every database takes), cut to its longest length.
fn tidy(reason: &str) -> String {
    let mut tidy: String = reason.chars().filter(|c| !c.is_control()).collect();
    tidy.truncate(tidy.floor_char_boundary(REASON_BYTES_MAX));
    tidy
}

#[cfg(test)]
mod tests {
    use super::{REASON_BYTES_MAX, tidy};

    #[test]
    fn a_reason_is_cut_between_characters_and_loses_what_databases_refuse() {
        assert_eq!(tidy("gone\0\n (410)"), "gone (410)");
        let cut = tidy(&"ä€".repeat(REASON_BYTES_MAX));
        assert!(cut.len() <= REASON_BYTES_MAX && cut.len() > REASON_BYTES_MAX - 4);
    }
}
