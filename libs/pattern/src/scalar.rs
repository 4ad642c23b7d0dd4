//! The values that patterns compare.

use std::borrow::Cow;
use std::cmp::Ordering;

use crate::bytes;
use crate::decimal;

/// A JSON value without parts.
#[derive(Clone, Debug, Eq, Hash)]
pub(crate) enum Scalar<'a> {
    Text(Cow<'a, str>),
    /// In the form of [`decimal`], whose order is that of the numbers.
    Number(Cow<'a, [u8]>),
    /// A number too great or too small to be computed with. No pattern holds one.
    Immeasurable,
    Bool(bool),
    Null,
}

impl<'a> Scalar<'a> {
    pub(crate) fn number(json: &str) -> Self {
        decimal::canonical(json)
            .map_or(Self::Immeasurable, |text| Self::Number(text.into_vec().into()))
    }

    pub(crate) fn text(&'a self) -> Option<&'a str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Number(_) | Self::Immeasurable | Self::Bool(_) | Self::Null => None,
        }
    }

    pub(crate) fn into_owned(self) -> Scalar<'static> {
        match self {
            Self::Text(text) => Scalar::Text(text.into_owned().into()),
            Self::Number(number) => Scalar::Number(number.into_owned().into()),
            Self::Immeasurable => Scalar::Immeasurable,
            Self::Bool(value) => Scalar::Bool(value),
            Self::Null => Scalar::Null,
        }
    }
}

impl Scalar<'_> {
    /// Where values of this kind stand in the order of all, and their bytes.
    #[inline]
    fn parts(&self) -> (u8, &[u8]) {
        match self {
            Self::Text(text) => (0, text.as_bytes()),
            Self::Number(number) => (1, number),
            Self::Immeasurable => (2, &[]),
            Self::Bool(value) => (3 + u8::from(*value), &[]),
            Self::Null => (5, &[]),
        }
    }
}

impl PartialEq for Scalar<'_> {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        let ((kind, bytes), (other_kind, other_bytes)) = (self.parts(), other.parts());
        kind == other_kind && bytes::same(bytes, other_bytes)
    }
}

impl Ord for Scalar<'_> {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        let ((kind, bytes), (other_kind, other_bytes)) = (self.parts(), other.parts());
        kind.cmp(&other_kind).then_with(|| bytes::order(bytes, other_bytes))
    }
}

impl PartialOrd for Scalar<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
