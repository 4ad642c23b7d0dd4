//! The client.

use std::error::Error as StdError;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body as _, Incoming};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::timeout;

use crate::connect::{Connector, Lookup, Refused, system_lookup};
use crate::{Guard, Options};

/// How long [`Client::send`] waits for the head of a response.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(60);
/// Largest head of a response, in bytes.
pub const HEAD_BYTES_MAX: usize = 64 * 1024;

/// Sends requests through a [`Guard`], over pooled connections (HTTP/1.1, TLS 1.2 and 1.3). Cheap to clone; clones share the pool.
#[derive(Clone)]
pub struct Client {
    inner: legacy::Client<HttpsConnector<Connector>, Full<Bytes>>,
    guard: Guard,
}

/// How much one exchange may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The time for the whole exchange, from the connection to the last byte that is read.
    pub deadline: Duration,
    /// Most bytes of the body that are read. What comes after is left unread, and the connection closed.
    pub body_bytes_max: usize,
}

/// A response with its body.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, as far as the bounds allow.
    pub body: Bytes,
    /// Whether there was more of the body.
    pub cut: bool,
}

/// Why there is no response.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It took longer than it may.
    #[error("no answer within {} ms", .0.as_millis())]
    Timeout(Duration),
    /// No connection could be made: nothing was sent.
    #[error("{0}")]
    NotConnected(String),
    /// The exchange broke off.
    #[error("{0}")]
    BrokenOff(String),
    /// The guard refused the address.
    #[error("{0}")]
    Forbidden(String),
}

impl Client {
    /// A client that calls what `guard` lets through. Opens no connection yet.
    #[must_use]
    pub fn new(guard: Guard, options: &Options) -> Self {
        Self::with_lookup(guard, options, system_lookup())
    }

    pub(crate) fn with_lookup(guard: Guard, options: &Options, lookup: Lookup) -> Self {
        let connect_timeout = Duration::from_millis(options.connect_timeout_ms);
        let provider = rustls::crypto::ring::default_provider();
        let https = HttpsConnectorBuilder::new()
            .with_provider_and_webpki_roots(provider)
            .expect("ring has the cipher suites of TLS 1.2 and 1.3")
            .https_or_http()
            .enable_http1()
            .wrap_connector(Connector::new(guard.clone(), lookup, connect_timeout));
        let inner = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_millis(options.idle_timeout_ms))
            .pool_max_idle_per_host(options.idle_per_host_max)
            .http1_max_buf_size(HEAD_BYTES_MAX)
            .build(https);
        Self { inner, guard }
    }

    /// The guard of this client, for judging URLs when they are stored.
    #[must_use]
    pub fn guard(&self) -> &Guard {
        &self.guard
    }

    /// Sends a request and returns once the head of the response is there. The body can be read for as long as it
    /// takes; dropping it closes the connection.
    ///
    /// # Errors
    /// When there is no head within [`HEAD_TIMEOUT`], or none at all.
    pub async fn send(&self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, Error> {
        match timeout(HEAD_TIMEOUT, self.begin(request)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Error::Timeout(HEAD_TIMEOUT)),
        }
    }

    /// Sends a request and reads the response within `bounds`.
    ///
    /// # Errors
    /// When the deadline passes, or there is no whole response.
    pub async fn fetch(
        &self,
        request: Request<Full<Bytes>>,
        bounds: Bounds,
    ) -> Result<Fetched, Error> {
        let exchange = async {
            let (head, body) = self.begin(request).await?.into_parts();
            let (body, cut) = read(body, bounds.body_bytes_max).await?;
            Ok(Fetched { status: head.status, headers: head.headers, body, cut })
        };
        match timeout(bounds.deadline, exchange).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Error::Timeout(bounds.deadline)),
        }
    }

    async fn begin(&self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, Error> {
        self.inner.request(request).await.map_err(|error| {
            if error.is_connect() {
                classify(&error, |cause| Error::NotConnected(format!("cannot connect: {cause}")))
            } else {
                classify(&error, |cause| {
                    Error::BrokenOff(format!("the exchange broke off: {cause}"))
                })
            }
        })
    }
}

/// Reads at most `bytes_max`; says whether there was more.
async fn read(mut body: Incoming, bytes_max: usize) -> Result<(Bytes, bool), Error> {
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    while !body.is_end_stream() {
        let Some(frame) = body.frame().await else { break };
        let frame = frame.map_err(|error| {
            classify(&error, |cause| Error::BrokenOff(format!("the answer broke off: {cause}")))
        })?;
        let Ok(mut data) = frame.into_data() else { continue };
        let room = bytes_max - first.len() - rest.len();
        let cut = data.len() > room;
        data.truncate(room);
        // Most bodies are one piece, which needs no copy.
        if first.is_empty() {
            first = data;
        } else {
            rest.extend_from_slice(&data);
        }
        if cut {
            return Ok((join(first, &rest), true));
        }
    }
    Ok((join(first, &rest), false))
}

fn join(first: Bytes, rest: &[u8]) -> Bytes {
    if rest.is_empty() { first } else { [&first, rest].concat().into() }
}

/// The innermost cause is the one that tells something; the layers above repeat that the request failed.
fn classify(error: &(dyn StdError + 'static), otherwise: impl Fn(&dyn StdError) -> Error) -> Error {
    let mut cause = error;
    loop {
        if let Some(refused) = cause.downcast_ref::<Refused>() {
            return Error::Forbidden(refused.0.clone());
        }
        match cause.source() {
            Some(deeper) => cause = deeper,
            None => return otherwise(cause),
        }
    }
}

#[cfg(test)]
mod tests;
