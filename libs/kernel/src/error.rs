//! What an error means to the one who meets it, apart from where it happened.

use std::borrow::Cow;

/// The closed set of what can go wrong, as the caller must tell it apart.
///
/// `tripline_runtime` maps each kind to one HTTP status, `tripline_contracts` to one gRPC code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The bytes are not of the format they claim to be.
    Malformed,
    /// Well-formed, but a value is wrong.
    Invalid,
    /// Larger than a named limit.
    TooLarge,
    /// A format or option this system does not speak.
    Unsupported,
    /// No proof of identity, or one that does not hold.
    Unauthenticated,
    /// The identity is known and may not do this.
    Forbidden,
    /// No such thing, or not for this caller to know of.
    NotFound,
    /// The thing exists already, or is in a state that does not allow this.
    Conflict,
    /// A precondition of the request does not hold.
    Precondition,
    /// A quota or rate is used up.
    Exhausted,
    /// Took longer than a named limit.
    Timeout,
    /// Cannot be promised right now; the same request may succeed later.
    Unavailable,
    /// A fault of ours.
    Internal,
}

impl ErrorKind {
    /// Whether the same request may succeed later without being changed.
    #[must_use]
    pub fn is_retryable(self) -> bool {
        matches!(self, Self::Exhausted | Self::Timeout | Self::Unavailable)
    }

    /// Whether the fault lies with this system and not with the caller.
    #[must_use]
    pub fn is_fault(self) -> bool {
        matches!(self, Self::Timeout | Self::Unavailable | Self::Internal)
    }
}

/// One thing wrong with a request, at one place in it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Fault {
    /// JSON Pointer (RFC 6901) into the request body; empty for the whole body.
    pub pointer: String,
    /// A stable, kebab-case name of the fault, such as `unknown-field`.
    pub code: Cow<'static, str>,
    /// What is wrong and how to mend it, in one sentence, lower case, without a full stop.
    pub detail: String,
}

impl Fault {
    /// A fault at `pointer`.
    pub fn new(
        pointer: impl Into<String>,
        code: impl Into<Cow<'static, str>>,
        detail: impl Into<String>,
    ) -> Self {
        Self { pointer: pointer.into(), code: code.into(), detail: detail.into() }
    }

    /// The same fault, seen from an object that holds the faulty one under `prefix` (a pointer such as `/settings`).
    #[must_use]
    pub fn under(mut self, prefix: &str) -> Self {
        self.pointer.insert_str(0, prefix);
        self
    }
}

/// An error that says what it means to the caller.
pub trait Classify: std::error::Error {
    /// What the caller can do about it.
    fn kind(&self) -> ErrorKind;

    /// The public, stable, kebab-case name of this error. `docs/errors/<code>.md` explains it.
    fn code(&self) -> Cow<'static, str>;

    /// All places in the request that are wrong; empty when the error is not about its content.
    fn faults(&self) -> &[Fault] {
        &[]
    }

    /// How long to wait before the same request, in seconds, where this is known.
    fn retry_after_seconds(&self) -> Option<u32> {
        None
    }
}
