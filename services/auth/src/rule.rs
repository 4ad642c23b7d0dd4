//! Rules: who may invoke which function.

use tripline_event::Subject;
use tripline_kernel::{TenantUid, Uid};

/// What a rule allows: this subject of this tenant may invoke this function. There is at most one rule for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Binding {
    pub(crate) tenant: TenantUid,
    pub(crate) subject: Subject,
    pub(crate) function: Uid,
}

/// A rule in force. It lives as long as a relation needs it; made anew later, it has another uid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) uid: Uid,
    pub(crate) binding: Binding,
    /// When, in the order of all changes, it began; in a [`Change`] that ends it, when it ended.
    pub(crate) revision: u64,
}

/// A rule began, or ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) rule: Rule,
    pub(crate) ended: bool,
}

/// The identity of an API key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyHolder {
    pub(crate) tenant: TenantUid,
    pub(crate) uid: Uid,
    pub(crate) name: String,
}
