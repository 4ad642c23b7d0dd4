//! The cases of the specification's Technology Compatibility Kit; see `tests/README.md` for where they are from.

use serde_json::{Map, Value as Json, json};
use tripline_cesql::{Attributes, EvaluationError, Expression, Outcome, Value};

const CASES: &str = include_str!("../tck.jsonl");
/// How many cases the file has: none may get lost.
const CASES_COUNT: usize = 275;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    expression: String,
    event: Option<Map<String, Json>>,
    #[serde(default)]
    overrides: Map<String, Json>,
    result: Option<Json>,
    error: Option<String>,
}

impl Case {
    fn event(&self) -> String {
        let any = || {
            let required = [("specversion", "1.0"), ("id", "1"), ("source", "/"), ("type", "any")];
            required.map(|(name, value)| (name.to_owned(), json!(value))).into_iter().collect()
        };
        let mut event = self.event.clone().unwrap_or_else(any);
        event.extend(self.overrides.clone());
        Json::Object(event).to_string()
    }

    /// What is not as the case says.
    fn fault(&self) -> Option<String> {
        let expression = match Expression::parse(&self.expression) {
            Ok(expression) if self.error.as_deref() != Some("parse") => expression,
            Ok(_) => return Some("was parsed".to_owned()),
            Err(_) if self.error.as_deref() == Some("parse") => return None,
            Err(error) => return Some(error.to_string()),
        };
        let event = self.event();
        let attributes = Attributes::read(event.as_bytes()).expect("an event");
        let Outcome { value, error } = expression.evaluate(&attributes);
        let value_as_json = match &value {
            Value::Integer(number) => json!(number),
            Value::Boolean(truth) => json!(truth),
            Value::String(text) => json!(text),
        };
        let kind = error.as_ref().map(|error| match error {
            EvaluationError::Math(_) => "math",
            EvaluationError::Cast(_) => "cast",
            EvaluationError::MissingAttribute(_) => "missingAttribute",
            EvaluationError::MissingFunction { .. } => "missingFunction",
            EvaluationError::Function(_) => "functionEvaluation",
            EvaluationError::Limit { .. } => "generic",
        });
        let as_said = kind == self.error.as_deref()
            && self.result.as_ref().is_none_or(|result| *result == value_as_json);
        let met = expression.is_met(event.as_bytes()).ok();
        let filtered = match (&value, &error) {
            (Value::Boolean(truth), None) => Some(*truth),
            _ => None,
        };
        (!as_said || met != filtered)
            .then(|| format!("came to {value:?}, {error:?}, as a filter {met:?}"))
    }
}

#[test]
fn every_case_of_the_kit_holds() {
    let cases: Vec<Case> = CASES.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(cases.len(), CASES_COUNT);
    let faults: Vec<_> = cases
        .iter()
        .filter_map(|case| {
            case.fault().map(|fault| format!("{}: {}: {fault}", case.name, case.expression))
        })
        .collect();
    assert!(faults.is_empty(), "{} fail:\n{}", faults.len(), faults.join("\n"));
}
