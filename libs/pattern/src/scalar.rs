//! The values that patterns compare.

use std::borrow::Cow;

use crate::decimal;

/// A JSON value without parts.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Scalar<'a> {
    Text(Cow<'a, str>),
    /// In canonical form, so that equality is equality of the numbers.
    Number(Cow<'a, str>),
    /// A number too great or too small to be computed with. No pattern holds one.
    Immeasurable,
    Bool(bool),
    Null,
}

impl<'a> Scalar<'a> {
    pub(crate) fn number(json: &str) -> Self {
        decimal::canonical(json)
            .map_or(Self::Immeasurable, |text| Self::Number(text.into_string().into()))
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
