//! A pattern, once it has been understood.

use std::collections::{BTreeMap, BTreeSet};

use crate::comparison::Comparison;
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

/// Every path that a branch needs the values of: those of its fields, and those they are compared with.
pub(crate) fn paths(branch: &Branch) -> BTreeSet<&str> {
    let compared = branch.values().flat_map(|condition| &condition.compared);
    branch.keys().map(|path| &**path).chain(compared.map(|other| &*other.path)).collect()
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
    /// What is asked of all values at once. One of these is enough.
    pub(crate) quantified: Vec<Quantified>,
    /// What is asked of the values beside those of other fields. One of these is enough.
    pub(crate) compared: Vec<Comparison>,
    /// What it costs to ask this of a value.
    pub(crate) cost: usize,
}

impl Condition {
    /// Whether a value of the field is one of those looked for, by itself. It is met in the scope of this value.
    pub(crate) fn admits(&self, value: &Scalar<'_>) -> bool {
        self.present
            || self.exact.binary_search_by(|exact| (exact as &Scalar<'_>).cmp(value)).is_ok()
            || self.operators.iter().any(|operator| operator.admits(value))
    }

    /// Whether all values that the field has in the event, wherever they stand, are as one of [`Self::quantified`] asks,
    /// or there is none and that will do. It is then met outside all arrays.
    pub(crate) fn is_met_by_all<'v, 'e: 'v>(
        &self,
        values: &(impl ExactSizeIterator<Item = &'v Scalar<'e>> + Clone),
    ) -> bool {
        (self.absent && values.len() == 0)
            || self.quantified.iter().any(|quantified| quantified.is_met_by(values.clone()))
    }

    /// Whether a field without values will do.
    pub(crate) fn admits_absence(&self) -> bool {
        self.absent || self.quantified.iter().any(|other| other.quantifier == Quantifier::None)
    }

    /// Whether each alternative is asked of one value by itself.
    pub(crate) fn is_of_one_value(&self) -> bool {
        self.quantified.is_empty() && self.compared.is_empty()
    }
}

/// Alternatives for all values of a field at once.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Quantified {
    pub(crate) quantifier: Quantifier,
    /// Asked of one value each: exact values and operators only.
    pub(crate) alternatives: Condition,
}

/// How many of a field's values the alternatives must admit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Quantifier {
    /// Each one, and there is at least one.
    Every,
    /// Not one.
    None,
}

impl Quantified {
    pub(crate) fn is_met_by<'v, 'e: 'v>(
        &self,
        values: impl ExactSizeIterator<Item = &'v Scalar<'e>>,
    ) -> bool {
        let enough = self.quantifier == Quantifier::None || values.len() > 0;
        enough && self.broken_by(values).is_none()
    }

    /// The first value that is not as asked.
    pub(crate) fn broken_by<'v, 'e: 'v>(
        &self,
        mut values: impl Iterator<Item = &'v Scalar<'e>>,
    ) -> Option<&'v Scalar<'e>> {
        let asked = self.quantifier == Quantifier::Every;
        values.find(|value| self.alternatives.admits(value) != asked)
    }
}
