//! Reading bodies: never more than a named limit, never longer than a named time.

use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use actix_web::web::Payload;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;

use crate::refusal::Refusal;

/// What a body may measure and take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit {
    /// What is limited, for the answer to whoever goes over it.
    pub(crate) what: &'static str,
    pub(crate) bytes_max: usize,
    pub(crate) wait: Duration,
}

/// Reads the whole body. One over the limit is refused by its announced length, or else once the limit is passed.
pub(crate) async fn read(
    request: &HttpRequest,
    payload: Payload,
    limit: Limit,
) -> Result<Bytes, Refusal> {
    let headers = request.headers();
    if headers.get(CONTENT_ENCODING).is_some_and(|coding| coding != "identity") {
        return Err(Refusal::MediaType("send the body without a content encoding".to_owned()));
    }
    let announced =
        headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if announced.is_some_and(|length: u64| length > limit.bytes_max as u64) {
        return Err(limit.passed());
    }
    tokio::time::timeout(limit.wait, collect(payload, limit))
        .await
        .unwrap_or(Err(Refusal::BodyIncomplete))
}

async fn collect(mut payload: Payload, limit: Limit) -> Result<Bytes, Refusal> {
    let Some(first) = payload.next().await else { return Ok(Bytes::new()) };
    let first = limit.check(first.map_err(|_| Refusal::BodyIncomplete)?, 0)?;
    let Some(second) = payload.next().await else { return Ok(first) };
    let mut whole = BytesMut::from(first);
    let mut next = Some(second);
    while let Some(chunk) = next {
        let chunk = limit.check(chunk.map_err(|_| Refusal::BodyIncomplete)?, whole.len())?;
        whole.extend_from_slice(&chunk);
        next = payload.next().await;
    }
    Ok(whole.freeze())
}

impl Limit {
    fn check(&self, chunk: Bytes, before: usize) -> Result<Bytes, Refusal> {
        if before + chunk.len() > self.bytes_max { Err(self.passed()) } else { Ok(chunk) }
    }

    fn passed(&self) -> Refusal {
        Refusal::BodyTooLarge { what: self.what, bytes_max: self.bytes_max }
    }
}

/// The content type as text; `None` when there is none.
pub(crate) fn content_type(request: &HttpRequest) -> Result<Option<&str>, Refusal> {
    let Some(value) = request.headers().get(CONTENT_TYPE) else { return Ok(None) };
    let problem = "a content type is printable ASCII";
    value.to_str().map(Some).map_err(|_| Refusal::Header { name: "Content-Type", problem })
}

/// The type and subtype of a content type, without parameters. Compare without regard to case.
pub(crate) fn media_type(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or_default().trim()
}
