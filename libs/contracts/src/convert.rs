//! From messages to the types that inner code trusts, and back.

use tonic::Status;
use tripline_event::{InvocationId, Subject};
use tripline_kernel::{Classify, ErrorKind, Fault, Name, Uid};

use crate::pb;

/// A field of a message that does not hold what it must. The fault lies with the calling service.
#[derive(Debug, Clone, thiserror::Error)]
#[error("field '{field}' of the request is wrong: {problem}")]
pub struct BadField {
    field: &'static str,
    problem: String,
}

impl Classify for BadField {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Invalid
    }

    fn code(&self) -> std::borrow::Cow<'static, str> {
        "invalid-request".into()
    }

    fn faults(&self) -> &[Fault] {
        &[]
    }
}

impl From<BadField> for Status {
    fn from(error: BadField) -> Self {
        crate::to_status(&error)
    }
}

/// A field that does not hold what it must, for this reason.
pub fn bad(field: &'static str, problem: &impl ToString) -> BadField {
    BadField { field, problem: problem.to_string() }
}

/// Reads a uid.
///
/// # Errors
/// When the text is not a uid.
pub fn uid(field: &'static str, text: &str) -> Result<Uid, BadField> {
    text.parse().map_err(|error| bad(field, &error))
}

/// Reads a uid that may be left out.
///
/// # Errors
/// When there is a text and it is not a uid.
pub fn optional_uid(field: &'static str, text: Option<&str>) -> Result<Option<Uid>, BadField> {
    text.map(|text| uid(field, text)).transpose()
}

/// Reads a resource name.
///
/// # Errors
/// When the text is not a name.
pub fn name(field: &'static str, text: &str) -> Result<Name, BadField> {
    text.parse().map_err(|error| bad(field, &error))
}

/// Reads an invocation id.
///
/// # Errors
/// When the text is not an invocation id.
pub fn invocation_id(field: &'static str, text: &str) -> Result<InvocationId, BadField> {
    text.parse().map_err(|error| bad(field, &error))
}

/// Reads a subject.
///
/// # Errors
/// When it is left out, or its uid is none.
pub fn subject(message: Option<&pb::Subject>) -> Result<Subject, BadField> {
    use pb::subject::Kind;
    match message.and_then(|subject| subject.kind.as_ref()) {
        Some(Kind::Source(text)) => uid("subject.source", text).map(Subject::Source),
        Some(Kind::Bus(text)) => uid("subject.bus", text).map(Subject::Bus),
        Some(Kind::ApiKey(text)) => uid("subject.api_key", text).map(Subject::ApiKey),
        None => Err(bad("subject", &"it is required")),
    }
}

impl From<Subject> for pb::Subject {
    fn from(subject: Subject) -> Self {
        use pb::subject::Kind;
        let kind = match subject {
            Subject::Source(uid) => Kind::Source(uid.to_string()),
            Subject::Bus(uid) => Kind::Bus(uid.to_string()),
            Subject::ApiKey(uid) => Kind::ApiKey(uid.to_string()),
        };
        Self { kind: Some(kind) }
    }
}
