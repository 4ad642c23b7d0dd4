//! The promises of the language: its own test suite, hostile expressions, and any text at all.

mod hostile;
mod language;
mod tck;
