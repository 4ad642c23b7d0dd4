//! Templates: JSON in which `<name>` stands for a value of the event.

mod read;
mod write;

pub(crate) use read::Names;

use crate::path::Paths;

/// A template, read.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    paths: Paths,
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    /// As it stands in the template.
    Literal(Box<str>),
    Value(Variable, Place),
}

/// What a `<name>` stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Variable {
    /// What the path of this number finds.
    Path(usize),
    Event,
    EventWithoutData,
}

/// Where a `<name>` stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Outside of quotes: any JSON value fits.
    Value,
    /// In a string that is inside no object and no array, which is text for people.
    Text,
    /// In a string inside an object or array.
    String,
}
