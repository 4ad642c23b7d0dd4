//! Sources, and what they are doing.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use serde_json::{Map, Value};
use tripline_contracts::{Error, pb};
use tripline_kernel::{Classify as _, ErrorKind, Timestamp};
use tripline_runtime::Problem;

use super::resource::{Resource, Target, revision};
use super::{DEFAULT_BUS, name};
use crate::answer::{Meta, Page, filled, page, stored};
use crate::authn::Caller;
use crate::condition::of_write;
use crate::document::{Document, Fields};
use crate::gateway::Gateway;
use crate::peers::{READ_WAIT, WRITE_WAIT, answer};
use crate::query::Query;
use crate::refusal::{Kind, Refusal};

/// A source as it is shown.
#[derive(Debug, Serialize)]
pub(super) struct Source {
    #[serde(flatten)]
    pub(super) meta: Meta,
    pub(super) kind: String,
    pub(super) settings: Map<String, Value>,
    pub(super) bus: String,
    paused: bool,
    /// Not in lists: each costs a question.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status>,
}

#[derive(Debug, Serialize)]
pub(super) struct Status {
    state: String,
    reason: Option<String>,
    since: Option<Timestamp>,
    events: Option<u64>,
    last_event_at: Option<Timestamp>,
}

/// What a document of a source says.
pub(super) struct Wanted {
    kind: String,
    settings: Map<String, Value>,
    bus: String,
}

pub(super) fn source(message: pb::Source) -> Result<Source, Refusal> {
    let settings = serde_json::from_str(&message.settings_json);
    Ok(Source {
        meta: Meta::of(message.meta)?,
        kind: message.kind,
        settings: settings.map_err(|_| Refusal::Contract("trigger-registry"))?,
        bus: message.bus,
        paused: message.paused,
        status: None,
    })
}

fn wanted(fields: &mut Fields<'_>) -> Option<Wanted> {
    let kind = fields.text("kind");
    let settings = fields.object("settings", |settings| Some(settings.rest()));
    let bus = fields.optional_name("bus").unwrap_or_else(|| DEFAULT_BUS.to_owned());
    fields.read_only(&["status", "paused"]);
    Some(Wanted { kind: kind?, settings: settings?, bus })
}

impl Resource for Source {
    const KIND: Kind = Kind::Source;
    /// Shows what the source is doing.
    const LIVE: bool = true;
    type Wanted = Wanted;

    fn meta(&self) -> &Meta {
        &self.meta
    }

    fn wanted(document: Document, name: &str) -> Result<Wanted, Refusal> {
        document.read(name, wanted).map(|(wanted, _)| wanted)
    }

    fn filters(query: &mut Query<'_>) -> pb::ListRequest {
        let (kind, bus) = (query.text("kind"), query.text("bus"));
        pb::ListRequest { kind, bus, ..pb::ListRequest::default() }
    }

    async fn get(gateway: &Gateway, read: pb::GetRequest) -> Result<Self, Problem> {
        let mut registry = gateway.peers.registry.clone();
        Ok(source(answer(READ_WAIT, registry.get_source(read)).await?)?)
    }

    async fn list(gateway: &Gateway, read: pb::ListRequest) -> Result<Page<Self>, Problem> {
        let mut registry = gateway.peers.registry.clone();
        let list = answer(READ_WAIT, registry.list_sources(read)).await?;
        Ok(page(list.items, list.next_cursor, source)?)
    }

    async fn put(
        gateway: &Gateway,
        target: Target,
        wanted: Wanted,
    ) -> Result<(Self, bool), Problem> {
        let write = pb::PutSourceRequest {
            tenant: target.tenant,
            name: target.name,
            condition: target.condition,
            kind: wanted.kind,
            settings_json: Value::Object(wanted.settings).to_string(),
            bus: wanted.bus,
        };
        let put = answer(WRITE_WAIT, gateway.peers.registry.clone().put_source(write)).await?;
        let message = put.source.ok_or(Refusal::Contract("trigger-registry"))?;
        Ok((source(message)?, put.created))
    }

    async fn delete(gateway: &Gateway, delete: pb::DeleteRequest) -> Result<HttpResponse, Problem> {
        answer(WRITE_WAIT, gateway.peers.registry.clone().delete_source(delete)).await?;
        Ok(HttpResponse::NoContent().finish())
    }

    /// With its status, as far as event-monitor can say.
    async fn complete(self, gateway: &Gateway, caller: Caller) -> Self {
        let status = status_of(gateway, caller, &self.meta).await;
        Self { status: Some(status.unwrap_or_else(|error| Status::unknown(&error))), ..self }
    }
}

/// `POST /v1/sources/{name}/test`: whether the source would run, and why not.
pub(super) async fn test(
    request: HttpRequest,
    caller: Caller,
    gateway: Data<Gateway>,
) -> Result<HttpResponse, Problem> {
    #[derive(Serialize)]
    struct Tested {
        works: bool,
        reason: Option<String>,
    }
    let read = caller.get_request(name(&request, Kind::Source)?);
    let Meta { uid, revision, .. } = Source::get(&gateway, read).await?.meta;
    let tenant = caller.tenant.to_string();
    let test = pb::TestSourceRequest { tenant, source_uid: uid, revision };
    let pb::TestSourceResponse { reason } =
        answer(WRITE_WAIT, gateway.peers.monitor.clone().test_source(test)).await?;
    Ok(HttpResponse::Ok().json(Tested { works: reason.is_none(), reason }))
}

/// `POST /v1/sources/{name}/pause`.
pub(super) async fn pause(
    request: HttpRequest,
    caller: Caller,
    gateway: Data<Gateway>,
) -> Result<HttpResponse, Problem> {
    let write = named(&request, caller, &gateway).await?;
    let paused = answer(WRITE_WAIT, gateway.peers.registry.clone().pause_source(write)).await?;
    let document = source(paused)?;
    Ok(stored(StatusCode::OK, document.meta.revision, &document))
}

/// `POST /v1/sources/{name}/resume`.
pub(super) async fn resume(
    request: HttpRequest,
    caller: Caller,
    gateway: Data<Gateway>,
) -> Result<HttpResponse, Problem> {
    let write = named(&request, caller, &gateway).await?;
    let resumed = answer(WRITE_WAIT, gateway.peers.registry.clone().resume_source(write)).await?;
    let document = source(resumed)?;
    Ok(stored(StatusCode::OK, document.meta.revision, &document))
}

async fn named(
    request: &HttpRequest,
    caller: Caller,
    gateway: &Gateway,
) -> Result<pb::NamedRequest, Problem> {
    let name = name(request, Kind::Source)?;
    let condition = of_write(request, revision::<Source>(gateway, caller, &name)).await?;
    Ok(pb::NamedRequest { tenant: caller.tenant.to_string(), name, condition })
}

/// `GET /v1/sources/{name}/status`.
pub(super) async fn status(
    request: HttpRequest,
    caller: Caller,
    gateway: Data<Gateway>,
) -> Result<HttpResponse, Problem> {
    let name = name(&request, Kind::Source)?;
    let source = Source::get(&gateway, caller.get_request(name)).await?;
    Ok(HttpResponse::Ok().json(status_of(&gateway, caller, &source.meta).await?))
}

async fn status_of(gateway: &Gateway, caller: Caller, source: &Meta) -> Result<Status, Error> {
    let (tenant, source_uid) = (caller.tenant.to_string(), source.uid.clone());
    let read = pb::GetSourceStatusRequest { tenant, source_uid };
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
