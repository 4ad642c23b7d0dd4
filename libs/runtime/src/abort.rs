//! Dying on purpose at a named step of the binding protocol, so that a test can see what is found after a crash there.
//!
//! # Invariants
//! - Between any two durable effects of creating, replacing and deleting a trigger, and of deleting a function, there is
//!   a step: whoever dies at each of them in turn has died at every place that a restart can tell apart.
//! - Nothing is read when a step is reached but the choice that was made at the start.

use std::fmt;
use std::str::FromStr;

/// A place between two durable effects of the binding protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Registry: a new or replaced trigger and its task are committed; nothing has happened elsewhere.
    TriggerStored,
    /// Auth: a relation is granted; the registry has not heard of it.
    RuleGranted,
    /// Registry: auth has said that the relation is granted; no partition is marked.
    TriggerGranted,
    /// Registry: one partition holds the marker of the definition; others may not.
    TriggerPartlyMarked,
    /// Registry: every partition holds the marker; the trigger is not noted as in force.
    TriggerMarked,
    /// Registry: the trigger is noted as in force; nobody was answered.
    TriggerApplied,
    /// Registry: a trigger is noted as being deleted; nothing has happened elsewhere.
    RemovalStored,
    /// Registry: one partition holds the marker of the removal; others may not.
    RemovalPartlyMarked,
    /// Registry: every partition holds the marker of the removal; no relation is revoked.
    RemovalMarked,
    /// Auth: a relation is revoked; the registry has not heard of it.
    RuleRevoked,
    /// Registry: auth has said that a relation is revoked; it is still in the registry, and others may not be revoked.
    RelationRevoked,
    /// Registry: the trigger is gone; nobody was answered.
    TriggerRemoved,
    /// Registry: a function is gone and its triggers are noted as being deleted; nothing has happened elsewhere.
    FunctionDeleted,
    /// Registry: relations of earlier definitions of triggers that stay are revoked and forgotten; nobody was answered.
    EarlierForgotten,
}

impl Step {
    /// Every step.
    pub const ALL: [Self; 14] = [
        Self::TriggerStored,
        Self::RuleGranted,
        Self::TriggerGranted,
        Self::TriggerPartlyMarked,
        Self::TriggerMarked,
        Self::TriggerApplied,
        Self::RemovalStored,
        Self::RemovalPartlyMarked,
        Self::RemovalMarked,
        Self::RuleRevoked,
        Self::RelationRevoked,
        Self::TriggerRemoved,
        Self::FunctionDeleted,
        Self::EarlierForgotten,
    ];

    /// Its name, in kebab case.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::TriggerStored => "trigger-stored",
            Self::RuleGranted => "rule-granted",
            Self::TriggerGranted => "trigger-granted",
            Self::TriggerPartlyMarked => "trigger-partly-marked",
            Self::TriggerMarked => "trigger-marked",
            Self::TriggerApplied => "trigger-applied",
            Self::RemovalStored => "removal-stored",
            Self::RemovalPartlyMarked => "removal-partly-marked",
            Self::RemovalMarked => "removal-marked",
            Self::RuleRevoked => "rule-revoked",
            Self::RelationRevoked => "relation-revoked",
            Self::TriggerRemoved => "trigger-removed",
            Self::FunctionDeleted => "function-deleted",
            Self::EarlierForgotten => "earlier-forgotten",
        }
    }

    /// The service whose process dies there.
    #[must_use]
    pub fn service(self) -> &'static str {
        match self {
            Self::RuleGranted | Self::RuleRevoked => "auth",
            Self::TriggerStored
            | Self::TriggerGranted
            | Self::TriggerPartlyMarked
            | Self::TriggerMarked
            | Self::TriggerApplied
            | Self::RemovalStored
            | Self::RemovalPartlyMarked
            | Self::RemovalMarked
            | Self::RelationRevoked
            | Self::TriggerRemoved
            | Self::FunctionDeleted
            | Self::EarlierForgotten => "trigger-registry",
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that no step has.
#[derive(Debug, thiserror::Error)]
#[error("'{0}' is not a step; the steps are: {list}", list = Step::ALL.map(Step::name).join(", "))]
pub struct UnknownStep(String);

impl FromStr for Step {
    type Err = UnknownStep;

    fn from_str(name: &str) -> Result<Self, UnknownStep> {
        let found = Self::ALL.into_iter().find(|step| step.name() == name);
        found.ok_or_else(|| UnknownStep(name.to_owned()))
    }
}

/// Where the process is to die, if anywhere.
#[derive(Clone, Copy, Debug, Default)]
pub struct Abort(Option<Step>);

impl Abort {
    /// Dies at this step.
    #[must_use]
    pub fn at(step: Step) -> Self {
        Self(Some(step))
    }

    /// Says that a step is reached. Does not return when it is the chosen one: the process ends there, without unwinding.
    pub fn reached(self, step: Step) {
        if self.0 == Some(step) {
            tracing::error!(step = step.name(), "aborting, as TRIPLINE_ABORT_AT asks");
            std::process::abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Step;

    #[test]
    fn each_step_has_a_name_of_its_own_that_reads_back() {
        for step in Step::ALL {
            assert_eq!(step.name().parse::<Step>().unwrap(), step);
        }
        let error = "trigger-lost".parse::<Step>().unwrap_err().to_string();
        assert!(error.contains("trigger-lost") && error.contains("rule-revoked"), "{error}");
    }
}
