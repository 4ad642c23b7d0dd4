//! Buses.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use tripline_contracts::pb;
use tripline_runtime::Problem;

use super::name;
use crate::answer::{Meta, page, stored};
use crate::authn::Caller;
use crate::condition::is_known;
use crate::gateway::Gateway;
use crate::peers::{READ_WAIT, answer};
use crate::query::Query;
use crate::refusal::{Kind, Refusal};

#[derive(Debug, Serialize)]
struct Bus {
    #[serde(flatten)]
    meta: Meta,
    partitions: u32,
    retention_seconds: u64,
    retention_bytes: u64,
    dedupe_window_seconds: u32,
}

fn bus(message: pb::Bus) -> Result<Bus, Refusal> {
    Ok(Bus {
        meta: Meta::of(message.meta)?,
        partitions: message.partitions,
        retention_seconds: message.retention_seconds,
        retention_bytes: message.retention_bytes,
        dedupe_window_seconds: message.dedupe_window_seconds,
    })
}

/// `GET /v1/buses/{name}`.
pub(super) async fn get(
    request: HttpRequest,
    caller: Caller,
    gateway: Data<Gateway>,
) -> Result<HttpResponse, Problem> {
    let read = caller.get_request(name(&request, Kind::Bus)?);
    let message = answer(READ_WAIT, gateway.peers.registry.clone().get_bus(read)).await?;
    let document = bus(message)?;
    if is_known(&request, document.meta.revision)? {
        return Ok(HttpResponse::NotModified().finish());
    }
    Ok(stored(StatusCode::OK, document.meta.revision, &document))
}

/// `GET /v1/buses`.
pub(super) async fn list(
    request: HttpRequest,
    caller: Caller,
    gateway: Data<Gateway>,
) -> Result<HttpResponse, Problem> {
    let read = caller.list_request(Query::new(request.query_string()))?;
    let list = answer(READ_WAIT, gateway.peers.registry.clone().list_buses(read)).await?;
    Ok(HttpResponse::Ok().json(page(list.items, list.next_cursor, bus)?))
}
