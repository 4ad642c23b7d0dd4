//! The key that makes a request repeatable.

use actix_web::HttpRequest;
use actix_web::http::header::HeaderName;

use crate::refusal::Refusal;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Longest idempotency key, in bytes.
const KEY_BYTES_MAX: usize = 255;

/// The idempotency key of a request; empty when there is none.
pub(crate) fn key(request: &HttpRequest) -> Result<String, Refusal> {
    let Some(value) = request.headers().get(IDEMPOTENCY_KEY) else { return Ok(String::new()) };
    let key = value.to_str().ok().filter(|key| (1..=KEY_BYTES_MAX).contains(&key.len()));
    let problem = "it is 1 to 255 printable ASCII characters";
    key.map(str::to_owned).ok_or(Refusal::Header { name: "Idempotency-Key", problem })
}
