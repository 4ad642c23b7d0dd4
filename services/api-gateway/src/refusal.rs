//! Why the gateway itself refuses a request. What the other services refuse comes through unchanged.

use std::borrow::Cow;
use std::fmt;

use tripline_kernel::{Classify, ErrorKind, Fault, InvalidName};

/// What a path can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Bus,
    Function,
    Source,
    Trigger,
    Invocation,
    DeadLetter,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bus => "bus",
            Self::Function => "function",
            Self::Source => "source",
            Self::Trigger => "trigger",
            Self::Invocation => "invocation",
            Self::DeadLetter => "dead letter",
        })
    }
}

/// A request that the gateway does not pass on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("the body is not JSON: {0}")]
    MalformedJson(String),
    #[error("the document is not valid: {}", list(.0))]
    Document(Vec<Fault>),
    #[error("not a valid event pattern: {}", list(.0))]
    Pattern(Vec<Fault>),
    #[error("not a valid transform: {}", list(.0))]
    Transform(Vec<Fault>),
    #[error("'{0}' in the path: {InvalidName}")]
    Name(String),
    #[error("the query is not valid: {}", list(.0))]
    Query(Vec<Fault>),
    #[error("the header '{name}' is not valid: {problem}")]
    Header { name: &'static str, problem: &'static str },
    #[error("{what} has at most {bytes_max} bytes")]
    BodyTooLarge { what: &'static str, bytes_max: usize },
    #[error("the body did not arrive whole, or not in time")]
    BodyIncomplete,
    #[error("{0}")]
    MediaType(String),
    #[error("this needs an API key: send 'Authorization: Bearer <api key>'")]
    ApiKeyMissing,
    #[error("the API key is not known, or no longer")]
    ApiKeyInvalid,
    #[error("the API key cannot be checked right now")]
    AuthUnavailable,
    #[error(
        "this API key sends requests faster than it may; see the headers RateLimit and RateLimit-Policy"
    )]
    TooManyRequests,
    #[error("as many follow already as may at a time")]
    TooManyTails,
    #[error("this API key tests as many transforms already as it may at a time")]
    TooManyTests,
    #[error("there is nothing at this path")]
    NoRoute,
    #[error("there is no {kind} '{name}'")]
    NotFound { kind: Kind, name: String },
    #[error("the stored revision is not one that If-Match names")]
    Revision,
    #[error("the event log did not confirm: the event may be in the log or not; publish it again")]
    LogUnavailable,
    #[error("the function's answer cannot be passed on over HTTP")]
    FunctionAnswer,
    #[error("{0} answered what it must not")]
    Contract(&'static str),
}

fn list(faults: &[Fault]) -> String {
    let details: Vec<_> = faults.iter().map(|fault| fault.detail.as_str()).collect();
    details.join("; ")
}

impl Classify for Refusal {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::MalformedJson(_) | Self::Header { .. } | Self::BodyIncomplete => {
                ErrorKind::Malformed
            }
            Self::Document(_)
            | Self::Pattern(_)
            | Self::Transform(_)
            | Self::Name(_)
            | Self::Query(_) => ErrorKind::Invalid,
            Self::BodyTooLarge { .. } => ErrorKind::TooLarge,
            Self::MediaType(_) => ErrorKind::Unsupported,
            Self::ApiKeyMissing | Self::ApiKeyInvalid => ErrorKind::Unauthenticated,
            Self::AuthUnavailable | Self::LogUnavailable | Self::FunctionAnswer => {
                ErrorKind::Unavailable
            }
            Self::TooManyRequests | Self::TooManyTails | Self::TooManyTests => ErrorKind::Exhausted,
            Self::NoRoute | Self::NotFound { .. } => ErrorKind::NotFound,
            Self::Revision => ErrorKind::Precondition,
            Self::Contract(_) => ErrorKind::Internal,
        }
    }

    fn code(&self) -> Cow<'static, str> {
        match self {
            Self::MalformedJson(_) => "malformed-json",
            Self::Document(_) => "invalid-document",
            Self::Pattern(_) => "invalid-pattern",
            Self::Transform(_) => "invalid-transform",
            Self::Name(_) => "invalid-name",
            Self::Query(_) => "invalid-query",
            Self::Header { .. } => "invalid-header",
            Self::BodyTooLarge { .. } => "body-too-large",
            Self::BodyIncomplete => "body-incomplete",
            Self::MediaType(_) => "unsupported-media-type",
            Self::ApiKeyMissing => "missing-api-key",
            Self::ApiKeyInvalid => "invalid-api-key",
            Self::AuthUnavailable => "auth-unavailable",
            Self::TooManyRequests => "too-many-requests",
            Self::TooManyTails => "too-many-tails",
            Self::TooManyTests => "too-many-tests",
            Self::NoRoute => "route-not-found",
            Self::NotFound { kind: Kind::Bus, .. } => "bus-not-found",
            Self::NotFound { kind: Kind::Function, .. } => "function-not-found",
            Self::NotFound { kind: Kind::Source, .. } => "source-not-found",
            Self::NotFound { kind: Kind::Trigger, .. } => "trigger-not-found",
            Self::NotFound { kind: Kind::Invocation, .. } => "invocation-not-found",
            Self::NotFound { kind: Kind::DeadLetter, .. } => "dead-letter-not-found",
            Self::Revision => "revision-mismatch",
            Self::LogUnavailable => "log-unavailable",
            Self::FunctionAnswer => "bad-function-answer",
            Self::Contract(_) => "internal",
        }
        .into()
    }

    fn faults(&self) -> &[Fault] {
        match self {
            Self::Document(faults)
            | Self::Pattern(faults)
            | Self::Transform(faults)
            | Self::Query(faults) => faults,
            Self::MalformedJson(_)
            | Self::Name(_)
            | Self::Header { .. }
            | Self::BodyTooLarge { .. }
            | Self::BodyIncomplete
            | Self::MediaType(_)
            | Self::ApiKeyMissing
            | Self::ApiKeyInvalid
            | Self::AuthUnavailable
            | Self::TooManyRequests
            | Self::TooManyTails
            | Self::TooManyTests
            | Self::NoRoute
            | Self::NotFound { .. }
            | Self::Revision
            | Self::LogUnavailable
            | Self::FunctionAnswer
            | Self::Contract(_) => &[],
        }
    }

    fn retry_after_seconds(&self) -> Option<u32> {
        self.kind().is_retryable().then_some(1)
    }
}
