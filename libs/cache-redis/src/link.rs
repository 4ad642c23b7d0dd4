//! The one task that talks to Redis.
//!
//! While one round trip is under way, what is asked and marked gathers, and goes into the next together: a busy gateway
//! costs Redis a command for many events, not two for each.

use std::time::Duration;

use redis::aio::ConnectionManager;
use redis::{Pipeline, RedisResult, Value};
use tokio::sync::{mpsc, oneshot};

use crate::pause::Pause;

/// How long one round trip may take.
const ROUND_TIMEOUT: Duration = Duration::from_millis(50);
/// How long an answer is waited for at most: the round trip that is under way, and one's own.
pub const SEEN_TIMEOUT: Duration = Duration::from_millis(100);
/// Most requests that wait. What is asked beyond is not seen, what is marked beyond is not marked.
const REQUESTS_WAITING_MAX: usize = 4096;
/// A round trip takes no more requests once it has this many keys.
const ROUND_KEYS_MAX: usize = 4096;

/// What is wanted of Redis.
pub(crate) enum Request {
    /// Which of these keys are there.
    Seen(Vec<u128>, oneshot::Sender<Vec<bool>>),
    /// Keep these keys for so many milliseconds.
    Mark(Vec<u128>, u64),
}

/// The task's side.
pub(crate) struct Link {
    connection: ConnectionManager,
    prefix: String,
    pause: Pause,
    requests: mpsc::Receiver<Request>,
}

impl Link {
    /// Starts the task. It ends when the sender and its clones are gone.
    pub(crate) fn start(
        connection: ConnectionManager,
        prefix: String,
        pause: Pause,
    ) -> mpsc::Sender<Request> {
        let (sender, requests) = mpsc::channel(REQUESTS_WAITING_MAX);
        tokio::spawn(Self { connection, prefix, pause, requests }.run());
        sender
    }

    async fn run(mut self) {
        while let Some(first) = self.requests.recv().await {
            let mut round = Round::default();
            round.add(first);
            while round.keys < ROUND_KEYS_MAX
                && let Ok(request) = self.requests.try_recv()
            {
                round.add(request);
            }
            let values = self.make(&round).await.unwrap_or_default();
            round.answer(values);
        }
    }

    /// The values of all keys asked for; nothing when it fails, takes too long, or the last round did so just now.
    async fn make(&mut self, round: &Round) -> Option<Vec<Value>> {
        if self.pause.holds() {
            return None;
        }
        let pipeline = round.pipeline(&self.prefix);
        match tokio::time::timeout(ROUND_TIMEOUT, self.query(&pipeline, round)).await {
            Ok(Ok(values)) => {
                self.pause.end();
                Some(values)
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

    async fn query(&mut self, pipeline: &Pipeline, round: &Round) -> RedisResult<Vec<Value>> {
        if round.asks.is_empty() {
            return pipeline.query_async::<()>(&mut self.connection).await.map(|()| Vec::new());
        }
        let (values,) = pipeline.query_async(&mut self.connection).await?;
        Ok(values)
    }
}

/// What goes into one round trip.
#[derive(Default)]
struct Round {
    asks: Vec<(Vec<u128>, oneshot::Sender<Vec<bool>>)>,
    marks: Vec<(Vec<u128>, u64)>,
    keys: usize,
}

impl Round {
    fn add(&mut self, request: Request) {
        match request {
            Request::Seen(keys, answer) => {
                self.keys += keys.len();
                self.asks.push((keys, answer));
            }
            Request::Mark(keys, window_ms) => {
                self.keys += keys.len();
                self.marks.push((keys, window_ms));
            }
        }
    }

    fn pipeline(&self, prefix: &str) -> Pipeline {
        let name = |key: &u128| format!("{prefix}seen:{key:032x}");
        let mut pipeline = Pipeline::with_capacity(self.keys);
        for (keys, window_ms) in &self.marks {
            for key in keys {
                let set = pipeline.cmd("SET").arg(name(key)).arg(1);
                set.arg("PX").arg(*window_ms).arg("NX").ignore();
            }
        }
        if !self.asks.is_empty() {
            let get = pipeline.cmd("MGET");
            for key in self.asks.iter().flat_map(|(keys, _)| keys) {
                get.arg(name(key));
            }
        }
        pipeline
    }

    fn answer(self, values: Vec<Value>) {
        let mut values = values.into_iter();
        for (keys, answer) in self.asks {
            let seen = keys.iter().map(|_| values.next().is_some_and(|value| value != Value::Nil));
            // Who has left does not mind.
            let _ = answer.send(seen.collect());
        }
    }
}
