//! `GET /v1/tail`: invocations as they happen, as server-sent events.
//!
//! Each tail looks at the invoker's list, at a pace and with bounds. A notification would come sooner, but only from
//! the one replica of the invoker that is asked; the list is that of all.

mod followed;
mod following;
mod look;
mod places;

use std::convert::Infallible;

use actix_web::http::header;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use futures_util::stream::{StreamExt as _, iter};
use serde::Serialize;
use serde_json::json;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tripline_contracts::pb;
use tripline_runtime::Problem;

use super::super::shown;
use super::{Filters, STATES};
use crate::authn::Caller;
use crate::gateway::Gateway;
use crate::query::Query;
use crate::refusal::{Kind, Refusal};
use followed::Followed;
use following::Tail;
use look::Look;
pub(crate) use places::Tails;

/// How many are asked for at once.
const PAGE_ITEMS: u32 = 100;
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
    let asked = Asked { caller, trigger, function };
    let checked_at = gateway.clock.now();
    let read = whose(&gateway, &asked).await?;
    if !takes_events(&request) {
        let problem = "a tail is sent as text/event-stream";
        return Err(Refusal::Header { name: "Accept", problem }.into());
    }
    let place = gateway.tails.take(caller.api_key).ok_or(Refusal::TooManyTails)?;
    let mut followed = Followed::default();
    // What was there before is known, not told of.
    let before = Look::at(&gateway, &read, &followed).await?;
    followed.take(before);
    let tail = Tail {
        authorization: request.headers().get(header::AUTHORIZATION).cloned(),
        checked_at,
        gateway: gateway.clone(),
        asked,
        read,
        state,
        followed,
        _place: place,
    };
    let (tell, told) = mpsc::channel(1);
    gateway.tasks.spawn_on(tail.run(tell), &gateway.runtime);
    let ready = iter([event("ready", &json!({}))]);
    let news = ready.chain(ReceiverStream::new(told)).map(Ok::<_, Infallible>);
    Ok(HttpResponse::Ok()
        .content_type(EVENT_STREAM)
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .streaming(news))
}

/// Who wants to follow what, in the caller's own words.
struct Asked {
    caller: Caller,
    trigger: Option<String>,
    function: Option<String>,
}

/// The list to look at. A name that is nobody's is refused here: nothing would ever come.
async fn whose(gateway: &Gateway, asked: &Asked) -> Result<pb::ListInvocationsRequest, Problem> {
    let Asked { caller, trigger, function } = asked;
    let missing = |kind, name: &Option<String>| {
        let name = shown(name.as_deref().unwrap_or_default());
        Refusal::NotFound { kind, name }
    };
    let filters = Filters { trigger: trigger.clone(), ..Filters::default() };
    let of_trigger = filters.resolve(*caller, gateway).await?;
    let of_trigger = of_trigger.ok_or_else(|| missing(Kind::Trigger, trigger))?;
    let filters = Filters { function: function.clone(), ..Filters::default() };
    let of_function = filters.resolve(*caller, gateway).await?;
    let of_function = of_function.ok_or_else(|| missing(Kind::Function, function))?;
    Ok(pb::ListInvocationsRequest {
        limit: PAGE_ITEMS,
        attempts: pb::AttemptDetail::Last.into(),
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

/// One server-sent event; JSON on one line needs no more.
fn event(name: &str, data: &impl Serialize) -> Bytes {
    let data = serde_json::to_string(data).expect("its keys are texts");
    format!("event: {name}\ndata: {data}\n\n").into()
}
