//! A pattern, once it has been understood.

use std::collections::BTreeMap;

use crate::operator::Operator;
use crate::scalar::Scalar;

/// What an event must have, in one of some ways.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// One of these must be met. More than one where the pattern has a `$or`.
    pub(crate) branches: Vec<Branch>,
}

/// By path, its names joined by full stops: for each, one of some values. At most [`crate::limits::FIELDS_MAX`].
pub(crate) type Branch = BTreeMap<Box<str>, Condition>;

impl Pattern {
    /// The pattern that every event matches: what a trigger without a pattern has.
    #[must_use]
    pub fn everything() -> Self {
        Self { branches: vec![Branch::new()] }
    }
}

/// The alternatives for one field.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Condition {
    /// Sorted, for look-up.
    pub(crate) exact: Vec<Scalar<'static>>,
    pub(crate) operators: Vec<Operator>,
    /// Any value will do.
    pub(crate) present: bool,
    /// No value will do as well.
    pub(crate) absent: bool,
    /// What it costs to ask this of a value.
    pub(crate) cost: usize,
}

impl Condition {
    /// Whether a value of the field is one of those looked for.
    pub(crate) fn admits(&self, value: &Scalar<'_>) -> bool {
        self.present
            || self.exact.binary_search_by(|exact| (exact as &Scalar<'_>).cmp(value)).is_ok()
            || self.operators.iter().any(|operator| operator.admits(value))
    }
}
