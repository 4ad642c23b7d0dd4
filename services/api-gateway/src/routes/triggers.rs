//! Triggers.

mod view;

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use tripline_contracts::{Error, pb};
use tripline_runtime::Problem;

use super::{document, name, part};
use crate::answer::{self, page, stored};
use crate::authn::Caller;
use crate::condition::{is_known, of_write};
use crate::gateway::Gateway;
use crate::peers::{READ_WAIT, WRITE_WAIT, answer};
use crate::query::Query;
use crate::refusal::{Kind, Refusal};
use view::{Trigger, Wanted};

/// Why a trigger is paused that was paused here.
const PAUSED_BY_USER: &str = "user";

/// `PUT /v1/triggers/{name}`: answers once the trigger is in force, or after a bounded wait with `applied` false.
pub(super) async fn put(
    request: HttpRequest,
    payload: Payload,
    caller: Caller,
    gateway: Data<Gateway>,
) -> Result<HttpResponse, Problem> {
    let document = document(&request, payload, &gateway).await?;
    let name = part(&request, "name");
    let (wanted, raw) = document.read(name, Wanted::read)?;
    let condition = of_write(&request, revision(&gateway, caller, name)).await?;
    let write = pb::PutTriggerRequest {
        tenant: caller.tenant.to_string(),
        name: name.to_owned(),
        condition,
        bus: wanted.bus,
        source: wanted.source,
        pattern_json: if wanted.has_pattern { raw.field("pattern") } else { None },
        function: wanted.function,
        delivery: Some(wanted.delivery),
        start: wanted.start,
    };
    let put = answer(WRITE_WAIT, gateway.peers.registry.clone().put_trigger(write)).await?;
    let message = put.trigger.ok_or(Refusal::Contract("trigger-registry"))?;
    gateway.snapshot.put_trigger(message.meta.as_ref());
    let document = Trigger::put(message, put.applied)?;
    Ok(answer::put(put.created, document.meta.revision, &document))
}

async fn revision(gateway: &Gateway, caller: Caller, name: &str) -> Result<u64, Error> {
    let read = caller.get_request(name.to_owned());
    let stored = answer(READ_WAIT, gateway.peers.registry.clone().get_trigger(read)).await?;
    Ok(stored.meta.map(|meta| meta.revision).unwrap_or_default())
}

/// `GET /v1/triggers/{name}`.
pub(super) async fn get(
    request: HttpRequest,
    caller: Caller,
    gateway: Data<Gateway>,
) -> Result<HttpResponse, Problem> {
    let read = caller.get_request(name(&request, Kind::Trigger)?);
    let message = answer(READ_WAIT, gateway.peers.registry.clone().get_trigger(read)).await?;
    let document = Trigger::of(message)?;
    if is_known(&request, document.meta.revision)? {
        return Ok(HttpResponse::NotModified().finish());
    }
    Ok(stored(StatusCode::OK, document.meta.revision, &document))
}

/// `GET /v1/triggers`.
pub(super) async fn list(
    request: HttpRequest,
    caller: Caller,
    gateway: Data<Gateway>,
) -> Result<HttpResponse, Problem> {
    let read = caller.list_request(Query::new(request.query_string()))?;
    let list = answer(READ_WAIT, gateway.peers.registry.clone().list_triggers(read)).await?;
    Ok(HttpResponse::Ok().json(page(list.items, list.next_cursor, Trigger::of)?))
}

/// `DELETE /v1/triggers/{name}`.
pub(super) async fn delete(
    request: HttpRequest,
    caller: Caller,
    gateway: Data<Gateway>,
) -> Result<HttpResponse, Problem> {
    let name = name(&request, Kind::Trigger)?;
    let condition = of_write(&request, revision(&gateway, caller, &name)).await?;
    let delete = caller.delete_request(name, condition);
    answer(WRITE_WAIT, gateway.peers.registry.clone().delete_trigger(delete)).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// `POST /v1/triggers/{name}/pause`.
pub(super) async fn pause(
    request: HttpRequest,
    caller: Caller,
    gateway: Data<Gateway>,
) -> Result<HttpResponse, Problem> {
    let write = pb::PauseTriggerRequest {
        tenant: caller.tenant.to_string(),
        which: Some(pb::pause_trigger_request::Which::Name(name(&request, Kind::Trigger)?)),
        reason: PAUSED_BY_USER.to_owned(),
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
    let write = caller.get_request(name(&request, Kind::Trigger)?);
    let resumed = answer(WRITE_WAIT, gateway.peers.registry.clone().resume_trigger(write)).await?;
    let document = Trigger::of(resumed)?;
    Ok(stored(StatusCode::OK, document.meta.revision, &document))
}
