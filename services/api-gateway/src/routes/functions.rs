//! Functions.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use serde_json::{Map, Value};
use tripline_contracts::{Error, pb};
use tripline_runtime::Problem;

use super::{document, name, part};
use crate::answer::{self, Meta, page, stored};
use crate::authn::Caller;
use crate::condition::{is_known, of_write};
use crate::document::Fields;
use crate::gateway::Gateway;
use crate::peers::{READ_WAIT, WRITE_WAIT, answer};
use crate::query::Query;
use crate::refusal::{Kind, Refusal};

#[derive(Debug, Serialize)]
struct Function {
    #[serde(flatten)]
    meta: Meta,
    target: Target,
    timeout_ms: u32,
    concurrency: u32,
    /// Shown once, in the answer that makes the function.
    #[serde(skip_serializing_if = "Option::is_none")]
    signing_secret: Option<String>,
}

#[derive(Debug, Serialize)]
struct Target {
    kind: String,
    #[serde(flatten)]
    settings: Map<String, Value>,
}

/// What a document of a function says.
struct Wanted {
    kind: String,
    settings: Map<String, Value>,
    timeout_ms: Option<u32>,
    concurrency: Option<u32>,
}

fn function(message: pb::Function) -> Result<Function, Refusal> {
    let settings = serde_json::from_str(&message.target_settings_json);
    Ok(Function {
        meta: Meta::of(message.meta)?,
        target: Target {
            kind: message.target_kind,
            settings: settings.map_err(|_| Refusal::Contract("trigger-registry"))?,
        },
        timeout_ms: message.timeout_ms,
        concurrency: message.concurrency,
        signing_secret: None,
    })
}

fn wanted(fields: &mut Fields<'_>) -> Option<Wanted> {
    let target = fields.object("target", |target| {
        let (kind, settings) = (target.text("kind"), target.rest());
        Some((kind?, settings))
    });
    let timeout_ms = fields.optional_u32("timeout_ms", 1..=u32::MAX);
    let concurrency = fields.optional_u32("concurrency", 1..=u32::MAX);
    fields.unsupported(&["rate_limit", "format", "signing_secret"]);
    let (kind, settings) = target?;
    Some(Wanted { kind, settings, timeout_ms, concurrency })
}

/// `PUT /v1/functions/{name}`.
pub(super) async fn put(
    request: HttpRequest,
    payload: Payload,
    caller: Caller,
    gateway: Data<Gateway>,
) -> Result<HttpResponse, Problem> {
    let document = document(&request, payload, &gateway).await?;
    let name = part(&request, "name");
    let (wanted, _) = document.read(name, wanted)?;
    let condition = of_write(&request, revision(&gateway, caller, name)).await?;
    let write = pb::PutFunctionRequest {
        tenant: caller.tenant.to_string(),
        name: name.to_owned(),
        condition,
        target_kind: wanted.kind,
        target_settings_json: Value::Object(wanted.settings).to_string(),
        timeout_ms: wanted.timeout_ms,
        concurrency: wanted.concurrency,
    };
    let put = answer(WRITE_WAIT, gateway.peers.registry.clone().put_function(write)).await?;
    let message = put.function.ok_or(Refusal::Contract("trigger-registry"))?;
    gateway.snapshot.put_function(message.meta.as_ref());
    let signing_secret = message.signing_secret.clone().filter(|_| put.created);
    let document = Function { signing_secret, ..function(message)? };
    Ok(answer::put(put.created, document.meta.revision, &document))
}

async fn revision(gateway: &Gateway, caller: Caller, name: &str) -> Result<u64, Error> {
    let read = caller.get_request(name.to_owned());
    let stored = answer(READ_WAIT, gateway.peers.registry.clone().get_function(read)).await?;
    Ok(stored.meta.map(|meta| meta.revision).unwrap_or_default())
}

/// `GET /v1/functions/{name}`.
pub(super) async fn get(
    request: HttpRequest,
    caller: Caller,
    gateway: Data<Gateway>,
) -> Result<HttpResponse, Problem> {
    let read = caller.get_request(name(&request, Kind::Function)?);
    let message = answer(READ_WAIT, gateway.peers.registry.clone().get_function(read)).await?;
    let document = function(message)?;
    if is_known(&request, document.meta.revision)? {
        return Ok(HttpResponse::NotModified().finish());
    }
    Ok(stored(StatusCode::OK, document.meta.revision, &document))
}

/// `GET /v1/functions`.
pub(super) async fn list(
    request: HttpRequest,
    caller: Caller,
    gateway: Data<Gateway>,
) -> Result<HttpResponse, Problem> {
    let read = caller.list_request(Query::new(request.query_string()))?;
    let list = answer(READ_WAIT, gateway.peers.registry.clone().list_functions(read)).await?;
    Ok(HttpResponse::Ok().json(page(list.items, list.next_cursor, function)?))
}

/// `DELETE /v1/functions/{name}`: says what went with the function.
pub(super) async fn delete(
    request: HttpRequest,
    caller: Caller,
    gateway: Data<Gateway>,
) -> Result<HttpResponse, Problem> {
    #[derive(Serialize)]
    struct Deleted {
        kind: String,
        name: String,
        uid: String,
    }
    #[derive(Serialize)]
    struct Answer {
        deleted: Vec<Deleted>,
    }
    let name = name(&request, Kind::Function)?;
    let condition = of_write(&request, revision(&gateway, caller, &name)).await?;
    let delete = caller.delete_request(name, condition);
    let gone = answer(WRITE_WAIT, gateway.peers.registry.clone().delete_function(delete)).await?;
    let deleted = |gone: pb::Deleted| Deleted { kind: gone.kind, name: gone.name, uid: gone.uid };
    Ok(HttpResponse::Ok().json(Answer { deleted: gone.deleted.into_iter().map(deleted).collect() }))
}
