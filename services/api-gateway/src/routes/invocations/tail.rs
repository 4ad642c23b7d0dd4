//! `GET /v1/tail`: invocations as they happen, as server-sent events.
//!
//! Each tail looks at the invoker's list, at a pace and with bounds. A notification would come sooner, but only from
//! the one replica of the invoker that is asked; the list is that of all.

mod followed;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header::{self, HeaderValue};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use futures_util::stream::{StreamExt as _, iter, unfold};
use serde::Serialize;
use serde_json::json;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep};
use tripline_contracts::{Error, pb};
use tripline_kernel::Classify as _;
use tripline_runtime::Problem;

use super::super::shown;
use super::view::Invocation;
use super::{Filters, STATES, in_portions};
use crate::authn::Caller;
use crate::gateway::Gateway;
use crate::peers::{READ_WAIT, answer};
use crate::query::Query;
use crate::refusal::{Kind, Refusal};
use followed::{Followed, News};

/// Most tails at a time, of all callers.
pub(crate) const TAILS_MAX: usize = 32;
/// The pace of looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Most invocations that a look reads.
const LOOK_MAX: usize = 1_000;
/// How many are asked for at once.
const PAGE_ITEMS: u32 = 100;
/// A stream says at least this often that it is there: so both ends learn when the other is gone.
const SILENCE_MAX: Duration = Duration::from_secs(15);
/// A key that is no longer good ends its tails within this time, and what auth answers in.
const KEY_GOOD_FOR: Duration = Duration::from_secs(60);
const EVENT_STREAM: &str = "text/event-stream";

/// `GET /v1/tail`: from now on, until the caller leaves, its key ends, or the gateway stops.
pub(in crate::routes) async fn tail(
    request: HttpRequest,
    caller: Caller,
    gateway: Data<Gateway>,
) -> Result<HttpResponse, Problem> {
    let mut query = Query::new(request.query_string());
    let (trigger, function) = (query.text("trigger"), query.text("function"));
    let state = query.one_of("state", &STATES);
    query.finish()?;
    let read = whose(&gateway, caller, (trigger, function)).await?;
    if !takes_events(&request) {
        let problem = "a tail is sent as text/event-stream";
        return Err(Refusal::Header { name: "Accept", problem }.into());
    }
    let place =
        Arc::clone(&gateway.tails).try_acquire_owned().map_err(|_| Refusal::TooManyTails)?;
    let mut followed = Followed::default();
    // What was there before is known, not told of.
    let before = look(&gateway, &read, &followed).await?;
    followed.take(before);
    let now = Instant::now();
    let tail = Tail {
        authorization: request.headers().get(header::AUTHORIZATION).cloned(),
        gateway,
        read,
        state,
        followed,
        away: false,
        said_at: now,
        key_good_at: now,
        _place: place,
    };
    let ready = iter([Ok(event("ready", &json!({})))]);
    let news = unfold(tail, |mut tail| async move {
        let said = tail.next().await?;
        Some((Ok::<_, Infallible>(said), tail))
    });
    Ok(HttpResponse::Ok()
        .content_type(EVENT_STREAM)
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .streaming(ready.chain(news)))
}

/// The list to look at. A name that is nobody's is refused here: nothing would ever come.
async fn whose(
    gateway: &Gateway,
    caller: Caller,
    (trigger, function): (Option<String>, Option<String>),
) -> Result<pb::ListInvocationsRequest, Problem> {
    let missing = |kind, name: Option<String>| {
        let name = shown(&name.unwrap_or_default());
        Refusal::NotFound { kind, name }
    };
    let filters = Filters { trigger: trigger.clone(), ..Filters::default() };
    let of_trigger = filters.resolve(caller, gateway).await?;
    let of_trigger = of_trigger.ok_or_else(|| missing(Kind::Trigger, trigger))?;
    let filters = Filters { function: function.clone(), ..Filters::default() };
    let of_function = filters.resolve(caller, gateway).await?;
    let of_function = of_function.ok_or_else(|| missing(Kind::Function, function))?;
    Ok(pb::ListInvocationsRequest {
        limit: PAGE_ITEMS,
        function_uid: of_function.function_uid,
        ..of_trigger
    })
}

fn takes_events(request: &HttpRequest) -> bool {
    let accepted =
        request.headers().get_all(header::ACCEPT).filter_map(|value| value.to_str().ok());
    let media_type = |part: &str| part.split(';').next().unwrap_or_default().trim().to_owned();
    let mut media_types = accepted.flat_map(|value| value.split(',')).map(media_type);
    media_types.any(|accepted| matches!(&*accepted, EVENT_STREAM | "text/*" | "*/*"))
}

/// The newest invocations, as many as `followed` needs.
async fn look(
    gateway: &Gateway,
    read: &pb::ListInvocationsRequest,
    followed: &Followed,
) -> Result<Vec<pb::Invocation>, Error> {
    let (mut read, mut items) = (read.clone(), Vec::new());
    loop {
        let page = in_portions(read.clone(), |read| async {
            answer(READ_WAIT, gateway.peers.invoker.clone().list_invocations(read)).await
        });
        let page = page.await?;
        items.extend(page.items);
        if page.next_cursor.is_empty() || items.len() >= LOOK_MAX || followed.is_enough(&items) {
            return Ok(items);
        }
        read.cursor = page.next_cursor;
    }
}

/// One caller's tail.
struct Tail {
    gateway: Data<Gateway>,
    authorization: Option<HeaderValue>,
    read: pb::ListInvocationsRequest,
    state: Option<String>,
    followed: Followed,
    /// Whether the caller was told that the invoker cannot be asked.
    away: bool,
    said_at: Instant,
    key_good_at: Instant,
    _place: OwnedSemaphorePermit,
}

impl Tail {
    /// What to say next; nothing when the tail ends.
    async fn next(&mut self) -> Option<Bytes> {
        let stop = self.gateway.stop.clone();
        loop {
            tokio::select! {
                () = stop.cancelled() => return None,
                () = sleep(LOOK_EVERY) => {}
            }
            if !self.key_is_good().await {
                return None;
            }
            let mut said = self.news().await;
            if said.is_empty() && self.said_at.elapsed() >= SILENCE_MAX {
                // A comment, which readers of such streams pass over.
                said.extend_from_slice(b":\n\n");
            }
            if !said.is_empty() {
                self.said_at = Instant::now();
                return Some(said.into());
            }
        }
    }

    async fn news(&mut self) -> Vec<u8> {
        let items = match look(&self.gateway, &self.read, &self.followed).await {
            Ok(items) => items,
            Err(error) if std::mem::replace(&mut self.away, true) => {
                tracing::debug!(%error, "a tail cannot look");
                return Vec::new();
            }
            Err(error) => return event("away", &json!({"code": error.code()})).into(),
        };
        self.away = false;
        let News { items, gap } = self.followed.take(items);
        let mut said = Vec::new();
        if gap {
            said.extend_from_slice(&event("gap", &json!({"looked_at": LOOK_MAX})));
        }
        for item in items {
            if self.state.as_ref().is_none_or(|state| *state == item.state) {
                let item = Invocation::of(item, &self.gateway.snapshot);
                said.extend_from_slice(&event("invocation", &item));
            }
        }
        said
    }

    /// While auth is away, a key that was good stays so.
    async fn key_is_good(&mut self) -> bool {
        if self.key_good_at.elapsed() < KEY_GOOD_FOR {
            return true;
        }
        self.key_good_at = Instant::now();
        let authorization = self.authorization.as_ref().map(HeaderValue::as_bytes);
        let caller = self.gateway.authenticator.caller(authorization).await;
        !matches!(caller, Err(Refusal::ApiKeyMissing | Refusal::ApiKeyInvalid))
    }
}

/// One server-sent event; JSON on one line needs no more.
fn event(name: &str, data: &impl Serialize) -> Bytes {
    let data = serde_json::to_string(data).expect("its keys are texts");
    format!("event: {name}\ndata: {data}\n\n").into()
}
