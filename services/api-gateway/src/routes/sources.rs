//! Sources, and what they are doing.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use serde_json::{Map, Value};
use tripline_contracts::{Error, pb};
use tripline_kernel::{Classify as _, ErrorKind, Timestamp};
use tripline_runtime::Problem;

use super::{DEFAULT_BUS, document, name, part};
use crate::answer::{self, Meta, filled, page, stored};
use crate::authn::Caller;
use crate::condition::of_write;
use crate::document::Fields;
use crate::gateway::Gateway;
use crate::peers::{READ_WAIT, WRITE_WAIT, answer};
use crate::query::Query;
use crate::refusal::{Kind, Refusal};

#[derive(Debug, Serialize)]
struct Source {
    #[serde(flatten)]
    meta: Meta,
    kind: String,
    settings: Map<String, Value>,
    bus: String,
    /// Not in lists: each costs a question.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status>,
}

#[derive(Debug, Serialize)]
struct Status {
    state: String,
    reason: Option<String>,
    since: Option<Timestamp>,
    events: Option<u64>,
    last_event_at: Option<Timestamp>,
}

/// What a document of a source says.
struct Wanted {
    kind: String,
    settings: Map<String, Value>,
    bus: String,
}

fn source(message: pb::Source) -> Result<Source, Refusal> {
    let settings = serde_json::from_str(&message.settings_json);
    Ok(Source {
        meta: Meta::of(message.meta)?,
        kind: message.kind,
        settings: settings.map_err(|_| Refusal::Contract("trigger-registry"))?,
        bus: message.bus,
        status: None,
    })
}

fn wanted(fields: &mut Fields<'_>) -> Option<Wanted> {
    let kind = fields.text("kind");
    let settings = fields.object("settings", |settings| Some(settings.rest()));
    let bus = fields.optional_name("bus").unwrap_or_else(|| DEFAULT_BUS.to_owned());
    fields.read_only(&["status"]);
    Some(Wanted { kind: kind?, settings: settings?, bus })
}

/// `PUT /v1/sources/{name}`.
pub(super) async fn put(
    request: HttpRequest,
    payload: Payload,
    caller: Caller,
    gateway: Data<Gateway>,
) -> Result<HttpResponse, Problem> {
    let document = document(&request, payload, &gateway).await?;
    let name = part(&request, "name");
    let (wanted, _) = document.read(name, wanted)?;
    let revision = async { stored_source(&gateway, caller, name).await.map(|stored| stored.1) };
    let condition = of_write(&request, revision).await?;
    let write = pb::PutSourceRequest {
        tenant: caller.tenant.to_string(),
        name: name.to_owned(),
        condition,
        kind: wanted.kind,
        settings_json: Value::Object(wanted.settings).to_string(),
        bus: wanted.bus,
    };
    let put = answer(WRITE_WAIT, gateway.peers.registry.clone().put_source(write)).await?;
    let document = source(put.source.ok_or(Refusal::Contract("trigger-registry"))?)?;
    Ok(answer::put(put.created, document.meta.revision, &document))
}

/// The source, and its revision.
async fn stored_source(
    gateway: &Gateway,
    caller: Caller,
    name: &str,
) -> Result<(pb::Source, u64), Error> {
    let read = caller.get_request(name.to_owned());
    let source = answer(READ_WAIT, gateway.peers.registry.clone().get_source(read)).await?;
    let revision = source.meta.as_ref().map(|meta| meta.revision).unwrap_or_default();
    Ok((source, revision))
}

/// `GET /v1/sources/{name}`: with its status, as far as event-monitor can say.
pub(super) async fn get(
    request: HttpRequest,
    caller: Caller,
    gateway: Data<Gateway>,
) -> Result<HttpResponse, Problem> {
    let name = name(&request, Kind::Source)?;
    let (message, revision) = stored_source(&gateway, caller, &name).await?;
    let status = match status_of(&gateway, caller, &message).await {
        Ok(status) => status,
        Err(error) => Status::unknown(&error),
    };
    let document = Source { status: Some(status), ..source(message)? };
    Ok(stored(StatusCode::OK, revision, &document))
}

/// `GET /v1/sources/{name}/status`.
pub(super) async fn status(
    request: HttpRequest,
    caller: Caller,
    gateway: Data<Gateway>,
) -> Result<HttpResponse, Problem> {
    let name = name(&request, Kind::Source)?;
    let (message, _) = stored_source(&gateway, caller, &name).await?;
    Ok(HttpResponse::Ok().json(status_of(&gateway, caller, &message).await?))
}

async fn status_of(
    gateway: &Gateway,
    caller: Caller,
    source: &pb::Source,
) -> Result<Status, Error> {
    let source_uid = source.meta.as_ref().map(|meta| meta.uid.clone()).unwrap_or_default();
    let read = pb::GetSourceStatusRequest { tenant: caller.tenant.to_string(), source_uid };
    let mut monitor = gateway.peers.monitor.clone();
    match answer(READ_WAIT, monitor.get_source_status(read)).await {
        Ok(status) => Ok(Status {
            state: status.state,
            reason: filled(status.reason),
            since: Some(Timestamp::from_micros(status.since)),
            events: Some(status.events),
            last_event_at: status.last_event_at.map(Timestamp::from_micros),
        }),
        // It is stored, but no monitor has met it yet.
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Status::named("starting", None)),
        Err(error) => Err(error),
    }
}

impl Status {
    fn named(state: &str, reason: Option<String>) -> Self {
        Self { state: state.to_owned(), reason, since: None, events: None, last_event_at: None }
    }

    fn unknown(error: &Error) -> Self {
        Self::named("unknown", Some(error.to_string()))
    }
}

/// `GET /v1/sources`.
pub(super) async fn list(
    request: HttpRequest,
    caller: Caller,
    gateway: Data<Gateway>,
) -> Result<HttpResponse, Problem> {
    let read = caller.list_request(Query::new(request.query_string()))?;
    let list = answer(READ_WAIT, gateway.peers.registry.clone().list_sources(read)).await?;
    Ok(HttpResponse::Ok().json(page(list.items, list.next_cursor, source)?))
}

/// `DELETE /v1/sources/{name}`.
pub(super) async fn delete(
    request: HttpRequest,
    caller: Caller,
    gateway: Data<Gateway>,
) -> Result<HttpResponse, Problem> {
    let name = name(&request, Kind::Source)?;
    let revision = async { stored_source(&gateway, caller, &name).await.map(|stored| stored.1) };
    let condition = of_write(&request, revision).await?;
    let delete = caller.delete_request(name, condition);
    answer(WRITE_WAIT, gateway.peers.registry.clone().delete_source(delete)).await?;
    Ok(HttpResponse::NoContent().finish())
}
