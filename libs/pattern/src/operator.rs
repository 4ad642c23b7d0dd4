//! What a pattern can ask of a value, beyond being one of some.

use std::cmp::Ordering;

use crate::bytes;
use crate::fold;
use crate::glob::Glob;
use crate::network::Network;
use crate::pattern::Condition;
use crate::scalar::Scalar;
use crate::search::Search;

/// One operator with its operand.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Operator {
    Prefix(Box<str>),
    Suffix(Box<str>),
    /// The same, whatever the case.
    PrefixIgnoreCase(Box<str>),
    SuffixIgnoreCase(Box<str>),
    EqualsIgnoreCase(Box<str>),
    Contains(Box<str>),
    ContainsIgnoreCase(Search),
    Wildcard(Glob),
    Regex(Search),
    Numeric(Interval),
    Cidr(Network),
    AnythingBut(Exception),
    /// None of these alternatives: exact values and operators only.
    Not(Box<Condition>),
}

/// What a value must not be.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Exception {
    /// One of these values. Sorted.
    Exact(Box<[Scalar<'static>]>),
    /// What one of these admits.
    Of(Box<[Operator]>),
}

/// Numbers between two bounds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Interval {
    pub(crate) lower: Option<Bound>,
    pub(crate) upper: Option<Bound>,
}

/// Where an interval ends.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Bound {
    /// In the form of [`crate::decimal`].
    pub(crate) number: Box<[u8]>,
    /// Whether the number itself is in the interval.
    pub(crate) inclusive: bool,
}

impl Operator {
    pub(crate) fn admits(&self, value: &Scalar<'_>) -> bool {
        match (self, value) {
            (Self::AnythingBut(exception), value) => !exception.covers(value),
            (Self::Not(excluded), value) => !excluded.admits(value),
            (Self::Numeric(interval), Scalar::Number(number)) => interval.holds(number),
            (Self::Prefix(prefix), Scalar::Text(text)) => text.starts_with(&**prefix),
            (Self::Suffix(suffix), Scalar::Text(text)) => text.ends_with(&**suffix),
            (Self::PrefixIgnoreCase(prefix), Scalar::Text(text)) => fold::starts_with(text, prefix),
            (Self::SuffixIgnoreCase(suffix), Scalar::Text(text)) => fold::ends_with(text, suffix),
            (Self::EqualsIgnoreCase(other), Scalar::Text(text)) => fold::equals(text, other),
            (Self::Contains(part), Scalar::Text(text)) => {
                bytes::find(text.as_bytes(), part.as_bytes()).is_some()
            }
            (Self::ContainsIgnoreCase(search) | Self::Regex(search), Scalar::Text(text)) => {
                search.finds(text)
            }
            (Self::Wildcard(glob), Scalar::Text(text)) => glob.is_match(text),
            (Self::Cidr(network), Scalar::Text(text)) => network.holds(text),
            (
                _,
                Scalar::Text(_)
                | Scalar::Number(_)
                | Scalar::Immeasurable
                | Scalar::Bool(_)
                | Scalar::Null,
            ) => false,
        }
    }
}

impl Exception {
    fn covers(&self, value: &Scalar<'_>) -> bool {
        match self {
            Self::Exact(values) => {
                values.binary_search_by(|known| (known as &Scalar<'_>).cmp(value)).is_ok()
            }
            Self::Of(operators) => operators.iter().any(|operator| operator.admits(value)),
        }
    }
}

impl Interval {
    /// The number that is alone in it, if one is.
    pub(crate) fn only(&self) -> Option<&[u8]> {
        let (Some(lower), Some(upper)) = (&self.lower, &self.upper) else { return None };
        (lower == upper && lower.inclusive).then_some(&*lower.number)
    }

    fn holds(&self, number: &[u8]) -> bool {
        let fits = |bound: &Option<Bound>, outside: Ordering| {
            bound.as_ref().is_none_or(|bound| match bytes::order(number, &bound.number) {
                Ordering::Equal => bound.inclusive,
                other => other != outside,
            })
        };
        fits(&self.lower, Ordering::Less) && fits(&self.upper, Ordering::Greater)
    }
}
