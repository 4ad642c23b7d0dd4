//! Requests to the server.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use rusty_s3::{Method, signing};
use tokio::time::timeout;
use tripline_kernel::Clock;
use tripline_outbound::{Bounds, Client};
use tripline_source::Error;
use url::Url;

use crate::listing::{self, Lister, Marker, Page};
use crate::place::Place;
use crate::refusal;
use crate::settings::Watched;

/// The server pings each second; one that has been silent for this long is gone.
pub(crate) const SILENCE_MAX: Duration = Duration::from_secs(10);
/// Most bytes that are read of a refusal.
const REFUSAL_BYTES_MAX: usize = 16 * 1024;
/// How long a signed request holds: as much as the clocks may differ.
const SIGNED_FOR_SECONDS: u64 = 900;
/// How long one page of a listing may take: the first one of a large bucket makes the server look through its folders.
const PAGE_TIMEOUT: Duration = Duration::from_secs(60);
/// Keys of a page: the most that the server gives.
const PAGE_KEYS: &str = "1000";
/// Most bytes of a page. Each byte of a key of 1,024 bytes may be encoded as three.
const PAGE_BYTES_MAX: usize = 8 << 20;

/// One bucket of one server, and how it is asked.
pub(crate) struct S3 {
    pub(crate) client: Client,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) watched: Watched,
}

impl S3 {
    /// Opens the live stream.
    pub(crate) async fn listen(&self) -> Result<Response<Incoming>, Error> {
        let Watched { listened, scope, .. } = &self.watched;
        let mut query: Vec<_> = listened.iter().map(|event| ("events", *event)).collect();
        query.extend([("ping", "1"), ("prefix", &scope.prefix), ("suffix", &scope.suffix)]);
        let sent = timeout(SILENCE_MAX, self.client.send(self.request(query)?)).await;
        let response = sent.map_err(|_| silent())?.map_err(unreachable)?;
        if response.status() == StatusCode::OK {
            return Ok(response);
        }
        let status = response.status();
        let body = Limited::new(response.into_body(), REFUSAL_BYTES_MAX).collect();
        let body = match timeout(SILENCE_MAX, body).await {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(_)) | Err(_) => Bytes::new(), // The status tells enough.
        };
        Err(refusal::error(status, &body, self.watched.bucket.name(), "listen to"))
    }

    /// Whether the bucket keeps versions. Nothing when the server does not say, or not to this key.
    pub(crate) async fn keeps_versions(&self) -> Option<bool> {
        let request = self.request(vec![("versioning", "")]).ok()?;
        let bounds = Bounds { deadline: SILENCE_MAX, body_bytes_max: REFUSAL_BYTES_MAX };
        let answer = self.client.fetch(request, bounds).await.ok()?;
        let says = |text: &[u8]| answer.body.windows(text.len()).any(|part| part == text);
        (answer.status == StatusCode::OK).then(|| says(b"<Status>Enabled</Status>"))
    }

    /// A request for the bucket with this query, sorted by name and then by value, as the signature wants it.
    fn request(&self, query: Vec<(&str, &str)>) -> Result<Request<Full<Bytes>>, Error> {
        self.signed(Method::Get, self.watched.bucket.base_url().clone(), query)
    }

    fn signed(
        &self,
        method: Method,
        url: Url,
        query: Vec<(&str, &str)>,
    ) -> Result<Request<Full<Bytes>>, Error> {
        let unusable =
            |error: String| Error::Refused(format!("the request cannot be made: {error}"));
        let now = jiff::Timestamp::from_microsecond(self.clock.now().as_micros())
            .map_err(|error| unusable(error.to_string()))?;
        let Watched { bucket, credentials, .. } = &self.watched;
        let url = signing::sign(
            &now,
            method,
            url,
            credentials.key(),
            credentials.secret(),
            credentials.token(),
            bucket.region(),
            SIGNED_FOR_SECONDS,
            query.into_iter(),
            std::iter::empty(),
        );
        let method = if method == Method::Head { http::Method::HEAD } else { http::Method::GET };
        let request = Request::builder().method(method).uri(url.as_str()).body(Full::default());
        request.map_err(|error| unusable(error.to_string()))
    }
}

#[async_trait::async_trait]
impl Lister for S3 {
    async fn page(&self, from: Marker) -> Result<Page, Error> {
        let mut query = vec![("encoding-type", "url")];
        if !from.key.is_empty() {
            query.push(("key-marker", &from.key));
        }
        query.extend([("max-keys", PAGE_KEYS), ("prefix", &self.watched.scope.prefix)]);
        if !from.version.is_empty() {
            query.push(("version-id-marker", &from.version));
        }
        query.push(("versions", ""));
        let bounds = Bounds { deadline: PAGE_TIMEOUT, body_bytes_max: PAGE_BYTES_MAX };
        let answer = self.client.fetch(self.request(query)?, bounds).await.map_err(unreachable)?;
        if answer.status != StatusCode::OK {
            let name = self.watched.bucket.name();
            return Err(refusal::error(answer.status, &answer.body, name, "list the versions of"));
        }
        let mut page = listing::read(&answer.body).map_err(|listing::Incomprehensible(why)| {
            Error::Unreachable(format!("MinIO sent what is no listing: {why}"))
        })?;
        page.listed.retain(|listed| self.watched.scope.covers(listed.place.key()));
        Ok(page)
    }

    async fn is_gone(&self, place: &Place) -> bool {
        let url = self.watched.bucket.object_url(place.key());
        let query = vec![("versionId", place.version())];
        let Ok(request) = self.signed(Method::Head, url, query) else { return false };
        let bounds = Bounds { deadline: SILENCE_MAX, body_bytes_max: REFUSAL_BYTES_MAX };
        // Of a delete marker that is there the server says that this method is not allowed.
        let answer = self.client.fetch(request, bounds).await;
        answer.is_ok_and(|answer| answer.status == StatusCode::NOT_FOUND)
    }
}

fn unreachable(error: tripline_outbound::Error) -> Error {
    match error {
        tripline_outbound::Error::Forbidden(why) => Error::Refused(why),
        error @ (tripline_outbound::Error::Timeout(_)
        | tripline_outbound::Error::NotConnected(_)
        | tripline_outbound::Error::BrokenOff(_)) => {
            Error::Unreachable(format!("MinIO cannot be reached: {error}"))
        }
    }
}

pub(crate) fn silent() -> Error {
    Error::Unreachable(format!("MinIO has been silent for {} s", SILENCE_MAX.as_secs()))
}
