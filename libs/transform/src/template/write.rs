//! From a template and an event to the output.

use super::{Piece, Place, Template, Variable};
use crate::error::ApplyError;
use crate::json::{Json, Kind};
use crate::output::Output;
use crate::path::Found;

/// What holds the data of an event: in a CloudEvent, and in an event of EventBridge.
const DATA: [&str; 3] = ["data", "data_base64", "detail"];

impl Template {
    pub(crate) fn apply(&self, event: Json<'_>) -> Result<Vec<u8>, ApplyError> {
        let found = self.paths.find(event)?;
        let mut out = Output::default();
        for piece in &self.pieces {
            match piece {
                Piece::Literal(text) => out.push(text)?,
                Piece::Value(Variable::Path(number), place) => {
                    write_found(&found[*number], *place, &mut out)?;
                }
                Piece::Value(Variable::Event, place) => write(event, *place, &mut out)?,
                Piece::Value(Variable::EventWithoutData, place) => {
                    write_without_data(event, *place, &mut out)?;
                }
            }
        }
        Ok(out.done())
    }
}

fn write_found(found: &Found<'_>, place: Place, out: &mut Output) -> Result<(), ApplyError> {
    match found {
        Found::Nothing if place == Place::Value => out.push("\"\""),
        Found::Nothing => Ok(()),
        Found::One(value) => write(*value, place, out),
        Found::All(values) => {
            out.push("[")?;
            for (number, value) in values.iter().enumerate() {
                out.push(if number == 0 { "" } else { "," })?;
                match value.kind() {
                    Kind::String if place == Place::String => return Err(quotes_in_string()),
                    _ => write(*value, place, out)?,
                }
            }
            out.push("]")
        }
    }
}

/// Places a value. A string between quotes keeps its escapes, so that whatever an event holds can neither end the string it
/// is placed in nor add to the JSON around it.
fn write(value: Json<'_>, place: Place, out: &mut Output) -> Result<(), ApplyError> {
    match (place, value.kind()) {
        (Place::Text | Place::String, Kind::String) => out.push(value.between_quotes()),
        (Place::Value, _) => value.compact(false, |piece| out.push(piece)),
        (Place::Text, _) => value.compact(true, |piece| out.push(piece)),
        (Place::String, _) => value.compact(false, |piece| {
            if piece.starts_with('"') { Err(quotes_in_string()) } else { out.push(piece) }
        }),
    }
}

fn write_without_data(event: Json<'_>, place: Place, out: &mut Output) -> Result<(), ApplyError> {
    let kept = event.members().filter(|(key, _)| !DATA.iter().any(|data| key.is(data)));
    out.push("{")?;
    for (number, (key, value)) in kept.enumerate() {
        out.push(if number == 0 { "" } else { "," })?;
        match place {
            Place::Value => out.push(key.text())?,
            Place::Text => out.push(key.between_quotes())?,
            Place::String => return Err(quotes_in_string()),
        }
        out.push(":")?;
        write(value, place, out)?;
    }
    out.push("}")
}

/// EventBridge places the JSON as it is, and then drops the event since the output is no JSON.
fn quotes_in_string() -> ApplyError {
    ApplyError::Failed(
        "an object or array that holds strings stands in a string of the template's JSON: leave out the quotes around \
         the placeholder"
            .to_owned(),
    )
}
