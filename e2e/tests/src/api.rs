//! A client of the public API, as a stranger would write it.

use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Speaks to one gateway with one API key.
#[derive(Clone)]
pub struct Api {
    client: Client<HttpConnector, Full<Bytes>>,
    url: String,
    authorization: String,
    traceparent: Option<String>,
}

/// A status, and the JSON body that came with it (null when there was none).
pub type Answer = (StatusCode, Value);

impl Api {
    /// A client of the gateway at `url`.
    #[must_use]
    pub fn new(url: &str, api_key: &str) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Self {
            client,
            url: url.to_owned(),
            authorization: format!("Bearer {api_key}"),
            traceparent: None,
        }
    }

    /// The same client with this `traceparent` on each request.
    #[must_use]
    pub fn traced(self, traceparent: &str) -> Self {
        Self { traceparent: Some(traceparent.to_owned()), ..self }
    }

    /// Sends a request with a JSON body of the given media type.
    ///
    /// # Errors
    /// When there is no answer within 30 s, or its body is not JSON.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        body: (&str, String),
    ) -> anyhow::Result<Answer> {
        let (status, body) = self.exchange(method, path, body).await?;
        Ok((status, if body.is_empty() { Value::Null } else { serde_json::from_slice(&body)? }))
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        (media_type, body): (&str, String),
    ) -> anyhow::Result<(StatusCode, Bytes)> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url))
            .header("authorization", &self.authorization)
            .header("content-type", media_type);
        if let Some(traceparent) = &self.traceparent {
            request = request.header("traceparent", traceparent);
        }
        let request = request.body(Full::new(Bytes::from(body)))?;
        let exchange = async {
            let response = self.client.request(request).await?;
            let status = response.status();
            anyhow::Ok((status, response.into_body().collect().await?.to_bytes()))
        };
        tokio::time::timeout(TIMEOUT, exchange)
            .await
            .with_context(|| format!("{path}: no answer"))?
    }

    /// GET.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub async fn get(&self, path: &str) -> anyhow::Result<Answer> {
        self.send(Method::GET, path, ("application/json", String::new())).await
    }

    /// GET of what is not JSON.
    ///
    /// # Errors
    /// When there is no answer within 30 s, or it is not text.
    pub async fn text(&self, path: &str) -> anyhow::Result<String> {
        let (_, body) = self.exchange(Method::GET, path, ("text/plain", String::new())).await?;
        Ok(String::from_utf8(body.into())?)
    }

    /// PUT that must succeed. Returns the stored resource.
    ///
    /// # Errors
    /// As [`Self::send`], and when the answer is not 200 or 201.
    pub async fn put(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        let (status, answer) =
            self.send(Method::PUT, path, ("application/json", body.to_string())).await?;
        if !status.is_success() {
            bail!("PUT {path}: {status} {answer}");
        }
        Ok(answer)
    }

    /// PUT of a trigger, and the wait until it is in force: the first one of a new installation waits for the log.
    ///
    /// # Errors
    /// As [`Self::put`], and when the trigger is not active within `deadline`.
    pub async fn put_trigger(
        &self,
        name: &str,
        body: &Value,
        deadline: Duration,
    ) -> anyhow::Result<()> {
        let path = format!("/v1/triggers/{name}");
        self.put(&path, body).await?;
        tripline_testkit::wait_until(deadline, async || {
            self.get(&path).await.is_ok_and(|(_, trigger)| trigger["state"] == "active")
        })
        .await
        .with_context(|| format!("trigger {name} is not in force"))
    }

    /// Publishes one event to the default bus.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub async fn publish(&self, event: &Value) -> anyhow::Result<Answer> {
        let body = ("application/cloudevents+json", event.to_string());
        self.send(Method::POST, "/v1/buses/default/events", body).await
    }

    /// Publishes one event until it is accepted: with the same id, as a publisher must after an unknown outcome.
    ///
    /// # Errors
    /// When it is refused, or not accepted within `deadline`.
    pub async fn publish_until_accepted(
        &self,
        event: &Value,
        deadline: Duration,
    ) -> anyhow::Result<()> {
        let attempts = async {
            loop {
                match self.publish(event).await {
                    Ok((status, _)) if status == StatusCode::ACCEPTED => return Ok(()),
                    Ok((status, answer)) if status.is_client_error() => bail!("{status} {answer}"),
                    Ok(_) | Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            }
        };
        tokio::time::timeout(deadline, attempts)
            .await
            .context("the event was not accepted in time")?
    }

    /// Every item of a list, over all its pages.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub async fn list(&self, path: &str) -> anyhow::Result<Vec<Value>> {
        let (mut items, mut cursor) = (Vec::new(), String::new());
        let separator = if path.contains('?') { '&' } else { '?' };
        loop {
            let page = format!("{path}{separator}limit=500&cursor={cursor}");
            let (status, mut answer) = self
                .get(if cursor.is_empty() { page.trim_end_matches("&cursor=") } else { &page })
                .await?;
            if status != StatusCode::OK {
                bail!("GET {page}: {status} {answer}");
            }
            if let Some(Value::Array(more)) = answer.get_mut("items").map(Value::take) {
                items.extend(more);
            }
            match answer["next_cursor"].as_str() {
                Some(next) => cursor = next.to_owned(),
                None => return Ok(items),
            }
        }
    }
}
