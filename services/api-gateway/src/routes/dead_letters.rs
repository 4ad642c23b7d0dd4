//! Dead letters: what ended dead, with all it takes to see why.

use actix_web::http::header::ACCEPT;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use futures_util::stream;
use serde::Serialize;
use serde_json::value::RawValue;
use tripline_contracts::{Error, pb};
use tripline_runtime::Problem;

use super::invocations::view::Invocation;
use super::invocations::{Filters, get_request, in_portions, nothing};
use crate::answer::{filled, page};
use crate::authn::Caller;
use crate::body::media_type;
use crate::gateway::Gateway;
use crate::peers::{READ_WAIT, answer};
use crate::query::Query;
use crate::refusal::{Kind, Refusal};
use crate::snapshot::Snapshot;

/// One dead letter a line.
const NDJSON: &str = "application/x-ndjson";
/// How many dead letters a stream holds in memory at most.
const STREAMED_PAGE: u32 = 16;

/// What the function received, or would have. A text in place of what is no JSON.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Payload {
    Json(Box<RawValue>),
    Text(String),
    Binary { data_base64: String },
}

impl Payload {
    fn of(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => match serde_json::from_str(text) {
                Ok(json) => Self::Json(json),
                Err(_) => Self::Text(text.to_owned()),
            },
            Err(_) => Self::Binary { data_base64: data_encoding::BASE64.encode(bytes) },
        }
    }
}

/// A dead letter as it is shown: its invocation, with what was sent as the event.
fn dead_letter(
    message: pb::DeadLetter,
    snapshot: &Snapshot,
) -> Result<Invocation<Payload>, Refusal> {
    let invocation = message.invocation.ok_or(Refusal::Contract("invoker"))?;
    Ok(Invocation::with(Payload::of(&message.payload), invocation, snapshot))
}

/// `GET /v1/dead-letters/{id}`.
pub(super) async fn get(
    request: HttpRequest,
    caller: Caller,
    gateway: Data<Gateway>,
) -> Result<HttpResponse, Problem> {
    let read = get_request(&request, caller, Kind::DeadLetter)?;
    let message = answer(READ_WAIT, gateway.peers.invoker.clone().get_dead_letter(read)).await?;
    Ok(HttpResponse::Ok().json(dead_letter(message, &gateway.snapshot)?))
}

/// `GET /v1/dead-letters`: a page, or with `Accept: application/x-ndjson` all of them, one a line.
pub(super) async fn list(
    request: HttpRequest,
    caller: Caller,
    gateway: Data<Gateway>,
) -> Result<HttpResponse, Problem> {
    let mut query = Query::new(request.query_string());
    let filters = Filters::of(&mut query);
    query.finish()?;
    let read = filters.resolve(caller, &gateway).await?;
    if accepts_ndjson(&request) {
        return Ok(stream_all(gateway, read));
    }
    let Some(read) = read else { return Ok(HttpResponse::Ok().json(nothing()?)) };
    let list = ask(&gateway, read).await?;
    let item = |message| dead_letter(message, &gateway.snapshot);
    Ok(HttpResponse::Ok().json(page(list.items, list.next_cursor, item)?))
}

async fn ask(
    gateway: &Gateway,
    read: pb::ListInvocationsRequest,
) -> Result<pb::ListDeadLettersResponse, Error> {
    let ask = |read| async {
        answer(READ_WAIT, gateway.peers.invoker.clone().list_dead_letters(read)).await
    };
    in_portions(read, ask).await
}

fn accepts_ndjson(request: &HttpRequest) -> bool {
    let accepted = request.headers().get(ACCEPT).and_then(|value| value.to_str().ok());
    let mut ranges = accepted.unwrap_or_default().split(',');
    ranges.any(|range| media_type(range).eq_ignore_ascii_case(NDJSON))
}

/// Follows the pages from `read` on. An error on the way breaks the answer off, so that nobody takes it for whole.
fn stream_all(gateway: Data<Gateway>, read: Option<pb::ListInvocationsRequest>) -> HttpResponse {
    let first = read.map(|read| pb::ListInvocationsRequest { limit: STREAMED_PAGE, ..read });
    let pages = stream::try_unfold((gateway, first), |(gateway, read)| async {
        let Some(read) = read else { return Ok(None) };
        match page_of_lines(&gateway, read).await {
            Ok((lines, next)) => Ok(Some((lines, (gateway, next)))),
            Err(problem) => Err(problem.to_string()),
        }
    });
    HttpResponse::Ok().content_type(NDJSON).streaming(pages)
}

/// One page as lines, and the request for the next one if there is one.
async fn page_of_lines(
    gateway: &Gateway,
    read: pb::ListInvocationsRequest,
) -> Result<(Bytes, Option<pb::ListInvocationsRequest>), Problem> {
    let list = ask(gateway, read.clone()).await?;
    let mut lines = Vec::new();
    for message in list.items {
        let line = dead_letter(message, &gateway.snapshot)?;
        serde_json::to_writer(&mut lines, &line).map_err(|_| Refusal::Contract("invoker"))?;
        lines.push(b'\n');
    }
    let more = filled(list.next_cursor);
    Ok((lines.into(), more.map(|cursor| pb::ListInvocationsRequest { cursor, ..read })))
}

#[cfg(test)]
mod tests {
    use super::Payload;

    #[test]
    fn a_payload_is_shown_as_what_it_is() {
        let shown = |bytes: &[u8]| serde_json::to_string(&Payload::of(bytes)).unwrap();
        assert_eq!(shown(br#"{"id": 1.50}"#), r#"{"id": 1.50}"#, "as it was sent");
        assert_eq!(shown(b"plain"), r#""plain""#);
        assert_eq!(shown(b"\xff"), r#"{"data_base64":"/w=="}"#);
        assert_eq!(shown(b""), r#""""#);
    }
}
