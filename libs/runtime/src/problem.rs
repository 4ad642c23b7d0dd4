//! Errors as HTTP answers: the one place where an error kind becomes a status (RFC 9457).

mod thin;

use std::error::Error;
use std::fmt;
use std::time::Instant;

use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, Responder, ResponseError};
use tripline_kernel::{Classify, ErrorKind, Fault};

use thin::Thinner;

/// The media type of a [`Problem`].
pub const CONTENT_TYPE: &str = "application/problem+json";

/// Where the pages that explain error codes are, relative to the server that answered.
const PAGES: &str = "/docs/errors/";

/// An error as a client of the HTTP surface sees it. Says nothing of what is inside.
///
/// Made from any [`Classify`] with `?`; what is our own fault is logged there, once, with its whole chain of causes.
/// While something is away every request fails alike, so of these at most one a second is logged for each code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    kind: ErrorKind,
    code: String,
    detail: String,
    instance: Option<String>,
    faults: Vec<Fault>,
    retry_after_seconds: Option<u32>,
}

impl Problem {
    /// A problem of the HTTP surface itself. `detail` is shown to the client.
    pub fn new(kind: ErrorKind, code: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            kind,
            code: code.into(),
            detail: detail.into(),
            instance: None,
            faults: Vec::new(),
            retry_after_seconds: None,
        }
    }

    /// The same problem with every place in the request that is wrong.
    #[must_use]
    pub fn with_faults(mut self, faults: Vec<Fault>) -> Self {
        self.faults = faults;
        self
    }

    /// The same problem, met at this path of a request.
    #[must_use]
    pub fn at(mut self, instance: impl Into<String>) -> Self {
        self.instance = Some(instance.into());
        self
    }

    /// What the client can do about it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The public name of the error.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.code
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        row(self.kind).0
    }

    /// The JSON body.
    #[must_use]
    pub fn body(&self) -> String {
        let (status, title) = row(self.kind);
        let body = Body {
            kind: format!("{PAGES}{}", self.code),
            title,
            status: status.as_u16(),
            detail: &self.detail,
            instance: self.instance.as_deref(),
            code: &self.code,
            errors: &self.faults,
        };
        serde_json::to_string(&body).expect("texts and numbers always become JSON")
    }
}

#[derive(serde::Serialize)]
struct Body<'a> {
    #[serde(rename = "type")]
    kind: String,
    title: &'static str,
    status: u16,
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<&'a str>,
    code: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [Fault],
}

/// The table from error kind to HTTP status and title. There is no other.
fn row(kind: ErrorKind) -> (StatusCode, &'static str) {
    match kind {
        ErrorKind::Malformed => (StatusCode::BAD_REQUEST, "The request cannot be read"),
        ErrorKind::Invalid => (StatusCode::UNPROCESSABLE_ENTITY, "The request is not valid"),
        ErrorKind::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "The request is too large"),
        ErrorKind::Unsupported => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "Not supported"),
        ErrorKind::Unauthenticated => (StatusCode::UNAUTHORIZED, "Not authenticated"),
        ErrorKind::Forbidden => (StatusCode::FORBIDDEN, "Not allowed"),
        ErrorKind::NotFound => (StatusCode::NOT_FOUND, "Not found"),
        ErrorKind::Conflict => (StatusCode::CONFLICT, "In conflict with what is there"),
        ErrorKind::Precondition => (StatusCode::PRECONDITION_FAILED, "Precondition failed"),
        ErrorKind::Exhausted => (StatusCode::TOO_MANY_REQUESTS, "Too many requests"),
        ErrorKind::Timeout => (StatusCode::GATEWAY_TIMEOUT, "Took too long"),
        ErrorKind::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "Not available right now"),
        ErrorKind::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "Internal error"),
    }
}

/// A process has one log, and a conversion has no other place to remember what it wrote there.
static AWAY: Thinner = Thinner::new();

fn log(kind: ErrorKind, code: &str, error: &dyn Error) {
    // What can be repeated later is told by its code alone; any other fault may be one of its own.
    let unlogged = if kind.is_retryable() { AWAY.pass(code, Instant::now()) } else { Some(0) };
    let Some(unlogged) = unlogged else { return };
    if unlogged == 0 {
        tracing::error!(code, error = %Chain(error), "request failed: {error}");
    } else {
        tracing::error!(code, unlogged, error = %Chain(error), "requests failed: {error}");
    }
}

impl<E: Classify> From<E> for Problem {
    fn from(error: E) -> Self {
        let (kind, code) = (error.kind(), error.code().into_owned());
        if kind.is_fault() {
            log(kind, &code, &error);
        }
        let hidden = kind == ErrorKind::Internal;
        Self {
            kind,
            detail: if hidden { "internal error".to_owned() } else { error.to_string() },
            instance: None,
            faults: if hidden { Vec::new() } else { error.faults().to_vec() },
            retry_after_seconds: error.retry_after_seconds(),
            code,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.detail)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.status()
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status());
        response.insert_header((header::CONTENT_TYPE, CONTENT_TYPE));
        if self.kind == ErrorKind::Unauthenticated {
            response.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
        }
        if let Some(seconds) = self.retry_after_seconds {
            response.insert_header((header::RETRY_AFTER, seconds.to_string()));
        }
        response.body(self.body())
    }
}

impl Responder for Problem {
    type Body = actix_web::body::BoxBody;

    fn respond_to(self, request: &HttpRequest) -> HttpResponse {
        let at = self.instance.is_none().then(|| request.path().to_owned());
        at.into_iter().fold(self, Self::at).error_response()
    }
}

/// An error and all its causes, in one line.
pub struct Chain<'a>(pub &'a dyn Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.0, f)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
