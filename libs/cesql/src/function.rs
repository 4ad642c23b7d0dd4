//! The functions that every expression may call.

use std::borrow::Cow;

use crate::limits::STRING_BYTES_MAX;
use crate::{EvaluationError, Type, Value};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Function {
    Abs,
    Bool,
    Concat,
    ConcatWs,
    Int,
    IsBool,
    IsInt,
    Left,
    Length,
    Lower,
    Right,
    String,
    Substring,
    Trim,
    Upper,
}

/// An error, and what the function gives beside it where that is not zero of its type.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failed<'a> {
    pub(crate) error: EvaluationError,
    pub(crate) value: Option<Value<'a>>,
}

impl From<EvaluationError> for Failed<'_> {
    fn from(error: EvaluationError) -> Self {
        Self { error, value: None }
    }
}

impl Function {
    /// The function of this name, which is in upper case, that takes so many arguments.
    pub(crate) fn find(name: &str, arity: usize) -> Option<Self> {
        Some(match (name, arity) {
            ("ABS", 1) => Self::Abs,
            ("BOOL", 1) => Self::Bool,
            ("CONCAT", _) => Self::Concat,
            ("CONCAT_WS", 1..) => Self::ConcatWs,
            ("INT", 1) => Self::Int,
            ("IS_BOOL", 1) => Self::IsBool,
            ("IS_INT", 1) => Self::IsInt,
            ("LEFT", 2) => Self::Left,
            ("LENGTH", 1) => Self::Length,
            ("LOWER", 1) => Self::Lower,
            ("RIGHT", 2) => Self::Right,
            ("STRING", 1) => Self::String,
            ("SUBSTRING", 2 | 3) => Self::Substring,
            ("TRIM", 1) => Self::Trim,
            ("UPPER", 1) => Self::Upper,
            _ => return None,
        })
    }

    pub(crate) fn returns(self) -> Type {
        match self {
            Self::Abs | Self::Int | Self::Length => Type::Integer,
            Self::Bool | Self::IsBool | Self::IsInt => Type::Boolean,
            Self::Concat
            | Self::ConcatWs
            | Self::Left
            | Self::Lower
            | Self::Right
            | Self::String
            | Self::Substring
            | Self::Trim
            | Self::Upper => Type::String,
        }
    }

    /// What this gives for arguments of a number that [`Function::find`] has allowed.
    pub(crate) fn call<'a>(self, arguments: Vec<Value<'a>>) -> Result<Value<'a>, Failed<'a>> {
        let mut arguments = arguments.into_iter();
        let first = match (self, arguments.next()) {
            (Self::Concat, first) => return concat("", first.into_iter().chain(arguments)),
            (_, Some(first)) => first,
            (_, None) => Type::String.zero(),
        };
        match self {
            Self::Abs => abs(&first),
            Self::Bool => Ok(first.cast(Type::Boolean)?),
            Self::Int => Ok(first.cast(Type::Integer)?),
            Self::String => Ok(first.cast(Type::String)?),
            Self::IsBool => Ok(Value::Boolean(first.boolean().is_ok())),
            Self::IsInt => Ok(Value::Boolean(first.integer().is_ok())),
            Self::Length => Ok(Value::Integer(length(&first.string()))),
            Self::Lower => changed(&first.string(), str::to_lowercase),
            Self::Upper => changed(&first.string(), str::to_uppercase),
            Self::Trim => Ok(Value::String(part(first.string(), str::trim))),
            Self::Left | Self::Right => self.side(first.string(), arguments),
            Self::Substring => substring(first.string(), arguments),
            Self::Concat | Self::ConcatWs => concat(&first.string(), arguments),
        }
    }

    /// `LEFT` and `RIGHT`.
    fn side<'a>(
        self,
        text: Cow<'a, str>,
        mut rest: impl Iterator<Item = Value<'a>>,
    ) -> Result<Value<'a>, Failed<'a>> {
        let wanted = rest.next().map_or(Ok(0), |value| value.integer())?;
        let Ok(wanted) = usize::try_from(wanted) else {
            let error = EvaluationError::Function("a string has no negative number of characters");
            return Err(Failed { error, value: Some(Value::String(text)) });
        };
        Ok(Value::String(part(text, |text| {
            if self == Self::Left {
                &text[..place(text, wanted)]
            } else {
                let skipped = text.chars().count().saturating_sub(wanted);
                &text[place(text, skipped)..]
            }
        })))
    }
}

fn abs<'a>(value: &Value<'_>) -> Result<Value<'a>, Failed<'a>> {
    value.integer()?.checked_abs().map(Value::Integer).ok_or(Failed {
        error: EvaluationError::Math("the absolute value is beyond 32 bits"),
        value: Some(Value::Integer(i32::MAX)),
    })
}

fn length(text: &str) -> i32 {
    text.chars().count().try_into().unwrap_or(i32::MAX)
}

/// Where the character of this index begins, or the end of the text.
fn place(text: &str, index: usize) -> usize {
    text.char_indices().nth(index).map_or(text.len(), |(at, _)| at)
}

/// A part of a text, without a copy of what is borrowed.
fn part(text: Cow<'_, str>, choose: impl Fn(&str) -> &str) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(choose(text)),
        Cow::Owned(text) => Cow::Owned(choose(&text).to_owned()),
    }
}

fn too_long() -> EvaluationError {
    EvaluationError::Limit {
        what: "an expression makes strings of",
        max: STRING_BYTES_MAX,
        unit: "bytes",
    }
}

fn changed<'a>(text: &str, change: fn(&str) -> String) -> Result<Value<'a>, Failed<'a>> {
    // Looked at before as well: letters of another case may have other lengths, but not by much.
    if text.len() > STRING_BYTES_MAX {
        return Err(too_long().into());
    }
    let changed = change(text);
    if changed.len() > STRING_BYTES_MAX {
        return Err(too_long().into());
    }
    Ok(Value::String(changed.into()))
}

fn concat<'a>(
    delimiter: &str,
    parts: impl Iterator<Item = Value<'a>>,
) -> Result<Value<'a>, Failed<'a>> {
    let mut whole = String::new();
    for (index, part) in parts.enumerate() {
        let delimiter = if index == 0 { "" } else { delimiter };
        let part = part.string();
        if whole.len() + delimiter.len() + part.len() > STRING_BYTES_MAX {
            return Err(too_long().into());
        }
        whole.push_str(delimiter);
        whole.push_str(&part);
    }
    Ok(Value::String(whole.into()))
}

fn substring<'a>(
    text: Cow<'a, str>,
    mut rest: impl Iterator<Item = Value<'a>>,
) -> Result<Value<'a>, Failed<'a>> {
    let position = rest.next().map_or(Ok(0), |value| value.integer())?;
    let wanted = rest.next().map(|value| value.integer()).transpose()?;
    let Ok(wanted) = wanted.map(usize::try_from).transpose() else {
        return Err(EvaluationError::Function("a substring has no negative length").into());
    };
    let Ok(magnitude) = usize::try_from(position.unsigned_abs()) else {
        return Err(beyond().into());
    };
    if position == 0 {
        return Ok(Type::String.zero());
    }
    let length = text.chars().count();
    if magnitude > length {
        return Err(beyond().into());
    }
    let start = if position > 0 { magnitude - 1 } else { length - magnitude };
    Ok(Value::String(part(text, |text| {
        let rest = &text[place(text, start)..];
        &rest[..wanted.map_or(rest.len(), |wanted| place(rest, wanted))]
    })))
}

fn beyond() -> EvaluationError {
    EvaluationError::Function("the position is beyond the string")
}
