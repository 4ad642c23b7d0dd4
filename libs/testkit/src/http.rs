//! The few plain HTTP requests that the kit makes itself.

use std::time::Duration;

use ::http::{Method, Request, StatusCode};
use anyhow::Context as _;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

/// How long one request may take.
const REQUEST_MAX: Duration = Duration::from_secs(10);

/// Makes one request on a connection of its own.
pub(crate) async fn request(
    method: Method,
    url: &str,
    body: Bytes,
) -> anyhow::Result<(StatusCode, Bytes)> {
    request_with(method, url, body, &[]).await
}

/// Makes one request with more headers.
pub(crate) async fn request_with(
    method: Method,
    url: &str,
    body: Bytes,
    headers: &[(&str, &str)],
) -> anyhow::Result<(StatusCode, Bytes)> {
    let request = Request::builder().method(method).uri(url);
    let request =
        headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let request = request.body(Full::new(body))?;
    let exchange = async {
        let client = Client::builder(TokioExecutor::new()).build_http();
        let answer = client.request(request).await?;
        let status = answer.status();
        anyhow::Ok((status, answer.into_body().collect().await?.to_bytes()))
    };
    tokio::time::timeout(REQUEST_MAX, exchange)
        .await
        .with_context(|| format!("no answer from {url}"))?
}

/// Whether a GET answers 200.
pub(crate) async fn is_ok(url: &str) -> bool {
    matches!(request(Method::GET, url, Bytes::new()).await, Ok((StatusCode::OK, _)))
}
