//! A pattern, once it has been understood.

use std::collections::BTreeMap;

use crate::scalar::Scalar;

/// What an event must have: for each of some paths, one of some values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// By path, its names joined by full stops. At most [`crate::limits::FIELDS_MAX`].
    pub(crate) conditions: BTreeMap<Box<str>, Condition>,
}

impl Pattern {
    /// The pattern that every event matches: what a trigger without a pattern has.
    #[must_use]
    pub fn everything() -> Self {
        Self { conditions: BTreeMap::new() }
    }
}

/// The alternatives for one field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Condition {
    /// Sorted, for look-up.
    pub(crate) exact: Vec<Scalar<'static>>,
    pub(crate) prefixes: Vec<Box<str>>,
    pub(crate) suffixes: Vec<Box<str>>,
    /// Any value will do.
    pub(crate) present: bool,
    /// No value will do as well.
    pub(crate) absent: bool,
}

impl Condition {
    /// Whether a value of the field is one of those looked for.
    pub(crate) fn admits(&self, value: &Scalar<'_>) -> bool {
        self.present
            || self.exact.binary_search_by(|exact| (exact as &Scalar<'_>).cmp(value)).is_ok()
            || value.text().is_some_and(|text| {
                self.prefixes.iter().any(|prefix| text.starts_with(&**prefix))
                    || self.suffixes.iter().any(|suffix| text.ends_with(&**suffix))
            })
    }

    /// Whether only the values in [`Self::exact`] fulfil it.
    pub(crate) fn is_exact(&self) -> bool {
        !self.present && !self.absent && self.prefixes.is_empty() && self.suffixes.is_empty()
    }
}
