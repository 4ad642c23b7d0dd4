//! Relations: the half of what binds a trigger that is kept here. The other half, the rule, is kept by auth.

use tripline_event::Subject;
use tripline_kernel::{TenantUid, Uid};

/// Which subject a trigger leads to which function. Never changes; a trigger that does gets a new one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Relation {
    pub(crate) uid: Uid,
    pub(crate) tenant: TenantUid,
    pub(crate) trigger: Uid,
    pub(crate) subject: Subject,
    pub(crate) function: Uid,
    /// The rule that auth counts it under, once it is granted.
    pub(crate) rule: Option<Uid>,
}
