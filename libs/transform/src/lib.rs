//! Transforms: what a function gets instead of the event.
//!
//! Two verbs: [`Transform::parse`] a document, and [`Transform::apply`] it to an event: text in, text out. Pure and
//! synchronous.
//!
//! # The document
//! A JSON object of one of these kinds:
//!
//! * `{"input_paths": {"name": "$.data.x"}, "template": "…"}`: JSON text in which `<name>` stands for what the path of this
//!   name finds. Outside of quotes a placeholder becomes the JSON value; in the strings of an object or array a string
//!   becomes its text, and an object or array that holds strings has no place; in a string at the top, which is text for
//!   people, every value loses its quotes. What a path does not find is an empty string.
//! * `{"constant": …}`: this JSON value, whatever the event.
//! * `{"part": "$.data"}`: what this path finds.
//! * `{"jsonata": "…"}` or `{"jq": "…"}`: the output of this program. Programs of strangers need more than a library to be
//!   held in: [`Transform::apply`] says which one to [`Applied::Run`].
//!
//! # Invariants
//! What comes from the event is placed as it is spelled: numbers of any length keep their digits. No event, whatever it
//! holds, can end the string that a part of it is placed in. Every transform and every output is bounded: see [`limits`].

mod document;
mod error;
mod json;
mod output;
mod path;
mod program;
mod template;
mod transform;

pub use error::{ApplyError, Error};
pub use program::{Language, Program};
pub use transform::{Applied, Transform, as_json};

/// What a transform may measure, and what applying it may take.
pub mod limits {
    /// Longest document, in bytes of its JSON text.
    pub const TRANSFORM_BYTES_MAX: usize = 64 * 1024;
    /// Longest template, in characters.
    pub const TEMPLATE_CHARS_MAX: usize = 8192;
    /// Most input paths of one transform.
    pub const PATHS_MAX: usize = 100;
    /// Longest name of an input path.
    pub const NAME_CHARS_MAX: usize = 256;
    /// Longest path.
    pub const PATH_CHARS_MAX: usize = 256;
    /// Longest program, in bytes.
    pub const PROGRAM_BYTES_MAX: usize = 16 * 1024;
    /// Most bytes of JSON that the paths of a transform may look at, over all steps.
    pub const LOOKED_AT_BYTES_MAX: usize = 64 << 20;
    /// Most values that the paths of a transform may find.
    pub const MATCHES_MAX: usize = 64 * 1024;
    /// Longest output.
    pub const OUTPUT_BYTES_MAX: usize = 1 << 20;
}
