//! Triggers: which events invoke which function.

mod delivery;
mod relation;

pub(crate) use delivery::Delivery;
pub(crate) use relation::Relation;

use tripline_event::{Subject, TriggerDefinition};
use tripline_kernel::{Classify as _, Fault, Name, TenantUid, Uid};
use tripline_pattern::Pattern;

use crate::condition::Condition;
use crate::resource::{Meta, Ref};

/// A stored trigger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trigger {
    pub(crate) meta: Meta,
    pub(crate) spec: Spec,
    pub(crate) state: State,
    /// The relation that allows the newest definition's subject to invoke its function.
    pub(crate) relation: Uid,
    /// The revision at which `spec` was last changed. Lane entries name it.
    pub(crate) definition_revision: u64,
}

/// What its owner says of a trigger.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Spec {
    pub(crate) bus: Ref,
    /// Only events brought by this source; `None`: all of the bus.
    pub(crate) source: Option<Ref>,
    /// As it was given, JSON text; `None` matches every event.
    pub(crate) pattern: Option<String>,
    pub(crate) function: Ref,
    pub(crate) delivery: Delivery,
    pub(crate) start: Start,
}

impl Spec {
    /// In whose name the function is invoked.
    pub(crate) fn subject(&self) -> Subject {
        match &self.source {
            Some(source) => Subject::Source(source.uid),
            None => Subject::Bus(self.bus.uid),
        }
    }

    /// What the router needs to know.
    pub(crate) fn definition(&self) -> TriggerDefinition {
        TriggerDefinition {
            source: self.source.as_ref().map(|source| source.uid),
            pattern: self.pattern.as_deref().map(Into::into),
            function: self.function.uid,
        }
    }
}

/// Where in the bus a trigger begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Start {
    /// Behind its own marker: what is published from now on.
    Latest,
}

impl Start {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Latest => "latest",
        }
    }
}

/// What a trigger is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Not in force on every partition yet.
    Activating,
    /// In force.
    Active,
    /// In force, but its invocations wait, for this reason.
    Paused(String),
    /// On its way out.
    Deleting,
}

impl State {
    pub(crate) const fn as_str(&self) -> &'static str {
        match self {
            Self::Activating => "activating",
            Self::Active => "active",
            Self::Paused(_) => "paused",
            Self::Deleting => "deleting",
        }
    }

    /// Why it is paused; empty otherwise.
    pub(crate) fn reason(&self) -> &str {
        match self {
            Self::Paused(reason) => reason,
            Self::Activating | Self::Active | Self::Deleting => "",
        }
    }

    /// The state of this name.
    pub(crate) fn named(name: &str, reason: String) -> Option<Self> {
        match name {
            "activating" => Some(Self::Activating),
            "active" => Some(Self::Active),
            "paused" => Some(Self::Paused(reason)),
            "deleting" => Some(Self::Deleting),
            _ => None,
        }
    }
}

/// A trigger as it was asked for, with all that is wrong in it so far. References are looked up when it is stored.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) tenant: TenantUid,
    pub(crate) name: Name,
    pub(crate) condition: Condition,
    pub(crate) bus: String,
    pub(crate) source: Option<String>,
    pub(crate) pattern: Option<String>,
    pub(crate) function: String,
    pub(crate) delivery: Delivery,
    pub(crate) start: String,
}

impl Draft {
    /// Everything that can be seen to be wrong without looking anything up.
    pub(crate) fn faults(&self) -> Vec<Fault> {
        let mut faults = self.pattern.as_deref().map(pattern_faults).unwrap_or_default();
        faults.extend(self.delivery.faults().into_iter().map(|fault| fault.under("/delivery")));
        if self.start != Start::Latest.as_str() {
            let detail = "a trigger can only start at 'latest'";
            faults.push(Fault::new("/start", "unsupported-start", detail));
        }
        faults
    }
}

fn pattern_faults(pattern: &str) -> Vec<Fault> {
    let Err(error) = Pattern::parse(pattern) else {
        return Vec::new();
    };
    let faults = error.faults().iter().cloned().map(|fault| fault.under("/pattern"));
    let faults: Vec<_> = faults.collect();
    if faults.is_empty() {
        return vec![Fault::new("/pattern", error.code(), error.to_string())];
    }
    faults
}
