//! A scriptable HTTP function that remembers what it was called with.

mod answer;
mod state;

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::bail;
use bytes::Bytes;
use http::{HeaderMap, Method, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::DropGuard;
use tripline_signing::SigningSecret;

use answer::Act;
pub use answer::Answer;
use state::Shared;

use crate::thread;

/// The largest body that is read. A longer one is answered 413 and not recorded.
const BODY_BYTES_MAX: usize = 16 << 20;

/// One call.
#[derive(Clone, Debug)]
pub struct Request {
    /// Its method.
    pub method: Method,
    /// The path, without the query.
    pub path: String,
    /// What follows the question mark.
    pub query: Option<String>,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
    /// When its last byte was there.
    pub arrived: Instant,
    /// Whether its signature holds; nothing when the path has no secret.
    pub signature_valid: Option<bool>,
}

impl Request {
    /// The value of a header as text; nothing when it is missing or not text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// When it is none.
    pub fn json(&self) -> anyhow::Result<serde_json::Value> {
        Ok(serde_json::from_slice(&self.body)?)
    }
}

/// How much a receiver remembers; beyond it the oldest calls are forgotten. All calls are counted.
#[derive(Clone, Copy, Debug)]
pub struct Recording {
    /// Most calls.
    pub requests_max: usize,
    /// Most bytes of bodies.
    pub body_bytes_max: usize,
}

impl Default for Recording {
    fn default() -> Self {
        Self { requests_max: 100_000, body_bytes_max: 256 << 20 }
    }
}

/// An HTTP server on a loopback port of its own. Answers 200 with an empty body unless scripted otherwise.
///
/// Runs on a thread of its own. Stops when dropped.
#[derive(Debug)]
pub struct Receiver {
    addr: SocketAddr,
    shared: Arc<Shared>,
    _thread: DropGuard,
}

impl Receiver {
    /// Starts one.
    ///
    /// # Panics
    /// When the system grants no port or thread.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(Recording::default())
    }

    /// Starts one that remembers this much.
    ///
    /// # Panics
    /// When the system grants no port or thread.
    #[must_use]
    pub fn start_with(recording: Recording) -> Self {
        let listen = || -> anyhow::Result<_> {
            let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            listener.set_nonblocking(true)?;
            let (addr, shared) = (listener.local_addr()?, Arc::new(Shared::new(recording)));
            let served = Arc::clone(&shared);
            let thread = thread::run("testkit-receiver", move || accept(listener, served))?;
            Ok(Self { addr, shared, _thread: thread })
        };
        listen().expect("the system grants one port and one thread")
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The URL of a path, which begins with a slash.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    /// From now on answers calls of all paths that have no answer of their own so.
    pub fn otherwise(&self, answer: Answer) {
        self.shared.with(|state| state.otherwise = answer);
    }

    /// From now on answers calls of this path so, once its script has been played.
    pub fn always(&self, path: &str, answer: Answer) {
        self.shared.with_path(path, |plan| plan.always = Some(answer));
    }

    /// Answers the next calls of this path so, one after the other; added to what is still to be played.
    pub fn script(&self, path: &str, answers: impl IntoIterator<Item = Answer>) {
        self.shared.with_path(path, |plan| plan.script.extend(answers));
    }

    /// From now on checks that calls of this path are signed by one of these secrets, as Standard Webhooks says.
    pub fn verify_with(&self, path: &str, secrets: &[SigningSecret]) {
        self.shared.with_path(path, |plan| plan.secrets = secrets.to_vec());
    }

    /// The calls that are remembered, in the order in which they arrived.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.shared.with(|state| state.requests.iter().cloned().collect())
    }

    /// The remembered calls of one path.
    #[must_use]
    pub fn requests_to(&self, path: &str) -> Vec<Request> {
        let of_path = |request: &&Request| request.path == path;
        self.shared.with(|state| state.requests.iter().filter(of_path).cloned().collect())
    }

    /// How many calls have arrived.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.shared.with(|state| state.count)
    }

    /// How many calls of one path have arrived.
    #[must_use]
    pub fn count_to(&self, path: &str) -> u64 {
        self.shared.with_path(path, |plan| plan.count)
    }

    /// How many calls had no valid signature where one was asked for.
    #[must_use]
    pub fn invalid(&self) -> u64 {
        self.shared.with(|state| state.invalid)
    }

    /// The most calls of one path that were being answered at the same moment.
    #[must_use]
    pub fn concurrent_max(&self, path: &str) -> u64 {
        self.shared.with_path(path, |plan| plan.running_max)
    }

    /// Forgets the calls and sets all numbers to zero. Scripts and secrets stay.
    pub fn forget(&self) {
        self.shared.with(state::State::forget);
    }

    /// Waits until `count` calls have arrived, and answers those that are remembered.
    ///
    /// # Errors
    /// When they do not arrive within `deadline`.
    pub async fn wait_for(&self, count: u64, deadline: Duration) -> anyhow::Result<Vec<Request>> {
        self.wait(deadline, count, || self.count()).await?;
        Ok(self.requests())
    }

    /// Waits until `count` calls of one path have arrived, and answers those that are remembered.
    ///
    /// # Errors
    /// When they do not arrive within `deadline`.
    pub async fn wait_for_path(
        &self,
        path: &str,
        count: u64,
        deadline: Duration,
    ) -> anyhow::Result<Vec<Request>> {
        self.wait(deadline, count, || self.count_to(path)).await?;
        Ok(self.requests_to(path))
    }

    async fn wait(
        &self,
        deadline: Duration,
        count: u64,
        seen: impl Fn() -> u64,
    ) -> anyhow::Result<()> {
        let arrive = async {
            loop {
                let mut arrival = std::pin::pin!(self.shared.arrival.notified());
                // Listen before looking, so that no arrival falls in between.
                arrival.as_mut().enable();
                if seen() >= count {
                    return;
                }
                arrival.await;
            }
        };
        if tokio::time::timeout(deadline, arrive).await.is_err() {
            bail!("{} of {count} calls arrived within {deadline:?}", seen());
        }
        Ok(())
    }
}

async fn accept(listener: std::net::TcpListener, shared: Arc<Shared>) {
    let listener = TcpListener::from_std(listener).expect("the listener is non-blocking");
    let mut connections = JoinSet::new();
    loop {
        let stream = tokio::select! {
            Ok((stream, _)) = listener.accept() => stream,
            Some(_) = connections.join_next() => continue,
        };
        let _ = stream.set_nodelay(true);
        let shared = Arc::clone(&shared);
        connections.spawn(async move {
            let service = service_fn(|request| serve(&shared, request));
            let connection = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service);
            // A caller that goes away, and an answer that is to close, end it with an error.
            let _ = connection.await;
        });
    }
}

/// Ends the connection without an answer.
#[derive(Debug)]
struct Close;

impl std::fmt::Display for Close {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the script closes the connection")
    }
}

impl std::error::Error for Close {}

async fn serve(
    shared: &Shared,
    request: http::Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Close> {
    let (parts, body) = request.into_parts();
    let Ok(body) = Limited::new(body, BODY_BYTES_MAX).collect().await else {
        return Ok(Answer::status(413).response());
    };
    let (answer, _running) = shared.arrive(parts, body.to_bytes());
    if !answer.delay.is_zero() {
        tokio::time::sleep(answer.delay).await;
    }
    match answer.act {
        Act::Respond => Ok(answer.response()),
        Act::Hang => match std::future::pending::<Infallible>().await {},
        Act::Close => Err(Close),
    }
}
