//! Programs: transforms in a language of their own, which others run.

/// A language that programs are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// <https://jsonata.org>
    Jsonata,
    /// <https://jqlang.org>
    Jq,
}

impl Language {
    /// As the documents of transforms call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Jsonata => "jsonata",
            Self::Jq => "jq",
        }
    }
}

/// A program that has been measured, but not yet read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// What it is written in.
    pub language: Language,
    /// Its text: at most [`crate::limits::PROGRAM_BYTES_MAX`].
    pub source: String,
}
