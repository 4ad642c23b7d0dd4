//! HTTP functions: each call is one POST, through the guarded client.

mod answer;
mod settings;

use std::sync::Arc;

use ::http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use ::http::{Request, Uri};
use http_body_util::Full;
use tripline_kernel::Fault;
use tripline_outbound::{Bounds, Client};

use crate::{ANSWER_BYTES_MAX, Answer, Call, Error, Settings, Target};

const AGENT: HeaderValue = HeaderValue::from_static("tripline");

/// The kind `http`. Its settings: `url`, and optionally `headers`, an object of texts that go with every call. The values
/// of headers are secrets: they are where credentials stand.
#[derive(Clone)]
pub struct Kind {
    client: Client,
}

impl Kind {
    /// HTTP functions called through `client`, which also judges their URLs.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { client }
    }
}

impl crate::Kind for Kind {
    fn name(&self) -> &'static str {
        "http"
    }

    fn secrets(&self, settings: &Settings) -> Vec<String> {
        settings::secrets(settings)
    }

    fn check(&self, settings: &Settings) -> Vec<Fault> {
        settings::read(settings, self.client.guard()).err().unwrap_or_default()
    }

    fn open(&self, settings: &Settings) -> Result<Arc<dyn Target>, Vec<Fault>> {
        let settings::Checked { uri, address, mut headers } =
            settings::read(settings, self.client.guard())?;
        headers.entry(USER_AGENT).or_insert(AGENT);
        Ok(Arc::new(Endpoint { client: self.client.clone(), uri, address, headers }))
    }
}

/// One URL.
struct Endpoint {
    client: Client,
    uri: Uri,
    address: String,
    headers: HeaderMap,
}

impl Endpoint {
    fn request(&self, call: Call) -> Result<Request<Full<bytes::Bytes>>, Error> {
        let bad = |name: &str| Error::Unreachable(format!("the header '{name}' cannot be sent"));
        let mut request = Request::post(self.uri.clone())
            .body(Full::new(call.body))
            .map_err(|error| Error::Unreachable(error.to_string()))?;
        let headers = request.headers_mut();
        headers.reserve(self.headers.len() + call.headers.len() + 1);
        headers.extend(self.headers.iter().map(|(name, value)| (name.clone(), value.clone())));
        let content_type = HeaderValue::try_from(call.content_type);
        headers.insert(CONTENT_TYPE, content_type.map_err(|_| bad("content-type"))?);
        for (name, value) in call.headers {
            let value = HeaderValue::try_from(value).map_err(|_| bad(name))?;
            headers.insert(HeaderName::from_static(name), value);
        }
        Ok(request)
    }
}

#[async_trait::async_trait]
impl Target for Endpoint {
    fn address(&self) -> &str {
        &self.address
    }

    async fn call(&self, call: Call) -> Result<Answer, Error> {
        let bounds = Bounds { deadline: call.timeout, body_bytes_max: ANSWER_BYTES_MAX };
        let fetched = self.client.fetch(self.request(call)?, bounds).await?;
        Ok(answer::read(fetched))
    }
}

impl From<tripline_outbound::Error> for Error {
    fn from(error: tripline_outbound::Error) -> Self {
        match error {
            tripline_outbound::Error::Timeout(after) => Self::Timeout(after),
            tripline_outbound::Error::NotConnected(why) => Self::Unreachable(why),
            tripline_outbound::Error::BrokenOff(why) => Self::BrokenOff(why),
            tripline_outbound::Error::Forbidden(why) => Self::Forbidden(why),
        }
    }
}

#[cfg(test)]
mod tests;
