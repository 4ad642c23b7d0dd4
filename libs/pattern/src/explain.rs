//! Why an event matches a pattern, or does not, field by field.

use std::fmt;

use crate::error::EventError;
use crate::observed::Observed;
use crate::operator::{Bound, Exception, Interval, Operator};
use crate::paths::Paths;
use crate::pattern::{Branch, Condition, Pattern};
use crate::scalar::Scalar;
use crate::{decimal, fold, scan};

/// Most ways to match that are told.
const WAYS_TOLD_MAX: usize = 16;
/// Most values of a field that are shown.
const VALUES_SHOWN_MAX: usize = 8;
/// Most characters of a text that are shown.
const TEXT_SHOWN_MAX: usize = 128;

/// Why an event matches a pattern, or does not.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Explanation {
    /// Whether it does.
    #[serde(skip)]
    pub matches: bool,
    /// Each way to match: one, or one for each combination of the pattern's `$or`. One of them is enough. At most 16.
    pub ways: Vec<Way>,
    /// How many more there are.
    pub ways_left_out: usize,
}

/// One way to match: all its fields must be met.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Way {
    /// Whether the event matches in this way.
    #[serde(rename = "match")]
    pub matches: bool,
    /// What is asked of each field, by path.
    pub fields: Vec<Field>,
    /// Each field is met, but not all of them in the same element of an array that they pass through.
    pub apart: bool,
}

/// What is asked of one field, and what it holds.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Field {
    /// Its path, the names joined by full stops.
    pub path: String,
    /// Whether one of the alternatives matches one of the values, or that there is none.
    pub met: bool,
    /// Whether the event has a value here.
    pub present: bool,
    /// The values, as JSON: at most eight, long texts cut.
    pub values: Vec<String>,
    /// Every alternative, as it could stand in a pattern.
    pub alternatives: Vec<Tried>,
    /// The same in words, with the alternative that came closest.
    pub why: String,
}

/// One alternative.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Tried {
    /// As it could stand in a pattern.
    pub alternative: String,
    /// Whether it matches.
    pub met: bool,
}

impl Pattern {
    /// Why an event matches this pattern, or does not.
    ///
    /// # Errors
    /// When the event is not a JSON object.
    pub fn explain(&self, event_json: &[u8]) -> Result<Explanation, EventError> {
        scan::check(event_json)?;
        let ways = self.branches.iter().take(WAYS_TOLD_MAX).map(|branch| way(branch, event_json));
        let ways = ways.collect::<Result<Vec<_>, _>>()?;
        let told = ways.iter().any(|way| way.matches);
        // Of the ways that are not told, the matcher knows.
        let matches = told || (ways.len() < self.branches.len() && self.is_match(event_json)?);
        Ok(Explanation { matches, ways_left_out: self.branches.len() - ways.len(), ways })
    }
}

fn way(branch: &Branch, event_json: &[u8]) -> Result<Way, EventError> {
    let (mut paths, mut observed) = (Paths::default(), Observed::default());
    let ids: Vec<_> = (0..).zip(branch.keys()).map(|(id, path)| paths.want(path, || id)).collect();
    observed.read(event_json, &paths)?;
    let fields = ids.into_iter().zip(branch).map(|(id, (path, condition))| {
        let values: Vec<_> = observed.of(id, event_json).map(|(_, value)| value).collect();
        field(path, condition, &values.iter().collect::<Vec<_>>())
    });
    let fields: Vec<_> = fields.collect();
    let matches = Pattern { branches: vec![branch.clone()] }.is_match(event_json)?;
    let apart = !matches && fields.iter().all(|field| field.met);
    Ok(Way { matches, fields, apart })
}

fn field(path: &str, condition: &Condition, values: &[&Scalar<'_>]) -> Field {
    let alternatives = alternatives(condition, values);
    let by = alternatives.iter().find(|tried| tried.met).map(|tried| &tried.alternative);
    let admitted = values.iter().find(|value| condition.admits(value));
    let why = match (values, admitted, by) {
        ([], _, Some(_)) => "the event has no value here, as is asked".to_owned(),
        ([], _, None) => "the event has no value here".to_owned(),
        (_, Some(value), Some(by)) => format!("{} matches {by}", shown(value)),
        ([value, ..], _, _) => {
            let others = match values.len() {
                1 => String::new(),
                len => format!(" and {} more", len - 1),
            };
            let none = format!("{}{others}: no alternative matches", shown(value));
            closest(condition, values).map_or(none.clone(), |closest| format!("{none}; {closest}"))
        }
    };
    Field {
        path: path.to_owned(),
        met: by.is_some(),
        present: !values.is_empty(),
        values: values.iter().take(VALUES_SHOWN_MAX).map(|value| shown(value)).collect(),
        alternatives,
        why,
    }
}

fn alternatives(condition: &Condition, values: &[&Scalar<'_>]) -> Vec<Tried> {
    let tried = |alternative: String, met| Tried { alternative, met };
    let any = |admits: &dyn Fn(&Scalar<'_>) -> bool| values.iter().any(|value| admits(value));
    let exact = condition
        .exact
        .iter()
        .map(|exact| tried(exact.to_string(), any(&|value| (exact as &Scalar<'_>) == value)));
    let operators = condition
        .operators
        .iter()
        .map(|operator| tried(operator.to_string(), any(&|value| operator.admits(value))));
    let present =
        condition.present.then(|| tried(r#"{"exists": true}"#.to_owned(), !values.is_empty()));
    let absent =
        condition.absent.then(|| tried(r#"{"exists": false}"#.to_owned(), values.is_empty()));
    exact.chain(operators).chain(present).chain(absent).collect()
}

/// What nearly matched.
fn closest(condition: &Condition, values: &[&Scalar<'_>]) -> Option<String> {
    let pairs =
        || values.iter().flat_map(|value| condition.exact.iter().map(move |exact| (*value, exact)));
    for (value, exact) in pairs() {
        match (value, exact) {
            (Scalar::Text(text), Scalar::Text(other)) if fold::equals(text, other) => {
                return Some(format!(
                    "{exact} differs only in case: equals-ignore-case would match"
                ));
            }
            (Scalar::Text(text), Scalar::Number(number))
                if decimal::canonical(text.trim()).as_deref() == Some(number.as_ref()) =>
            {
                return Some(format!("{exact} is a number, and the event has a string"));
            }
            (Scalar::Number(number), Scalar::Text(text))
                if decimal::canonical(text.trim()).as_deref() == Some(number.as_ref()) =>
            {
                return Some(format!("{exact} is a string, and the event has a number"));
            }
            _ => {}
        }
    }
    let alike = |(value, exact): &(&Scalar<'_>, &Scalar<'static>)| {
        let (Scalar::Text(text), Scalar::Text(other)) = (value, exact) else { return 0 };
        text.chars().zip(other.chars()).take_while(|(a, b)| a == b).count()
    };
    let (pair, count) = pairs().map(|pair| (pair, alike(&pair))).max_by_key(|(_, count)| *count)?;
    (count > 0).then(|| format!("{} is closest: the first {count} characters are the same", pair.1))
}

fn shown(value: &Scalar<'_>) -> String {
    match value {
        Scalar::Text(text) if text.chars().nth(TEXT_SHOWN_MAX).is_some() => {
            let cut: String = text.chars().take(TEXT_SHOWN_MAX).chain(['…']).collect();
            quoted(&cut)
        }
        other => other.to_string(),
    }
}

fn quoted(text: &str) -> String {
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
        let ignore_case = |name: &str, text: &str| {
            format!(r#"{{"{name}": {{"equals-ignore-case": {}}}}}"#, quoted(text))
        };
        f.write_str(&match self {
            Self::Prefix(text) => format!(r#"{{"prefix": {}}}"#, quoted(text)),
            Self::Suffix(text) => format!(r#"{{"suffix": {}}}"#, quoted(text)),
            Self::PrefixIgnoreCase(text) => ignore_case("prefix", text),
            Self::SuffixIgnoreCase(text) => ignore_case("suffix", text),
            Self::EqualsIgnoreCase(text) => {
                format!(r#"{{"equals-ignore-case": {}}}"#, quoted(text))
            }
            Self::Wildcard(glob) => format!(r#"{{"wildcard": {}}}"#, quoted(&glob.to_string())),
            Self::Numeric(interval) => format!(r#"{{"numeric": {interval}}}"#),
            Self::Cidr(network) => format!(r#"{{"cidr": "{network}"}}"#),
            Self::AnythingBut(exception) => format!(r#"{{"anything-but": {exception}}}"#),
        })
    }
}

impl fmt::Display for Exception {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let joined = |items: Vec<String>| items.join(", ");
        match self {
            Self::Exact(values) => {
                write!(f, "[{}]", joined(values.iter().map(ToString::to_string).collect()))
            }
            Self::Of(operators) => match &**operators {
                [only] => write!(f, "{only}"),
                several => {
                    write!(f, "[{}]", joined(several.iter().map(ToString::to_string).collect()))
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
                write!(f, "[{}]", lower.chain(upper).collect::<Vec<_>>().join(", "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Explanation, Field};
    use crate::Pattern;

    fn explain(pattern: &str, event: &str) -> Explanation {
        Pattern::parse(pattern).unwrap().explain(event.as_bytes()).unwrap()
    }

    fn only(pattern: &str, event: &str) -> Field {
        let explanation = explain(pattern, event);
        let [way] = &explanation.ways[..] else { panic!("{explanation:?}") };
        let [field] = &way.fields[..] else { panic!("{explanation:?}") };
        assert_eq!((way.matches, explanation.matches), (field.met, field.met), "{explanation:?}");
        field.clone()
    }

    #[test]
    fn each_field_says_what_came_closest() {
        for (pattern, event, met, why) in [
            (r#"{"a": ["x"]}"#, r#"{"a": "x"}"#, true, r#""x" matches "x""#),
            (r#"{"a": ["x"]}"#, r#"{"b": 1}"#, false, "the event has no value here"),
            (
                r#"{"a": [{"exists": false}]}"#,
                "{}",
                true,
                "the event has no value here, as is asked",
            ),
            (r#"{"a": [{"exists": false}]}"#, r#"{"a": 1}"#, false, "1: no alternative matches"),
            (
                r#"{"a": ["Put", "Get"]}"#,
                r#"{"a": "put"}"#,
                false,
                r#""put": no alternative matches; "Put" differs only in case: equals-ignore-case would match"#,
            ),
            (
                r#"{"a": [300]}"#,
                r#"{"a": "3e2"}"#,
                false,
                r#""3e2": no alternative matches; 300 is a number, and the event has a string"#,
            ),
            (
                r#"{"a": ["x", "created"]}"#,
                r#"{"a": ["crashed", 1]}"#,
                false,
                r#""crashed" and 1 more: no alternative matches; "created" is closest: the first 2 characters are the same"#,
            ),
            (
                r#"{"a": [{"numeric": [">", 0, "<=", 5]}]}"#,
                r#"{"a": 4.50}"#,
                true,
                r#"4.5 matches {"numeric": [">", 0, "<=", 5]}"#,
            ),
        ] {
            let field = only(pattern, event);
            assert_eq!((field.met, field.why.as_str()), (met, why), "{pattern} {event}");
        }
    }

    #[test]
    fn alternatives_are_shown_as_they_could_be_written() {
        for alternative in [
            r#"{"prefix": "a\"b"}"#,
            r#"{"suffix": {"equals-ignore-case": "x"}}"#,
            r#"{"wildcard": "a*\\*b"}"#,
            r#"{"numeric": ["=", -0.001]}"#,
            r#"{"numeric": [">=", 1e300]}"#,
            r#"{"cidr": "10.0.0.0/8"}"#,
            r#"{"anything-but": ["a", "b"]}"#,
            r#"{"anything-but": {"wildcard": "a*"}}"#,
            r#"{"exists": true}"#,
            "null",
        ] {
            let field = only(&format!(r#"{{"a": [{alternative}]}}"#), "{}");
            assert_eq!(field.alternatives[0].alternative, alternative);
        }
    }

    #[test]
    fn fields_that_are_met_apart_say_so() {
        let pattern = r#"{"a": {"x": [1], "y": [2]}}"#;
        let explanation = explain(pattern, r#"{"a": [{"x": 1, "y": 0}, {"x": 0, "y": 2}]}"#);
        assert!(!explanation.matches && explanation.ways[0].apart);
        let explanation = explain(pattern, r#"{"a": [{"x": 1, "y": 2}]}"#);
        assert!(explanation.matches && !explanation.ways[0].apart);
    }

    #[test]
    fn each_way_is_told() {
        let pattern = r#"{"$or": [{"a": [1]}, {"b": [1]}]}"#;
        let explanation = explain(pattern, r#"{"b": 1}"#);
        let matched: Vec<_> = explanation.ways.iter().map(|way| way.matches).collect();
        assert_eq!((explanation.matches, matched), (true, vec![false, true]));
    }
}
