//! An expression: parsed once, evaluated often.

use crate::evaluate::Evaluation;
use crate::node::Node;
use crate::{Attributes, ConditionError, Error, EvaluationError, Value, parse};

/// A valid expression of CloudEvents SQL.
#[derive(Debug, Clone)]
pub struct Expression {
    root: Node,
    /// The attributes that it names, sorted.
    names: Box<[Box<str>]>,
}

/// What an expression comes to: always a value, and what went wrong if anything did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome<'a> {
    /// The value; beside an error, what the specification says that stands for one.
    pub value: Value<'a>,
    /// The first error, at which the evaluation ended.
    pub error: Option<EvaluationError>,
}

impl Expression {
    /// Reads an expression. A call of a function that does not exist is one: it is an error of evaluating it.
    ///
    /// # Errors
    /// The text is no expression, or is beyond the [`limits`](crate::limits).
    pub fn parse(text: &str) -> Result<Self, Error> {
        let root = parse::parse(text)?;
        let mut names = Vec::new();
        root.names(&mut |name| names.push(name));
        names.sort_unstable();
        names.dedup();
        let names = names.into_iter().map(Box::from).collect();
        Ok(Self { root, names })
    }

    /// What the expression comes to over these attributes.
    #[must_use]
    pub fn evaluate<'a>(&'a self, attributes: &'a Attributes<'a>) -> Outcome<'a> {
        match Evaluation::new(attributes).node(&self.root) {
            Ok(value) => Outcome { value, error: None },
            Err(failed) => {
                let value = failed.value.unwrap_or_else(|| self.root.type_of_failure().zero());
                Outcome { value, error: Some(failed.error) }
            }
        }
    }

    /// Whether a CloudEvent in structured JSON passes this expression as a filter. Reads the attributes it names, and
    /// checks of the rest only that it is JSON.
    ///
    /// # Errors
    /// It cannot be said, and the event must not pass: it is no event, the evaluation has an error, or its value is no
    /// boolean.
    pub fn is_met(&self, event_json: &[u8]) -> Result<bool, ConditionError> {
        let named = |name: &str| self.names.binary_search_by(|other| (**other).cmp(name)).is_ok();
        let attributes = Attributes::read_those(event_json, named)?;
        let outcome = self.evaluate(&attributes);
        match (outcome.error, outcome.value) {
            (Some(error), _) => Err(error.into()),
            (None, Value::Boolean(met)) => Ok(met),
            (None, value @ (Value::Integer(_) | Value::String(_))) => {
                Err(ConditionError::NotBoolean(value.kind()))
            }
        }
    }
}
