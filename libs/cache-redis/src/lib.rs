//! The cache on Redis, shared by all replicas of a service.
//!
//! Redis is never the truth of anything: whatever goes wrong with it, the answer is `false`, within a named time. A Redis
//! that is down or hangs costs one time-out a second and not one a call.

mod link;
mod options;
mod pause;

use std::time::Duration;

use redis::Client;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use secrecy::ExposeSecret as _;
use tokio::sync::{mpsc, oneshot};
use tripline_cache::SeenKeys;

pub use link::SEEN_TIMEOUT;
use link::{Link, Request};
pub use options::{InvalidUrl, Options};
use pause::Pause;

/// Keys asked for or marked in one call; what goes beyond is not seen and not marked.
pub const KEYS_MAX: usize = 4096;

/// How long one attempt to connect may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// The waits between attempts to connect grow from here…
const RETRY_BASE: Duration = Duration::from_millis(50);
/// …to here.
const RETRY_CAP: Duration = Duration::from_secs(2);
/// The shortest window that Redis can keep.
const WINDOW_MIN: Duration = Duration::from_millis(1);

/// Keys that were seen, on one Redis server.
#[derive(Clone, Debug)]
pub struct Seen {
    requests: mpsc::Sender<Request>,
    pause: Pause,
}

impl Seen {
    /// Connects at the first use, and again whenever the connection is lost.
    ///
    /// # Errors
    /// When the URL cannot be read.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub fn open(options: &Options) -> Result<Self, InvalidUrl> {
        let client = Client::open(options.url.expose_secret()).map_err(|_| InvalidUrl)?;
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            // The time-outs of single round trips are ours.
            .set_response_timeout(None)
            .set_min_delay(RETRY_BASE)
            .set_max_delay(RETRY_CAP);
        let connection = ConnectionManager::new_lazy_with_config(client, config);
        let connection = connection.map_err(|_| InvalidUrl)?;
        let pause = Pause::default();
        let requests = Link::start(connection, options.prefix.clone(), pause.clone());
        Ok(Self { requests, pause })
    }

    /// Puts a request before the task. `false` when Redis is left alone just now, or too many wait.
    fn put(&self, request: Request) -> bool {
        !self.pause.holds() && self.requests.try_send(request).is_ok()
    }
}

#[async_trait::async_trait]
impl SeenKeys for Seen {
    async fn seen(&self, keys: &[u128]) -> Vec<bool> {
        let (answer, answered) = oneshot::channel();
        let asked = keys[..keys.len().min(KEYS_MAX)].to_vec();
        let mut answers = if !asked.is_empty() && self.put(Request::Seen(asked, answer)) {
            answered.await.unwrap_or_default()
        } else {
            Vec::new()
        };
        answers.resize(keys.len(), false);
        answers
    }

    /// Does not wait: what is asked for later through the same connection finds it, if Redis does not fail.
    async fn mark(&self, keys: &[u128], window: Duration) {
        if keys.is_empty() || window < WINDOW_MIN {
            return;
        }
        let window_ms = u64::try_from(window.as_millis()).unwrap_or(u64::MAX >> 1);
        self.put(Request::Mark(keys[..keys.len().min(KEYS_MAX)].to_vec(), window_ms));
    }
}
