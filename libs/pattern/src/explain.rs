//! Why an event matches a pattern, or does not, field by field.

use std::collections::BTreeMap;

use crate::comparison::{Comparison, Placed, placed};
use crate::display::quoted;
use crate::error::EventError;
use crate::observed::{Observed, Occurrence};
use crate::paths::Paths;
use crate::pattern::{self, Branch, Condition, Pattern};
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
    let (mut wanted, mut observed) = (Paths::default(), Observed::default());
    let ids = (0..).zip(pattern::paths(branch)).map(|(id, path)| (path, wanted.want(path, || id)));
    let ids: Vec<_> = ids.collect();
    observed.read(event_json, &wanted)?;
    let found = ids.into_iter().map(|(path, id)| (path, observed.of(id, event_json).collect()));
    let holdings = Holdings { observed: &observed, found: found.collect() };
    let mut fields: Vec<_> =
        branch.iter().map(|(path, condition)| holdings.field(path, condition)).collect();
    let matches = Pattern { branches: vec![branch.clone()] }.is_match(event_json)?;
    if matches {
        fields.iter_mut().filter(|field| !field.met).for_each(Field::absent_beside_others);
    }
    let apart = !matches && fields.iter().all(|field| field.met);
    Ok(Way { matches, fields, apart })
}

impl Field {
    /// Tells of a field that has values in other elements of an array than those that the other fields were met in.
    fn absent_beside_others(&mut self) {
        self.met = true;
        self.why = "the element that the other fields are met in has no value here, as is asked"
            .to_owned();
    }
}

/// What an event holds at the paths of one way to match.
struct Holdings<'p, 'e> {
    observed: &'e Observed,
    found: BTreeMap<&'p str, Vec<Occurrence<'e>>>,
}

impl<'e> Holdings<'_, 'e> {
    fn of(&self, path: &str) -> &[Occurrence<'e>] {
        self.found.get(path).map_or(&[], |found| found)
    }

    fn field(&self, path: &str, condition: &Condition) -> Field {
        let values: Vec<_> = self.of(path).iter().map(|found| &found.value).collect();
        let alternatives = self.alternatives(path, condition);
        Field {
            path: path.to_owned(),
            met: alternatives.iter().any(|tried| tried.met),
            present: !values.is_empty(),
            values: values.iter().take(VALUES_SHOWN_MAX).map(|value| shown(value)).collect(),
            why: self.why(path, condition, &alternatives),
            alternatives,
        }
    }

    fn alternatives(&self, path: &str, condition: &Condition) -> Vec<Tried> {
        let values = self.of(path);
        let tried = |alternative: String, met| Tried { alternative, met };
        let any =
            |admits: &dyn Fn(&Scalar<'_>) -> bool| values.iter().any(|found| admits(&found.value));
        let exact = condition
            .exact
            .iter()
            .map(|exact| tried(exact.to_string(), any(&|value| (exact as &Scalar<'_>) == value)));
        let operators = condition
            .operators
            .iter()
            .map(|operator| tried(operator.to_string(), any(&|value| operator.admits(value))));
        let quantified = condition.quantified.iter().map(|quantified| {
            let met = quantified.is_met_by(values.iter().map(|found| &found.value));
            tried(quantified.to_string(), met)
        });
        let compared = condition
            .compared
            .iter()
            .map(|other| tried(other.to_string(), self.agrees(path, other)));
        let present =
            condition.present.then(|| tried(r#"{"exists": true}"#.to_owned(), !values.is_empty()));
        let absent =
            condition.absent.then(|| tried(r#"{"exists": false}"#.to_owned(), values.is_empty()));
        exact
            .chain(operators)
            .chain(quantified)
            .chain(compared)
            .chain(present)
            .chain(absent)
            .collect()
    }

    fn agrees(&self, path: &str, comparison: &Comparison) -> bool {
        let (ours, theirs) = (self.placed(path), self.placed(&comparison.path));
        !comparison.met_in(ours, theirs, self.observed).is_empty()
    }

    fn placed(&self, path: &str) -> impl ExactSizeIterator<Item = Placed<'_>> + Clone {
        self.of(path).iter().map(placed)
    }

    /// Why the field is met, or not.
    fn why(&self, path: &str, condition: &Condition, alternatives: &[Tried]) -> String {
        let values: Vec<_> = self.of(path).iter().map(|found| &found.value).collect();
        let by = alternatives.iter().find(|tried| tried.met).map(|tried| &tried.alternative);
        let admitted = values.iter().find_map(|value| Some((value, by_itself(condition, value)?)));
        match (&values[..], admitted, by) {
            ([], _, Some(_)) => "the event has no value here, as is asked".to_owned(),
            ([], _, None) => "the event has no value here".to_owned(),
            (_, Some((value, by)), _) => format!("{} matches {by}", shown(value)),
            (all, None, Some(by)) => {
                let holding = condition.compared.iter().find(|other| self.agrees(path, other));
                let holding = holding.map_or_else(String::new, |other| self.holding(other));
                format!("{} matches {by}{holding}", several(all))
            }
            (all, None, None) => {
                let none = format!("{}: no alternative matches", several(all));
                let broken = condition.quantified.iter().filter_map(|quantified| {
                    let value = quantified.broken_by(all.iter().copied())?;
                    Some(format!("; {} breaks {quantified}", shown(value)))
                });
                let holding = condition.compared.iter().map(|other| {
                    let elsewhere = other.would_be_met(self.placed(path), self.placed(&other.path));
                    let elsewhere = if elsewhere { ", but in another element" } else { "" };
                    format!("{}{elsewhere}", self.holding(other))
                });
                let closest = closest(condition, all).map(|closest| format!("; {closest}"));
                [none].into_iter().chain(closest).chain(broken).chain(holding).collect()
            }
        }
    }

    /// What the field holds that ours is compared with.
    fn holding(&self, comparison: &Comparison) -> String {
        let values = self.of(&comparison.path);
        let mut told: Vec<_> =
            values.iter().take(VALUES_SHOWN_MAX).map(|found| shown(&found.value)).collect();
        if values.len() > told.len() {
            told.push(format!("{} more", values.len() - told.len()));
        }
        match &told[..] {
            [] => format!("; {} has no value", comparison.path),
            told => format!("; {} holds {}", comparison.path, told.join(", ")),
        }
    }
}

/// The alternative that a value matches by itself.
fn by_itself(condition: &Condition, value: &Scalar<'_>) -> Option<String> {
    let exact = condition.exact.iter().find(|exact| (*exact as &Scalar<'_>) == value);
    let operator = || condition.operators.iter().find(|operator| operator.admits(value));
    exact
        .map(ToString::to_string)
        .or_else(|| operator().map(ToString::to_string))
        .or_else(|| condition.present.then(|| r#"{"exists": true}"#.to_owned()))
}

/// The first value, and how many more there are.
fn several(values: &[&Scalar<'_>]) -> String {
    match values {
        [] => String::new(),
        [only] => shown(only),
        [first, others @ ..] => format!("{} and {} more", shown(first), others.len()),
    }
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
    fn what_is_asked_of_several_values_says_which_one_decided() {
        for (pattern, event, met, why) in [
            (
                r#"{"a": [{"suffix": "y"}, {"prefix": "x"}]}"#,
                r#"{"a": ["xx", "yy"]}"#,
                true,
                r#""xx" matches {"prefix": "x"}"#,
            ),
            (
                r#"{"a": [{"every": [1, {"prefix": "x"}]}]}"#,
                r#"{"a": ["x", 1, 2]}"#,
                false,
                r#""x" and 2 more: no alternative matches; 2 breaks {"every": [1, {"prefix": "x"}]}"#,
            ),
            (
                r#"{"a": [{"every": {"not": null}}]}"#,
                r#"{"a": ["x", 1]}"#,
                true,
                r#""x" and 1 more matches {"every": {"not": null}}"#,
            ),
            (
                r#"{"a": [{"none": "x"}]}"#,
                r#"{"a": ["y", "x"]}"#,
                false,
                r#""y" and 1 more: no alternative matches; "x" breaks {"none": "x"}"#,
            ),
            (r#"{"a": [{"none": "x"}]}"#, "{}", true, "the event has no value here, as is asked"),
            (r#"{"a": [{"every": "x"}]}"#, "{}", false, "the event has no value here"),
            (
                r#"{"a": [{"field": ["<", "b.c"]}]}"#,
                r#"{"a": 5, "b": {"c": [4, "x"]}}"#,
                false,
                r#"5: no alternative matches; b.c holds 4, "x""#,
            ),
            (
                r#"{"a": [{"field": ["=", "b"]}]}"#,
                r#"{"a": 5}"#,
                false,
                "5: no alternative matches; b has no value",
            ),
            (
                r#"{"a": [{"field": ["!=", "b"]}]}"#,
                r#"{"a": 5, "b": "5"}"#,
                true,
                r#"5 matches {"field": ["!=", "b"]}; b holds "5""#,
            ),
            (
                r#"{"i.a": [{"field": ["=", "i.b"]}]}"#,
                r#"{"i": [{"a": 5, "b": 4}, {"b": 5}]}"#,
                false,
                "5: no alternative matches; i.b holds 4, 5, but in another element",
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
            r#"{"anything-but": {"prefix": ["a", "b"]}}"#,
            r#"{"contains": "a"}"#,
            r#"{"contains": {"equals-ignore-case": "a"}}"#,
            r#"{"regex": "^a\\.b$"}"#,
            r#"{"not": [1, null, {"not": {"prefix": "a"}}]}"#,
            r#"{"every": {"cidr": "10.0.0.0/8"}}"#,
            r#"{"none": ["a", true]}"#,
            r#"{"field": [">=", "data.a"]}"#,
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
