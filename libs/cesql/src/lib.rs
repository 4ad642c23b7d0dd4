//! CloudEvents SQL 1.0.0: expressions over the context attributes of an event.
//!
//! Three verbs: [`Expression::parse`] a text, [`Expression::evaluate`] it over [`Attributes`], and
//! [`Expression::is_met`], which reads the attributes out of a CloudEvent in structured JSON. Pure and synchronous.
//!
//! # The language
//! `source LIKE 'https://%' AND INT(hop) < 10`: values are 32-bit integers, booleans and strings, and are cast to what an
//! operator or function takes. Keywords, function names and attribute names are read whatever their case. The data of an
//! event cannot be seen.
//!
//! Where the specification leaves a choice:
//!
//! * Evaluation ends at the first error (its "fail fast mode"). The value is then what the operator or function at the top
//!   of the expression has for this error, or else zero of its type.
//! * Sums, differences, products, quotients and negations beyond 32 bits are math errors with the value 0.
//! * `4-1` is a difference: a sign belongs to a number only where an operand is awaited.
//! * In a string, a backslash before the quote that the string began with is that quote; any other is itself. In a pattern
//!   of `LIKE`, one before `%` or `_` makes these literal; any other is itself.
//! * `IS_INT` and `IS_BOOL`, which the specification does not have, say whether `INT` and `BOOL` would succeed.
//! * Functions of one's own cannot be defined.
//!
//! # Invariants
//! No text and no event makes anything here panic, overflow the stack, or work for long: see [`limits`]. An error never
//! holds a value of an event.

mod attributes;
mod error;
mod evaluate;
mod expression;
mod function;
mod lex;
mod like;
mod node;
mod parse;
mod value;

pub use attributes::Attributes;
pub use error::{ConditionError, Error, EvaluationError, EventError};
pub use expression::{Expression, Outcome};
pub use value::{Type, Value};

/// What an expression may measure, and what evaluating it may take.
pub mod limits {
    /// Longest expression, in bytes.
    pub const EXPRESSION_BYTES_MAX: usize = 4096;
    /// Deepest nesting of parentheses, arguments, sets and unary operators.
    pub const DEPTH_MAX: usize = 64;
    /// Longest pattern of `LIKE`: characters and `_`; `%` is not counted.
    pub const LIKE_CHARS_MAX: usize = 255;
    /// Most steps of one evaluation. One is an operand, or [`BYTES_PER_STEP`] bytes of a string that is one.
    pub const STEPS_MAX: usize = 16 * 1024;
    /// How many bytes of a string are one step.
    pub const BYTES_PER_STEP: usize = 64;
    /// Longest string that a function makes, in bytes.
    pub const STRING_BYTES_MAX: usize = 64 * 1024;
}
