//! Publishing events.

use std::borrow::Cow;

use actix_web::http::header::{ALLOW, HeaderName, HeaderValue};
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;
use tripline_contracts::pb;
use tripline_event::{Error, Event, Origin, limits, parse_batch};
use tripline_kernel::{Classify as _, Fault};
use tripline_runtime::Problem;
use tripline_trace::{Kind as SpanKind, Span};

use super::invocations::in_portions;
use super::invocations::view::Invocation;
use super::named;
use crate::answer::page;
use crate::authn::Caller;
use crate::body::{self, content_type};
use crate::gateway::Gateway;
use crate::peers::{READ_WAIT, answer};
use crate::publish::{Errand, Mode, Outcome, traceparent};
use crate::query::Query;
use crate::refusal::Kind;

const REQUEST_ORIGIN: HeaderName = HeaderName::from_static("webhook-request-origin");
const REQUEST_RATE: HeaderName = HeaderName::from_static("webhook-request-rate");

/// The answer to a publish: what became of each event, in order.
#[derive(Debug, Serialize)]
struct Answer<'a> {
    events: Vec<Entry<'a>>,
}

#[derive(Debug, Serialize)]
struct Entry<'a> {
    /// Of a rejected event, as far as it can be read.
    id: Option<Cow<'a, str>>,
    source: Option<Cow<'a, str>>,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<EntryError>,
}

#[derive(Debug, Serialize)]
struct EntryError {
    code: String,
    detail: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Fault>,
}

/// `POST /v1/buses/{bus}/events`: 202 once the log has confirmed.
pub(super) async fn publish(
    request: HttpRequest,
    payload: Payload,
    caller: Caller,
    gateway: Data<Gateway>,
) -> Result<HttpResponse, Problem> {
    let mode = Mode::of(request.headers(), content_type(&request)?)?;
    let name = named(&request, "bus", Kind::Bus)?;
    let bus = gateway.bus(caller.tenant, &name).await?;
    let mut span = begin_span(&gateway, &name);
    let context = span.as_ref().map(Span::context).or_else(|| traceparent(request.headers()));
    let traceparent = context.map(|context| context.to_string());
    let errand = Errand {
        tenant: caller.tenant,
        bus: &bus,
        origin: Origin::ApiKey(caller.api_key),
        traceparent: traceparent.as_deref(),
    };
    let published = publish_body(&gateway, &errand, (&request, payload), mode).await;
    if let (Some(span), Err(problem)) = (&mut span, &published) {
        span.set("error.type", problem.code().to_owned());
        span.fail(problem.code().to_owned());
    }
    published
}

async fn publish_body(
    gateway: &Gateway,
    errand: &Errand<'_>,
    (request, payload): (&HttpRequest, Payload),
    mode: Mode,
) -> Result<HttpResponse, Problem> {
    if mode == Mode::Batch {
        let body = body::read(request, payload, gateway.batch_limit()).await?;
        return publish_batch(gateway, errand, &body).await;
    }
    let body = body::read(request, payload, gateway.event_limit()).await?;
    let event = match mode {
        Mode::Structured => Event::from_json(body)?,
        Mode::Binary | Mode::Batch => {
            let headers = request.headers().iter();
            Event::from_http(headers.map(|(name, value)| (name.as_str(), value.as_bytes())), &body)?
        }
    };
    let outcomes = gateway.publisher.publish(errand, &[&event]).await?;
    let events = outcomes.into_iter().map(|outcome| accepted(&event, outcome)).collect();
    Ok(HttpResponse::Accepted().json(Answer { events }))
}

/// The span of a publish of a sampled trace: what becomes of its events belongs below it.
fn begin_span(gateway: &Gateway, bus: &str) -> Option<Span> {
    if !gateway.tracer.is_on() {
        return None;
    }
    let mut span =
        gateway.tracer.below(tripline_trace::current(), SpanKind::Producer, "publish")?;
    span.set("messaging.system", "tripline");
    span.set("messaging.operation.name", "publish");
    span.set("messaging.operation.type", "send");
    span.set("messaging.destination.name", bus.to_owned());
    Some(span)
}

/// A bad entry is rejected, not the batch.
async fn publish_batch(
    gateway: &Gateway,
    errand: &Errand<'_>,
    body: &Bytes,
) -> Result<HttpResponse, Problem> {
    let mut entries = parse_batch(body)?;
    let bytes_max = gateway.options.event_bytes_max;
    for entry in &mut entries {
        if entry.as_ref().is_ok_and(|event| event.json().len() > bytes_max) {
            *entry = Err(Error::TooLarge(format!("an event has at most {bytes_max} bytes")));
        }
    }
    let events: Vec<_> = entries.iter().filter_map(|entry| entry.as_ref().ok()).collect();
    let mut outcomes = gateway.publisher.publish(errand, &events).await?.into_iter();
    let mut labels = Labels::new(if events.len() < entries.len() { body } else { &[] });
    let mut told = Vec::with_capacity(entries.len());
    for (index, entry) in entries.iter().enumerate() {
        told.push(match entry {
            Ok(event) => accepted(event, outcomes.next().unwrap_or(Outcome::Published)),
            Err(error) => labels.rejected(index, error),
        });
    }
    Ok(HttpResponse::Accepted().json(Answer { events: told }))
}

fn accepted(event: &Event, outcome: Outcome) -> Entry<'_> {
    Entry {
        id: Some(Cow::Borrowed(event.id())),
        source: Some(Cow::Borrowed(event.source())),
        status: match outcome {
            Outcome::Published => "published",
            Outcome::Deduplicated => "deduplicated",
        },
        error: None,
    }
}

/// The identities of the entries of a batch that are no events, as far as they have one.
struct Labels<'a> {
    entries: Vec<&'a RawValue>,
}

impl<'a> Labels<'a> {
    fn new(body: &'a [u8]) -> Self {
        Self { entries: serde_json::from_slice(body).unwrap_or_default() }
    }

    fn rejected(&mut self, index: usize, error: &Error) -> Entry<'a> {
        let entry: serde_json::Map<String, serde_json::Value> = self
            .entries
            .get(index)
            .and_then(|entry| serde_json::from_str(entry.get()).ok())
            .unwrap_or_default();
        let text = |name: &str, bytes_max: usize| {
            let text = entry.get(name)?.as_str().filter(|text| text.len() <= bytes_max)?;
            Some(Cow::Owned(text.to_owned()))
        };
        Entry {
            id: text("id", limits::ID_BYTES_MAX),
            source: text("source", limits::ATTRIBUTE_BYTES_MAX),
            status: "rejected",
            error: Some(EntryError {
                code: error.code().into_owned(),
                detail: error.to_string(),
                errors: error.faults().to_vec(),
            }),
        }
    }
}

/// What became of an event.
#[derive(Serialize)]
struct Found<T> {
    source: String,
    id: String,
    /// One for each trigger that it matched.
    invocations: Vec<T>,
}

/// `GET /v1/buses/{bus}/events?source=…&id=…`: what became of an event. Nothing when no trigger of the bus matched it,
/// or its records have ended.
pub(super) async fn lookup(
    request: HttpRequest,
    caller: Caller,
    gateway: Data<Gateway>,
) -> Result<HttpResponse, Problem> {
    let name = named(&request, "bus", Kind::Bus)?;
    let mut query = Query::new(request.query_string());
    let (source, id) = (query.required("source"), query.required("id"));
    let (limit, cursor) = (query.limit(), query.cursor());
    query.finish()?;
    let bus = gateway.bus(caller.tenant, &name).await?;
    let read = pb::ListInvocationsRequest {
        tenant: caller.tenant.to_string(),
        limit,
        cursor,
        event_id: Some(id.clone()),
        event_source: Some(source.clone()),
        ..pb::ListInvocationsRequest::default()
    };
    let list = in_portions(read, |read| async {
        answer(READ_WAIT, gateway.peers.invoker.clone().list_invocations(read)).await
    });
    let list = list.await?;
    let snapshot = &gateway.snapshot;
    let on_this_bus = |invocation: &pb::Invocation| match &invocation.trigger_uid {
        // Of a trigger that is gone nobody knows any more where it was.
        Some(trigger) => snapshot.bus_of_trigger(trigger).is_none_or(|on| on == bus.uid),
        // A direct call: its event never was on a bus.
        None => false,
    };
    let invocations = list.items.into_iter().filter(on_this_bus);
    let invocations: Vec<_> = invocations.map(|found| Invocation::of(found, snapshot)).collect();
    let items =
        if invocations.is_empty() { vec![] } else { vec![Found { source, id, invocations }] };
    Ok(HttpResponse::Ok().json(page(items, list.next_cursor, Ok)?))
}

/// `OPTIONS /v1/buses/{bus}/events`: the validation handshake of CloudEvents webhooks (HTTP webhook 1.0.2, section 4).
///
/// Any sender may ask, from anywhere and at any rate; what it sends still needs an API key.
pub(super) async fn handshake(request: HttpRequest) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    response.insert_header((ALLOW, "POST"));
    let any = HeaderValue::from_static("*");
    if let Some(origin) = request.headers().get(REQUEST_ORIGIN) {
        response.insert_header(("WebHook-Allowed-Origin", origin.clone()));
        if request.headers().contains_key(REQUEST_RATE) {
            response.insert_header(("WebHook-Allowed-Rate", any));
        }
    }
    response.finish()
}
