//! What a receiver answers.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::Full;

/// What a receiver does with one call.
#[derive(Clone, Debug)]
pub struct Answer {
    pub(super) act: Act,
    pub(super) delay: Duration,
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    Respond,
    Hang,
    Close,
}

impl Answer {
    fn new(act: Act, status: StatusCode) -> Self {
        let (delay, headers, body) = (Duration::ZERO, HeaderMap::new(), Bytes::new());
        Self { act, delay, status, headers, body }
    }

    /// 200 with an empty body.
    #[must_use]
    pub fn ok() -> Self {
        Self::new(Act::Respond, StatusCode::OK)
    }

    /// This status with an empty body.
    ///
    /// # Panics
    /// When it is no HTTP status.
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self::new(Act::Respond, StatusCode::from_u16(status).expect("an HTTP status"))
    }

    /// Never answers, and keeps the connection.
    #[must_use]
    pub fn hang() -> Self {
        Self::new(Act::Hang, StatusCode::OK)
    }

    /// Closes the connection without an answer.
    #[must_use]
    pub fn close() -> Self {
        Self::new(Act::Close, StatusCode::OK)
    }

    /// The same, this much later.
    #[must_use]
    pub fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// The same with this body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// The same with this header.
    ///
    /// # Panics
    /// When name or value cannot be a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let name: HeaderName = name.parse().expect("the name of a header");
        self.headers.insert(name, value.parse().expect("the value of a header"));
        self
    }

    /// The same with `Retry-After`.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.headers.insert(http::header::RETRY_AFTER, HeaderValue::from(seconds));
        self
    }

    pub(super) fn response(self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(self.body));
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }
}
