//! Values and alternatives as they could be written in a pattern.

use std::fmt;

use crate::comparison::{Comparison, Relation};
use crate::decimal;
use crate::operator::{Bound, Exception, Interval, Operator};
use crate::pattern::{Condition, Quantified, Quantifier};
use crate::scalar::Scalar;

/// The text as JSON.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_default()
}

impl fmt::Display for Scalar<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(&quoted(text)),
            Self::Number(number) => f.write_str(&decimal::plain(number)),
            Self::Immeasurable => f.write_str("a number with too great an exponent"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Null => f.write_str("null"),
        }
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Self::Cidr(network) = self
            && network.is_one()
        {
            return f.write_str(&quoted(&network.address().to_string()));
        }
        write!(f, r#"{{"{}": {}}}"#, self.name(), self.operand())
    }
}

impl Operator {
    fn name(&self) -> &'static str {
        match self {
            Self::Prefix(_) | Self::PrefixIgnoreCase(_) => "prefix",
            Self::Suffix(_) | Self::SuffixIgnoreCase(_) => "suffix",
            Self::EqualsIgnoreCase(_) => "equals-ignore-case",
            Self::Contains(_) | Self::ContainsIgnoreCase(_) => "contains",
            Self::Wildcard(_) => "wildcard",
            Self::Regex(_) => "regex",
            Self::Numeric(_) => "numeric",
            Self::Cidr(_) => "cidr",
            Self::AnythingBut(_) => "anything-but",
            Self::Not(_) => "not",
        }
    }

    fn operand(&self) -> String {
        let ignoring_case = |text| format!(r#"{{"equals-ignore-case": {}}}"#, quoted(text));
        match self {
            Self::Prefix(text)
            | Self::Suffix(text)
            | Self::EqualsIgnoreCase(text)
            | Self::Contains(text) => quoted(text),
            Self::PrefixIgnoreCase(text) | Self::SuffixIgnoreCase(text) => ignoring_case(text),
            Self::ContainsIgnoreCase(search) => ignoring_case(search.text()),
            Self::Wildcard(glob) => quoted(&glob.to_string()),
            Self::Regex(search) => quoted(search.text()),
            Self::Numeric(interval) => interval.to_string(),
            Self::Cidr(network) => quoted(&network.to_string()),
            Self::AnythingBut(exception) => exception.to_string(),
            Self::Not(excluded) => of_value(excluded),
        }
    }
}

impl fmt::Display for Exception {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(values) => f.write_str(&array(values.iter().map(ToString::to_string))),
            // All of them have the same name.
            Self::Of(operators) => match &**operators {
                [only] => write!(f, "{only}"),
                several => {
                    let name = several.first().map_or("", Operator::name);
                    write!(f, r#"{{"{name}": {}}}"#, array(several.iter().map(Operator::operand)))
                }
            },
        }
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let one = |bound: &Bound, exclusive: &str| {
            let equals = if bound.inclusive { "=" } else { "" };
            format!(r#""{exclusive}{equals}", {}"#, decimal::plain(&bound.number))
        };
        match (&self.lower, &self.upper) {
            (Some(lower), Some(upper)) if lower == upper => {
                write!(f, r#"["=", {}]"#, decimal::plain(&lower.number))
            }
            (lower, upper) => {
                let lower = lower.iter().map(|bound| one(bound, ">"));
                let upper = upper.iter().map(|bound| one(bound, "<"));
                f.write_str(&array(lower.chain(upper)))
            }
        }
    }
}

impl fmt::Display for Quantified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.quantifier {
            Quantifier::Every => "every",
            Quantifier::None => "none",
        };
        write!(f, r#"{{"{name}": {}}}"#, of_value(&self.alternatives))
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, r#"{{"field": ["{}", {}]}}"#, self.relation, quoted(&self.path))
    }
}

impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::Greater => ">",
            Self::AtLeast => ">=",
        })
    }
}

/// Alternatives that are asked of one value: one by itself, or an array of several.
fn of_value(condition: &Condition) -> String {
    let exact = condition.exact.iter().map(ToString::to_string);
    let all: Vec<_> = exact.chain(condition.operators.iter().map(ToString::to_string)).collect();
    match &all[..] {
        [only] => only.clone(),
        several => array(several.iter().cloned()),
    }
}

fn array(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(", "))
}
