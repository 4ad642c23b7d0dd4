//! One caller's tail, from its first look to its end.
//!
//! It runs apart from the connection: whether its reader reads or not, it looks, sees its key end, and gives its place
//! back.

use std::time::Duration;

use actix_web::http::header::HeaderValue;
use actix_web::web::Data;
use bytes::Bytes;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};
use tripline_contracts::pb;
use tripline_kernel::{Classify as _, Timestamp};

use super::followed::{Followed, News};
use super::look::{LOOK_MAX, Look};
use super::places::Place;
use super::{Asked, event, whose};
use crate::gateway::Gateway;
use crate::refusal::Refusal;
use crate::routes::invocations::view::Invocation;

/// The pace of looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A tail rests this many times as long as its last look took, so that it takes a fifth of the invoker's time at most…
const REST: u32 = 4;
/// …but no longer than this.
const REST_MAX: Duration = Duration::from_secs(10);
/// A stream that has been silent for so long says after its next look that it is there: so both ends learn when the
/// other is gone.
const SILENCE_MAX: Duration = Duration::from_secs(15);
/// How often the key, and what the names stand for, are looked at again. A key is known as good for as long before auth
/// is asked again, so one that was revoked ends its tails within twice this time.
const CHECK_EVERY: Duration = Duration::from_secs(30);
/// A reader that has not taken what it was told for so long is left.
const UNREAD_MAX: Duration = Duration::from_secs(10);

/// One caller's tail.
pub(super) struct Tail {
    pub(super) gateway: Data<Gateway>,
    pub(super) authorization: Option<HeaderValue>,
    pub(super) asked: Asked,
    /// The list to look at.
    pub(super) read: pb::ListInvocationsRequest,
    pub(super) state: Option<String>,
    pub(super) followed: Followed,
    /// Its key and names were good then.
    pub(super) checked_at: Timestamp,
    pub(super) _place: Place,
}

/// What a tail remembers of what it said.
struct Said {
    /// Whether the caller was told that the invoker cannot be asked.
    away: bool,
    at: Instant,
}

impl Tail {
    /// Tells what happens until the reader leaves or does not read, the key ends, a name comes to stand for something
    /// else, or the gateway stops.
    pub(super) async fn run(mut self, tell: mpsc::Sender<Bytes>) {
        let stop = self.gateway.stop.clone();
        tokio::select! {
            () = stop.cancelled() => {}
            () = tell.closed() => {}
            () = self.follow(&tell) => {}
        }
    }

    async fn follow(&mut self, tell: &mpsc::Sender<Bytes>) {
        let mut said = Said { away: false, at: Instant::now() };
        let mut rest = LOOK_EVERY;
        loop {
            sleep(rest).await;
            if !self.goes_on().await {
                return;
            }
            let began = Instant::now();
            let mut news = self.news(&mut said).await;
            rest = (REST * began.elapsed()).clamp(LOOK_EVERY, REST_MAX);
            if news.is_empty() && said.at.elapsed() >= SILENCE_MAX {
                // A comment, which readers of such streams pass over.
                news.extend_from_slice(b":\n\n");
            }
            if !news.is_empty() {
                if tell.send_timeout(news.into(), UNREAD_MAX).await.is_err() {
                    return;
                }
                said.at = Instant::now();
            }
        }
    }

    async fn news(&mut self, said: &mut Said) -> Vec<u8> {
        let look = match Look::at(&self.gateway, &self.read, &self.followed).await {
            Ok(look) => look,
            Err(error) if std::mem::replace(&mut said.away, true) => {
                tracing::debug!(%error, "a tail cannot look");
                return Vec::new();
            }
            Err(error) => return event("away", &json!({"code": error.code()})).into(),
        };
        said.away = false;
        let looked_at = look.items.len().min(LOOK_MAX);
        let News { items, gap } = self.followed.take(look);
        let mut news = Vec::new();
        if gap {
            news.extend_from_slice(&event("gap", &json!({"looked_at": looked_at})));
        }
        for item in items {
            if self.state.as_ref().is_none_or(|state| *state == item.state) {
                let item = Invocation::of(item, &self.gateway.snapshot).without_bodies();
                news.extend_from_slice(&event("invocation", &item));
            }
        }
        news
    }

    /// While auth is away, a key that was good stays so; while the registry is, so do the names.
    async fn goes_on(&mut self) -> bool {
        let now = self.gateway.clock.now();
        // A clock that was set back must not make an old check young.
        if (self.checked_at..self.checked_at.after(CHECK_EVERY)).contains(&now) {
            return true;
        }
        self.checked_at = now;
        let authorization = self.authorization.as_ref().map(HeaderValue::as_bytes);
        let caller = self.gateway.authenticator.caller(authorization).await;
        if matches!(caller, Err(Refusal::ApiKeyMissing | Refusal::ApiKeyInvalid)) {
            return false;
        }
        // What is gone may still be cancelled one by one. What was made anew is told to who asks anew.
        match whose(&self.gateway, &self.asked).await {
            Ok(read) => read == self.read,
            Err(_) => true,
        }
    }
}
