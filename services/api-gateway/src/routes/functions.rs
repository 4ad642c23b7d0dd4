//! Functions.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use serde_json::{Map, Value};
use tripline_contracts::pb;
use tripline_kernel::Timestamp;
use tripline_runtime::Problem;

use super::name;
use super::resource::{Resource, Target, optional_document, revision};
use crate::answer::{Meta, Page, page, stored};
use crate::authn::Caller;
use crate::condition::of_write;
use crate::document::{Document, Fields};
use crate::gateway::Gateway;
use crate::peers::{READ_WAIT, WRITE_WAIT, answer};
use crate::query::Query;
use crate::refusal::{Kind, Refusal};

/// How long the signing secret before goes on where nothing is said: a day.
const OVERLAP_SECONDS_DEFAULT: u32 = 24 * 3600;

/// A function as it is shown.
#[derive(Debug, Serialize)]
pub(super) struct Function {
    #[serde(flatten)]
    meta: Meta,
    target: Callee,
    timeout_ms: u32,
    concurrency: u32,
    /// Shown once, in the answer that makes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    signing_secret: Option<String>,
    /// Until when calls are signed with the secret before as well.
    #[serde(skip_serializing_if = "Option::is_none")]
    earlier_signing_secret_until: Option<Timestamp>,
}

#[derive(Debug, Serialize)]
struct Callee {
    kind: String,
    #[serde(flatten)]
    settings: Map<String, Value>,
}

/// What a document of a function says.
pub(super) struct Wanted {
    kind: String,
    settings: Map<String, Value>,
    timeout_ms: Option<u32>,
    concurrency: Option<u32>,
}

fn function(message: pb::Function) -> Result<Function, Refusal> {
    let settings = serde_json::from_str(&message.target_settings_json);
    Ok(Function {
        meta: Meta::of(message.meta)?,
        target: Callee {
            kind: message.target_kind,
            settings: settings.map_err(|_| Refusal::Contract("trigger-registry"))?,
        },
        timeout_ms: message.timeout_ms,
        concurrency: message.concurrency,
        signing_secret: None,
        earlier_signing_secret_until: message
            .earlier_signing_secret_until
            .map(Timestamp::from_micros),
    })
}

fn wanted(fields: &mut Fields<'_>) -> Option<Wanted> {
    let target = fields.object("target", |target| {
        let (kind, settings) = (target.text("kind"), target.rest());
        Some((kind?, settings))
    });
    let timeout_ms = fields.optional_u32("timeout_ms", 1..=u32::MAX);
    let concurrency = fields.optional_u32("concurrency", 1..=u32::MAX);
    fields.read_only(&["earlier_signing_secret_until"]);
    fields.unsupported(&["rate_limit", "format", "signing_secret"]);
    let (kind, settings) = target?;
    Some(Wanted { kind, settings, timeout_ms, concurrency })
}

impl Resource for Function {
    const KIND: Kind = Kind::Function;
    type Wanted = Wanted;

    fn meta(&self) -> &Meta {
        &self.meta
    }

    fn wanted(document: Document, name: &str) -> Result<Wanted, Refusal> {
        document.read(name, wanted).map(|(wanted, _)| wanted)
    }

    fn filters(query: &mut Query<'_>) -> pb::ListRequest {
        pb::ListRequest { kind: query.text("kind"), ..pb::ListRequest::default() }
    }

    async fn get(gateway: &Gateway, read: pb::GetRequest) -> Result<Self, Problem> {
        let mut registry = gateway.peers.registry.clone();
        Ok(function(answer(READ_WAIT, registry.get_function(read)).await?)?)
    }

    async fn list(gateway: &Gateway, read: pb::ListRequest) -> Result<Page<Self>, Problem> {
        let mut registry = gateway.peers.registry.clone();
        let list = answer(READ_WAIT, registry.list_functions(read)).await?;
        Ok(page(list.items, list.next_cursor, function)?)
    }

    async fn put(
        gateway: &Gateway,
        target: Target,
        wanted: Wanted,
    ) -> Result<(Self, bool), Problem> {
        let write = pb::PutFunctionRequest {
            tenant: target.tenant,
            name: target.name,
            condition: target.condition,
            target_kind: wanted.kind,
            target_settings_json: Value::Object(wanted.settings).to_string(),
            timeout_ms: wanted.timeout_ms,
            concurrency: wanted.concurrency,
        };
        let put = answer(WRITE_WAIT, gateway.peers.registry.clone().put_function(write)).await?;
        let message = put.function.ok_or(Refusal::Contract("trigger-registry"))?;
        gateway.snapshot.put_function(message.meta.as_ref());
        let signing_secret = message.signing_secret.clone().filter(|_| put.created);
        Ok((Self { signing_secret, ..function(message)? }, put.created))
    }

    /// Says what went with the function.
    async fn delete(gateway: &Gateway, delete: pb::DeleteRequest) -> Result<HttpResponse, Problem> {
        #[derive(Serialize)]
        struct Deleted {
            kind: String,
            name: String,
            uid: String,
        }
        #[derive(Serialize)]
        struct Answer {
            deleted: Vec<Deleted>,
            cancelled: Cancelled,
        }
        let mut registry = gateway.peers.registry.clone();
        let read = pb::GetRequest { tenant: delete.tenant.clone(), name: delete.name.clone() };
        let function = answer(READ_WAIT, registry.get_function(read)).await?;
        let uid = function.meta.map(|meta| meta.uid).unwrap_or_default();
        let cancelled = Cancelled::pending(gateway, delete.tenant.clone(), uid).await;
        let gone = answer(WRITE_WAIT, registry.delete_function(delete)).await?;
        let deleted =
            |gone: pb::Deleted| Deleted { kind: gone.kind, name: gone.name, uid: gone.uid };
        let deleted = gone.deleted.into_iter().map(deleted).collect();
        Ok(HttpResponse::Ok().json(Answer { deleted, cancelled }))
    }
}

/// Most invocations that the answer to a deletion lists.
const CANCELLED_SHOWN_MAX: u32 = 500;
/// How long the deletion waits for that list at most.
const CANCELLED_WAIT: Duration = Duration::from_millis(500);

/// What waited for a function when its deletion began: the invoker cancels it as soon as it hears of the deletion. An
/// invocation of which an attempt has just begun may end otherwise.
#[derive(Debug, Serialize)]
struct Cancelled {
    /// Their ids, the newest first.
    invocations: Vec<String>,
    /// False when there are more, or when the invoker did not say in [`CANCELLED_WAIT`].
    complete: bool,
}

impl Cancelled {
    async fn pending(gateway: &Gateway, tenant: String, function_uid: String) -> Self {
        let read = pb::ListInvocationsRequest {
            tenant,
            function_uid: Some(function_uid),
            state: Some("pending".to_owned()),
            limit: CANCELLED_SHOWN_MAX,
            attempts: pb::AttemptDetail::None.into(),
            ..pb::ListInvocationsRequest::default()
        };
        let mut invoker = gateway.peers.invoker.clone();
        match answer(CANCELLED_WAIT, invoker.list_invocations(read)).await {
            Ok(list) => Self {
                complete: list.next_cursor.is_empty(),
                invocations: list.items.into_iter().map(|found| found.id).collect(),
            },
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "what waits for a function that is being deleted cannot be listed"
                );
                Self { invocations: Vec::new(), complete: false }
            }
        }
    }
}

/// `POST /v1/functions/{name}/rotate-secret`: the function with its new signing secret, which is shown this once.
pub(super) async fn rotate_secret(
    request: HttpRequest,
    payload: Payload,
    caller: Caller,
    gateway: Data<Gateway>,
) -> Result<HttpResponse, Problem> {
    let name = name(&request, Kind::Function)?;
    let asked = optional_document(&request, payload, &gateway).await?;
    let overlap = asked.map(|document| {
        document.read_fields(|fields| Some(fields.optional_u32("overlap_seconds", 0..=u32::MAX)))
    });
    let overlap = overlap.transpose()?;
    let overlap = overlap.and_then(|(overlap, _)| overlap).unwrap_or(OVERLAP_SECONDS_DEFAULT);
    let condition = of_write(&request, revision::<Function>(&gateway, caller, &name)).await?;
    let write = pb::RotateSecretRequest {
        tenant: caller.tenant.to_string(),
        name,
        condition,
        overlap_seconds: overlap,
    };
    let rotated = answer(WRITE_WAIT, gateway.peers.registry.clone().rotate_secret(write)).await?;
    let signing_secret = rotated.signing_secret.clone();
    let document = Function { signing_secret, ..function(rotated)? };
    Ok(stored(StatusCode::OK, document.meta.revision, &document))
}
