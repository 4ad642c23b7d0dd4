//! The cache on Redis, shared by all replicas of a service.
//!
//! Redis is never the truth of anything: whatever goes wrong with it, the answer is `false`, within a named time. A Redis
//! that is down or hangs costs one time-out a second and not one a call.

mod options;
mod pause;

use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, Pipeline, RedisResult};
use secrecy::ExposeSecret as _;
use tripline_cache::SeenKeys;

pub use options::{InvalidUrl, Options};
use pause::Pause;

/// How long an answer is waited for.
pub const SEEN_TIMEOUT: Duration = Duration::from_millis(50);
/// How long marking is waited for.
pub const MARK_TIMEOUT: Duration = Duration::from_millis(100);
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
    connection: ConnectionManager,
    prefix: String,
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
            // The time-outs of single calls are ours.
            .set_response_timeout(None)
            .set_min_delay(RETRY_BASE)
            .set_max_delay(RETRY_CAP);
        let connection = ConnectionManager::new_lazy_with_config(client, config);
        let connection = connection.map_err(|_| InvalidUrl)?;
        Ok(Self { connection, prefix: options.prefix.clone(), pause: Pause::default() })
    }

    fn key(&self, key: u128) -> String {
        format!("{}seen:{key:032x}", self.prefix)
    }

    /// The value of a call; nothing when it fails, takes too long, or the last one did so just now.
    async fn ask<T>(
        &self,
        timeout: Duration,
        call: impl Future<Output = RedisResult<T>>,
    ) -> Option<T> {
        if self.pause.holds() {
            return None;
        }
        match tokio::time::timeout(timeout, call).await {
            Ok(Ok(value)) => {
                self.pause.end();
                Some(value)
            }
            Ok(Err(error)) => {
                self.pause.begin(&error);
                None
            }
            Err(elapsed) => {
                self.pause.begin(&elapsed);
                None
            }
        }
    }
}

#[async_trait::async_trait]
impl SeenKeys for Seen {
    async fn seen(&self, keys: &[u128]) -> Vec<bool> {
        let asked = keys.len().min(KEYS_MAX);
        let mut answers = vec![false; keys.len()];
        if asked == 0 {
            return answers;
        }
        let mut get = redis::cmd("MGET");
        for key in &keys[..asked] {
            get.arg(self.key(*key));
        }
        let mut connection = self.connection.clone();
        let values: Option<Vec<redis::Value>> =
            self.ask(SEEN_TIMEOUT, get.query_async(&mut connection)).await;
        for (answer, value) in answers.iter_mut().zip(values.unwrap_or_default()) {
            *answer = value != redis::Value::Nil;
        }
        answers
    }

    async fn mark(&self, keys: &[u128], window: Duration) {
        if keys.is_empty() || window < WINDOW_MIN {
            return;
        }
        let window_ms = u64::try_from(window.as_millis()).unwrap_or(u64::MAX >> 1);
        let mut marks = Pipeline::with_capacity(keys.len().min(KEYS_MAX));
        for key in keys.iter().take(KEYS_MAX) {
            let set = marks.cmd("SET").arg(self.key(*key)).arg(1);
            set.arg("PX").arg(window_ms).arg("NX").ignore();
        }
        let mut connection = self.connection.clone();
        let _: Option<()> = self.ask(MARK_TIMEOUT, marks.query_async(&mut connection)).await;
    }
}
