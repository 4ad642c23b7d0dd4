//! What all stored resources share.

use std::fmt;

use tripline_kernel::{Name, TenantUid, Timestamp, Uid};

/// Identity and version of a stored resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Meta {
    pub(crate) tenant: TenantUid,
    pub(crate) name: Name,
    pub(crate) uid: Uid,
    /// The revision of the last change; 0 until the resource is stored.
    pub(crate) revision: u64,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

impl Meta {
    /// A resource that is about to be stored.
    pub(crate) fn new(tenant: TenantUid, name: Name, uid: Uid, now: Timestamp) -> Self {
        Self { tenant, name, uid, revision: 0, created_at: now, updated_at: now }
    }

    /// The resource as others refer to it.
    pub(crate) fn reference(&self) -> Ref {
        Ref { uid: self.uid, name: self.name.clone() }
    }
}

/// A reference to another resource. Names never change under a uid, so keeping both saves the look-up.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Ref {
    pub(crate) uid: Uid,
    pub(crate) name: Name,
}

/// The kinds of resources.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Bus,
    Function,
    Source,
    Trigger,
}

impl Kind {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Bus => "bus",
            Self::Function => "function",
            Self::Source => "source",
            Self::Trigger => "trigger",
        }
    }

    /// The kind of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        [Self::Bus, Self::Function, Self::Source, Self::Trigger]
            .into_iter()
            .find(|kind| kind.as_str() == name)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
