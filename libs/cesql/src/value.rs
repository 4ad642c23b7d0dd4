//! Values, their types, and the casts between them.

use std::borrow::Cow;
use std::fmt;

use crate::EvaluationError;

/// The types that a value can be of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// A whole number of 32 bits.
    Integer,
    /// `true` or `false`.
    Boolean,
    /// A sequence of characters.
    String,
}

impl Type {
    /// What an operator or function of this type gives when it has nothing else to give.
    pub(crate) fn zero(self) -> Value<'static> {
        match self {
            Self::Integer => Value::Integer(0),
            Self::Boolean => Value::Boolean(false),
            Self::String => Value::String("".into()),
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Integer => "Integer",
            Self::Boolean => "Boolean",
            Self::String => "String",
        })
    }
}

/// The value of an attribute or of an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value<'a> {
    /// A whole number of 32 bits.
    Integer(i32),
    /// `true` or `false`.
    Boolean(bool),
    /// A sequence of characters: also URIs and times.
    String(Cow<'a, str>),
}

impl<'a> Value<'a> {
    /// The type of this value.
    #[must_use]
    pub fn kind(&self) -> Type {
        match self {
            Self::Integer(_) => Type::Integer,
            Self::Boolean(_) => Type::Boolean,
            Self::String(_) => Type::String,
        }
    }

    /// The same value, without a copy of its string.
    pub(crate) fn borrowed(&'a self) -> Self {
        match self {
            Self::Integer(number) => Self::Integer(*number),
            Self::Boolean(truth) => Self::Boolean(*truth),
            Self::String(text) => Self::String(Cow::Borrowed(text)),
        }
    }

    /// As an integer. A string must be one in base 10, with or without a sign.
    pub(crate) fn integer(&self) -> Result<i32, EvaluationError> {
        match self {
            Self::Integer(number) => Ok(*number),
            Self::Boolean(truth) => Ok(i32::from(*truth)),
            Self::String(text) => text.parse().map_err(|_| EvaluationError::Cast(Type::Integer)),
        }
    }

    /// As a boolean. A string must be `true` or `false`, whatever its case.
    pub(crate) fn boolean(&self) -> Result<bool, EvaluationError> {
        match self {
            Self::Integer(number) => Ok(*number != 0),
            Self::Boolean(truth) => Ok(*truth),
            Self::String(text) if text.eq_ignore_ascii_case("true") => Ok(true),
            Self::String(text) if text.eq_ignore_ascii_case("false") => Ok(false),
            Self::String(_) => Err(EvaluationError::Cast(Type::Boolean)),
        }
    }

    /// As a string, which every value has.
    pub(crate) fn string(self) -> Cow<'a, str> {
        match self {
            Self::Integer(number) => number.to_string().into(),
            Self::Boolean(truth) => if truth { "true" } else { "false" }.into(),
            Self::String(text) => text,
        }
    }

    pub(crate) fn cast(self, to: Type) -> Result<Self, EvaluationError> {
        Ok(match to {
            Type::Integer => Self::Integer(self.integer()?),
            Type::Boolean => Self::Boolean(self.boolean()?),
            Type::String => Self::String(self.string()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_integers_of_32_bits_in_base_10() {
        let integer = |text: &'static str| Value::String(text.into()).integer().ok();
        assert_eq!(integer("+007"), Some(7));
        assert_eq!(integer("-2147483648"), Some(i32::MIN));
        for text in ["2147483648", "", " 1", "1.0", "0x1", "+", "--1"] {
            assert_eq!(integer(text), None, "{text:?}");
        }
    }

    #[test]
    fn only_the_words_are_booleans() {
        let boolean = |text: &'static str| Value::String(text.into()).boolean().ok();
        assert_eq!(boolean("TruE"), Some(true));
        assert_eq!(boolean("FALSE"), Some(false));
        for text in ["", "1", "true ", "yes"] {
            assert_eq!(boolean(text), None, "{text:?}");
        }
    }
}
