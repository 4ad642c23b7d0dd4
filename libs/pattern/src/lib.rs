//! The event pattern language and its matcher: which events does a trigger want?
//!
//! Five verbs: [`Pattern::parse`] a pattern, [`Matcher::install`] it under a key, [`Matcher::remove`] a key, ask which keys
//! an event [`Matcher::matches`], and [`Pattern::explain`] why. Pure and synchronous; nothing here knows of services.
//!
//! # The language
//! The event patterns of EventBridge, and more, over the JSON of the whole CloudEvent, attributes and data alike:
//!
//! ```json
//! {"type": [{"prefix": "com.amazonaws.s3.ObjectCreated"}], "data": {"s3": {"bucket": {"name": ["photos", "films"]}}}}
//! ```
//!
//! * Objects nest; an array holds the alternatives for the field it stands at. Every field must find one of its
//!   alternatives. `{"a.b": …}` and `{"a": {"b": …}}` are the same path, in patterns and in events.
//! * A string, a number, `true`, `false` or `null` matches the equal value. Numbers compare as decimals, exactly:
//!   `300` equals `3.0e2`, whatever their length. A string that is an IP address equals it however it is spelt.
//! * `{"prefix": "x"}`, `{"suffix": "x"}`, `{"equals-ignore-case": "x"}`, `{"wildcard": "a*b"}` and `{"cidr": "10.0.0.0/8"}`
//!   match strings only. The first two also take `{"equals-ignore-case": "x"}`. Case is that of Unicode.
//! * `{"numeric": [">", 0, "<=", 5]}` matches numbers only.
//! * `{"anything-but": …}` matches every value but these, also `null`, and no field that is missing: a string, a number, an array of
//!   one of these, or `prefix`, `suffix`, `equals-ignore-case` or `wildcard` with a string or an array of strings.
//! * `{"exists": true}` matches where the field has a value that is not an object and not an empty array;
//!   `{"exists": false}` where it has none, in the event or in the elements of arrays that the fields before it were met in.
//! * Arrays in the event offer each of their elements, however deeply arrays nest. Fields that pass through the same
//!   array of objects must find their values in the same element.
//! * `"$or": [{…}, {…}]` asks for one of its objects, beside all that stands beside it.
//! * Beyond EventBridge: `{"regex": "^a+$"}` matches strings in which the expression is found, `{"contains": "x"}` those that
//!   contain the text, also with `{"equals-ignore-case": "x"}`. `{"not": …}` matches every value that none of its alternatives
//!   matches. `{"every": …}` and `{"none": …}` are asked of all values of the field in the whole event, apart from array
//!   consistency; `{"some": …}` is the same as its alternatives.
//! * `{"field": ["<", "a.b"]}` compares with another field, with `=`, `!=`, `<`, `<=`, `>` or `>=`: some value of this field with
//!   some value of that one, of the same element of each array that both stand in. If either is missing, it is not met.
//! * A path that stands twice in a pattern: the last one counts. A key that stands twice in an event: both count.
//!
//! # Invariants
//! A match costs one pass over the event, which builds no tree and skips what no pattern asks for, one look-up of each
//! value for each kind of alternative that its field has, and then the patterns that the event meets in part; hardly more
//! however many there are. What a pattern may cost in the worst event is limited ([`limits::COST_MAX`]): an expression
//! takes one step a byte, and the values of two fields are compared in time that hardly grows faster than their number.
//! No event, however deep, can overflow the stack: a pattern's path is limited ([`limits::PATH_SEGMENTS_MAX`]), values
//! inside more than [`limits::EVENT_ARRAYS_MAX`] nested arrays are seen by no pattern, and all else is skipped without
//! recursion.

mod absence;
mod answers;
mod blocks;
mod bytes;
mod comparison;
mod conditions;
mod consistency;
mod decimal;
mod display;
mod error;
mod explain;
mod fold;
mod gate;
mod glob;
mod matcher;
mod network;
mod observed;
mod operator;
mod parse;
mod paths;
mod pattern;
mod rows;
mod scalar;
mod scan;
mod search;
mod table;
mod terms;
mod tree;

pub use error::{Error, EventError};
pub use explain::{Explanation, Field, Tried, Way};
pub use matcher::{Matcher, Scratch};
pub use pattern::Pattern;

/// What a pattern, and an event's nesting, may measure.
pub mod limits {
    /// Longest pattern, in bytes of its JSON text.
    pub const PATTERN_BYTES_MAX: usize = 16 * 1024;
    /// Most names in the path of one field.
    pub const PATH_SEGMENTS_MAX: usize = 64;
    /// Most fields that one pattern may name, with those that it compares others with.
    pub const FIELDS_MAX: usize = 64;
    /// Most that one pattern may cost, over all branches of its `$or`: see [`EXACT_COST`] and those after it.
    pub const COST_MAX: usize = 1_000;
    /// What an exact value costs: one look-up.
    pub const EXACT_COST: usize = 1;
    /// What an operator costs: it is asked of each value of its field.
    pub const OPERATOR_COST: usize = 16;
    /// What each piece between the stars of a wildcard, a text to be contained or a regular expression costs as well: it is
    /// looked for.
    pub const WILDCARD_PIECE_COST: usize = 16;
    /// What each way to match costs that a `$or` makes, beyond the first: its fields are found in the same array elements.
    pub const WAY_COST: usize = 16;
    /// What each KiB of the automaton of a regular expression, or of a text to be contained whatever its case, costs as
    /// well: it is kept in memory.
    pub const AUTOMATON_KIB_COST: usize = 2;
    /// What a comparison with another field costs: the values of both are gone through, more than once if they are many.
    pub const COMPARISON_COST: usize = 100;
    /// Largest automaton of a regular expression, or of a text to be contained whatever its case, in bytes.
    pub const AUTOMATON_BYTES_MAX: usize = 256 * 1024;
    /// Longest regular expression, in bytes.
    pub const REGEX_BYTES_MAX: usize = 1024;
    /// Most groups, repetitions and the like of a regular expression that stand inside each other.
    pub const REGEX_DEPTH_MAX: u32 = 32;
    /// Most `not` that stand inside each other.
    pub const NOT_DEPTH_MAX: usize = 8;
    /// Most `$or` that stand inside each other.
    pub const OR_DEPTH_MAX: usize = 8;
    /// Longest event, in bytes of its JSON text.
    pub const EVENT_BYTES_MAX: usize = 64 << 20;
    /// Most arrays around a value that patterns can see.
    pub const EVENT_ARRAYS_MAX: usize = 64;
}
