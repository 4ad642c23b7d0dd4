//! Triggers.

mod explain;
pub(super) mod view;

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use tripline_contracts::pb;
use tripline_runtime::Problem;

use super::name;
use super::resource::{Resource, Target, revision};
use crate::answer::{Meta, Page, page, stored};
use crate::authn::Caller;
use crate::condition::of_write;
use crate::document::Document;
use crate::gateway::Gateway;
use crate::peers::{READ_WAIT, WRITE_WAIT, answer};
use crate::query::Query;
use crate::refusal::{Kind, Refusal};
pub(super) use explain::explain;
pub(super) use view::Trigger;
use view::Wanted;

/// Why a trigger is paused that was paused here.
const PAUSED_BY_USER: &str = "user";
const STATES: [&str; 4] = ["activating", "active", "paused", "deleting"];

/// What a document asks for, with the pattern as it was given.
pub(super) struct Asked {
    wanted: Wanted,
    pattern: Option<String>,
}

impl Resource for Trigger {
    const KIND: Kind = Kind::Trigger;
    type Wanted = Asked;

    fn meta(&self) -> &Meta {
        &self.meta
    }

    fn wanted(document: Document, name: &str) -> Result<Asked, Refusal> {
        let (wanted, raw) = document.read(name, Wanted::read)?;
        let pattern = if wanted.has_pattern { raw.field("pattern") } else { None };
        Ok(Asked { wanted, pattern })
    }

    fn filters(query: &mut Query<'_>) -> pb::ListRequest {
        pb::ListRequest {
            bus: query.text("bus"),
            source: query.text("source"),
            function: query.text("function"),
            state: query.one_of("state", &STATES),
            ..pb::ListRequest::default()
        }
    }

    async fn get(gateway: &Gateway, read: pb::GetRequest) -> Result<Self, Problem> {
        let mut registry = gateway.peers.registry.clone();
        Ok(Self::of(answer(READ_WAIT, registry.get_trigger(read)).await?)?)
    }

    async fn list(gateway: &Gateway, read: pb::ListRequest) -> Result<Page<Self>, Problem> {
        let mut registry = gateway.peers.registry.clone();
        let list = answer(READ_WAIT, registry.list_triggers(read)).await?;
        Ok(page(list.items, list.next_cursor, Self::of)?)
    }

    /// Done once the trigger is in force, or after a bounded wait with `applied` false.
    async fn put(gateway: &Gateway, target: Target, asked: Asked) -> Result<(Self, bool), Problem> {
        let Asked { wanted, pattern } = asked;
        let write = pb::PutTriggerRequest {
            tenant: target.tenant,
            name: target.name,
            condition: target.condition,
            bus: wanted.bus,
            source: wanted.source,
            pattern_json: pattern,
            function: wanted.function,
            delivery: Some(wanted.delivery),
            start: wanted.start,
        };
        let put = answer(WRITE_WAIT, gateway.peers.registry.clone().put_trigger(write)).await?;
        let message = put.trigger.ok_or(Refusal::Contract("trigger-registry"))?;
        gateway.snapshot.put_trigger(&message);
        Ok((Self::written(message, put.applied)?, put.created))
    }

    async fn delete(gateway: &Gateway, delete: pb::DeleteRequest) -> Result<HttpResponse, Problem> {
        answer(WRITE_WAIT, gateway.peers.registry.clone().delete_trigger(delete)).await?;
        Ok(HttpResponse::NoContent().finish())
    }
}

/// `POST /v1/triggers/{name}/pause`.
pub(super) async fn pause(
    request: HttpRequest,
    caller: Caller,
    gateway: Data<Gateway>,
) -> Result<HttpResponse, Problem> {
    let name = name(&request, Kind::Trigger)?;
    let condition = of_write(&request, revision::<Trigger>(&gateway, caller, &name)).await?;
    let write = pb::PauseTriggerRequest {
        tenant: caller.tenant.to_string(),
        which: Some(pb::pause_trigger_request::Which::Name(name)),
        reason: PAUSED_BY_USER.to_owned(),
        condition,
    };
    let paused = answer(WRITE_WAIT, gateway.peers.registry.clone().pause_trigger(write)).await?;
    let document = Trigger::of(paused)?;
    Ok(stored(StatusCode::OK, document.meta.revision, &document))
}

/// `POST /v1/triggers/{name}/resume`.
pub(super) async fn resume(
    request: HttpRequest,
    caller: Caller,
    gateway: Data<Gateway>,
) -> Result<HttpResponse, Problem> {
    let name = name(&request, Kind::Trigger)?;
    let condition = of_write(&request, revision::<Trigger>(&gateway, caller, &name)).await?;
    let write = pb::ResumeTriggerRequest { tenant: caller.tenant.to_string(), name, condition };
    let resumed = answer(WRITE_WAIT, gateway.peers.registry.clone().resume_trigger(write)).await?;
    let document = Trigger::of(resumed)?;
    Ok(stored(StatusCode::OK, document.meta.revision, &document))
}
