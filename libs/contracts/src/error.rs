//! Errors across gRPC: kind, code, detail and faults arrive as they were sent.

use std::borrow::Cow;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt as _};
use tripline_kernel::{Classify, ErrorKind, Fault};

/// The domain of [`tonic_types::ErrorInfo`] for errors of this system.
const DOMAIN: &str = "tripline";
/// Names the error kind within `ErrorInfo`, since several kinds share a gRPC code.
const KIND: &str = "kind";

/// An error as another service reported it, or the failure to reach that service.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{detail}")]
pub struct Error {
    kind: ErrorKind,
    code: Cow<'static, str>,
    detail: String,
    faults: Vec<Fault>,
    retry_after_seconds: Option<u32>,
}

impl Classify for Error {
    fn kind(&self) -> ErrorKind {
        self.kind
    }

    fn code(&self) -> Cow<'static, str> {
        self.code.clone()
    }

    fn faults(&self) -> &[Fault] {
        &self.faults
    }

    fn retry_after_seconds(&self) -> Option<u32> {
        self.retry_after_seconds
    }
}

/// The status that carries `error` to another service. Detail of an internal error is left out.
pub fn to_status(error: &impl Classify) -> Status {
    let kind = error.kind();
    let mut details = ErrorDetails::new();
    details.set_error_info(error.code(), DOMAIN, [(KIND.to_owned(), name_of(kind).to_owned())]);
    if !error.faults().is_empty() {
        let violation = |fault: &Fault| FieldViolation {
            field: fault.pointer.clone(),
            reason: fault.code.clone().into_owned(),
            description: fault.detail.clone(),
            localized_message: None,
        };
        details.set_bad_request(error.faults().iter().map(violation).collect::<Vec<_>>());
    }
    if let Some(seconds) = error.retry_after_seconds() {
        details.set_retry_info(Some(Duration::from_secs(seconds.into())));
    }
    let message =
        if kind == ErrorKind::Internal { "internal error".to_owned() } else { error.to_string() };
    Status::with_error_details(code_of(kind), message, details)
}

impl From<Status> for Error {
    fn from(status: Status) -> Self {
        let info = status.get_details_error_info().filter(|info| info.domain == DOMAIN);
        let Some(info) = info else {
            // Not from one of our handlers: the transport, or a service that could not be reached.
            let kind = kind_of(status.code());
            let detail = if kind == ErrorKind::Unavailable {
                "a service that this needs cannot be reached; try again".to_owned()
            } else {
                status.message().to_owned()
            };
            return Self {
                kind,
                code: default_code(kind).into(),
                detail,
                faults: Vec::new(),
                retry_after_seconds: None,
            };
        };
        let named = info.metadata.get(KIND).and_then(|name| kind_named(name));
        let violations =
            status.get_details_bad_request().map(|bad| bad.field_violations).unwrap_or_default();
        let fault = |violation: FieldViolation| {
            Fault::new(violation.field, violation.reason, violation.description)
        };
        let retry_after = status.get_details_retry_info().and_then(|retry| retry.retry_delay);
        Self {
            kind: named.unwrap_or_else(|| kind_of(status.code())),
            code: info.reason.into(),
            detail: status.message().to_owned(),
            faults: violations.into_iter().map(fault).collect(),
            retry_after_seconds: retry_after.and_then(|wait| u32::try_from(wait.as_secs()).ok()),
        }
    }
}

const KINDS: [(ErrorKind, &str, Code); 13] = [
    (ErrorKind::Malformed, "malformed", Code::InvalidArgument),
    (ErrorKind::Invalid, "invalid", Code::InvalidArgument),
    (ErrorKind::TooLarge, "too-large", Code::OutOfRange),
    (ErrorKind::Unsupported, "unsupported", Code::Unimplemented),
    (ErrorKind::Unauthenticated, "unauthenticated", Code::Unauthenticated),
    (ErrorKind::Forbidden, "forbidden", Code::PermissionDenied),
    (ErrorKind::NotFound, "not-found", Code::NotFound),
    (ErrorKind::Conflict, "conflict", Code::AlreadyExists),
    (ErrorKind::Precondition, "precondition", Code::FailedPrecondition),
    (ErrorKind::Exhausted, "exhausted", Code::ResourceExhausted),
    (ErrorKind::Timeout, "timeout", Code::DeadlineExceeded),
    (ErrorKind::Unavailable, "unavailable", Code::Unavailable),
    (ErrorKind::Internal, "internal", Code::Internal),
];

fn kind_named(name: &str) -> Option<ErrorKind> {
    KINDS.iter().find(|(_, known, _)| *known == name).map(|(kind, _, _)| *kind)
}

fn name_of(kind: ErrorKind) -> &'static str {
    KINDS.iter().find(|(known, _, _)| *known == kind).map_or("internal", |(_, name, _)| name)
}

fn code_of(kind: ErrorKind) -> Code {
    KINDS.iter().find(|(known, _, _)| *known == kind).map_or(Code::Internal, |(_, _, code)| *code)
}

/// The kind of a status that names none. What was cancelled or lost on the way may be tried again.
fn kind_of(code: Code) -> ErrorKind {
    match code {
        Code::Cancelled | Code::Aborted | Code::Unknown => ErrorKind::Unavailable,
        Code::InvalidArgument => ErrorKind::Invalid,
        _ => KINDS
            .iter()
            .find(|(_, _, known)| *known == code)
            .map_or(ErrorKind::Internal, |(kind, _, _)| *kind),
    }
}

fn default_code(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Unavailable => "service-unavailable",
        ErrorKind::Timeout => "service-timeout",
        _ => name_of(kind),
    }
}
