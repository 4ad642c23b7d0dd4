//! A transform, and how it is applied.

use crate::error::ApplyError;
use crate::json::{Json, Kind as JsonKind};
use crate::output::Output;
use crate::path::{Found, Paths};
use crate::program::Program;
use crate::template::Template;

/// What a function gets instead of the event.
#[derive(Clone, Debug)]
pub struct Transform {
    pub(crate) kind: Kind,
}

#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Template(Template),
    /// Its JSON text.
    Constant(Box<str>),
    /// One path.
    Part(Paths),
    Program(Program),
}

/// What is to be done for an output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Applied<'a> {
    /// Nothing more: this is it. JSON, or for a template of several values these as they stand in it.
    Output(Vec<u8>),
    /// Run this program on the event, which is a JSON object.
    Run(&'a Program),
}

impl Transform {
    /// The program that this transform is, if it is one.
    #[must_use]
    pub fn program(&self) -> Option<&Program> {
        match &self.kind {
            Kind::Program(program) => Some(program),
            Kind::Template(_) | Kind::Constant(_) | Kind::Part(_) => None,
        }
    }

    /// Applies the transform to an event, which comes as JSON text. What is taken from the event keeps its spelling.
    ///
    /// # Errors
    /// [`ApplyError`]: the event is no JSON object, the transform does not fit it, or a limit was met. The same event
    /// always ends so.
    pub fn apply(&self, event: &[u8]) -> Result<Applied<'_>, ApplyError> {
        let event = Json::check(event).map_err(|error| ApplyError::Malformed(error.to_string()))?;
        if event.kind() != JsonKind::Object {
            return Err(ApplyError::NotAnObject);
        }
        let mut out = Output::default();
        match &self.kind {
            Kind::Template(template) => return template.apply(event).map(Applied::Output),
            Kind::Program(program) => return Ok(Applied::Run(program)),
            Kind::Constant(text) => out.push(text)?,
            Kind::Part(path) => match path.find(event)?.remove(0) {
                Found::Nothing => {
                    let detail = "the event has nothing where the path of 'part' leads";
                    return Err(ApplyError::Failed(detail.to_owned()));
                }
                Found::One(value) => out.push(value.text())?,
                Found::All(values) => {
                    for (number, value) in values.iter().enumerate() {
                        out.push(if number == 0 { "[" } else { "," })?;
                        out.push(value.text())?;
                    }
                    out.push(if values.is_empty() { "[]" } else { "]" })?;
                }
            },
        }
        Ok(Applied::Output(out.done()))
    }
}

/// An output as one JSON value on one line: the value that it is, spelled as it is, or else a string of its text.
#[must_use]
pub fn as_json(output: &[u8]) -> String {
    match Json::check(output) {
        Ok(value) => value.compacted(),
        Err(_) => serde_json::Value::from(String::from_utf8_lossy(output)).to_string(),
    }
}
