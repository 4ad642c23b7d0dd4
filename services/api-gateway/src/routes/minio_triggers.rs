//! MinIO triggers: a bucket to a function in one request. A trigger and its source of the same name, as one.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use serde_json::{Map, Value};
use tripline_contracts::{Error, pb};
use tripline_kernel::{Classify as _, Fault};
use tripline_runtime::Problem;

use super::resource::text;
use super::sources::{Source, source};
use super::triggers::Trigger;
use super::{DEFAULT_BUS, JSON};
use crate::answer::{Meta, page, stored};
use crate::authn::Caller;
use crate::condition::of_write;
use crate::document::{Document, Fields};
use crate::gateway::Gateway;
use crate::idempotency;
use crate::peers::{READ_WAIT, WRITE_WAIT, answer};
use crate::refusal::Refusal;

/// The kind of the sources.
const MINIO: &str = "minio";
/// The fields that are settings of the source, in its own words.
const SETTINGS: [&str; 7] =
    ["endpoint", "bucket", "access_key", "secret_key", "events", "prefix", "suffix"];
const ACTIONS: [&str; 5] = ["create", "update", "delete", "get", "list"];

#[derive(Serialize)]
struct Pair {
    trigger: Trigger,
    source: Source,
    relation: Relation,
    /// Absent until it is granted.
    rule: Option<Rule>,
}

/// Which source leads to which function.
#[derive(Serialize)]
struct Relation {
    uid: String,
    trigger: String,
    source: String,
    function: String,
}

/// Which source may invoke which function.
#[derive(Serialize)]
struct Rule {
    uid: String,
    source: String,
    function: String,
}

/// What a request asks for.
struct Asked {
    action: String,
    name: Option<String>,
    settings: Map<String, Value>,
    bus: Option<String>,
    function: Option<String>,
    limit: Option<u32>,
    cursor: Option<String>,
}

fn asked(fields: &mut Fields<'_>) -> Option<Asked> {
    let action = fields.text("action")?;
    if !ACTIONS.contains(&action.as_str()) {
        let detail = format!("'action' is one of {}", ACTIONS.join(", "));
        fields.fault("action", "unknown-action", detail);
    }
    let (create, list) = (action == "create", action == "list");
    let name = if list { fields.optional_name("name") } else { fields.name("name") };
    let function = if create { fields.name("function") } else { fields.optional_name("function") };
    let mut settings = Map::new();
    for name in SETTINGS {
        settings.extend(fields.any(name).map(|value| (name.to_owned(), value)));
    }
    Some(Asked {
        action,
        name,
        settings,
        bus: fields.optional_name("bus"),
        function,
        limit: fields.optional_u32("limit", 1..=500),
        cursor: fields.optional_text("cursor"),
    })
}

/// `POST /v1/minio-triggers`.
pub(super) async fn act(
    request: HttpRequest,
    payload: Payload,
    caller: Caller,
    gateway: Data<Gateway>,
) -> Result<HttpResponse, Problem> {
    let key = idempotency::key(&request)?;
    let document = Document::parse(text(&request, payload, &gateway, JSON).await?)?;
    let (asked, _) = document.read_fields(asked)?;
    let tenant = caller.tenant.to_string();
    let mut registry = gateway.peers.registry.clone();
    if asked.action == "list" {
        let read = pb::ListRequest {
            tenant,
            limit: asked.limit.unwrap_or_default(),
            cursor: asked.cursor.unwrap_or_default(),
            kind: Some(MINIO.to_owned()),
            bus: asked.bus,
            ..pb::ListRequest::default()
        };
        let list = answer(READ_WAIT, registry.list_source_triggers(read)).await?;
        let shown = |message| pair(message, None);
        return Ok(HttpResponse::Ok().json(page(list.items, list.next_cursor, shown)?));
    }
    let name = asked.name.clone().unwrap_or_default();
    let read = pb::GetRequest { tenant: tenant.clone(), name: name.clone() };
    match asked.action.as_str() {
        "get" => {
            let found = answer(READ_WAIT, registry.get_source_trigger(read)).await?;
            Ok(shown(StatusCode::OK, found, None)?)
        }
        "delete" => {
            let revision = async { Ok(revision(&stored_pair(&gateway, read).await?)) };
            let condition = of_write(&request, revision).await?;
            let delete = pb::DeleteRequest { tenant, name, condition };
            answer(WRITE_WAIT, registry.delete_source_trigger(delete)).await?;
            Ok(HttpResponse::NoContent().finish())
        }
        "update" => {
            let found = stored_pair(&gateway, read).await?;
            let now = revision(&found);
            let condition = of_write(&request, async { Ok(now) }).await?.unwrap_or_default();
            let if_revision = condition.if_revision.or(Some(now));
            let write = updated(found, asked, pb::Condition { if_revision, ..condition })?;
            put(&gateway, write).await
        }
        // All others are refused above.
        _ => {
            let condition = Some(pb::Condition { if_absent: true, if_revision: None });
            put(&gateway, created(tenant, asked, condition, key)).await
        }
    }
}

fn created(
    tenant: String,
    asked: Asked,
    condition: Option<pb::Condition>,
    idempotency_key: String,
) -> pb::PutSourceTriggerRequest {
    let name = asked.name.unwrap_or_default();
    let bus = asked.bus.unwrap_or_else(|| DEFAULT_BUS.to_owned());
    pb::PutSourceTriggerRequest {
        source: Some(pb::PutSourceRequest {
            tenant: tenant.clone(),
            name: name.clone(),
            condition: None,
            kind: MINIO.to_owned(),
            settings_json: Value::Object(asked.settings).to_string(),
            bus: bus.clone(),
        }),
        trigger: Some(pb::PutTriggerRequest {
            tenant,
            name: name.clone(),
            condition,
            bus,
            source: Some(name),
            function: asked.function.unwrap_or_default(),
            ..pb::PutTriggerRequest::default()
        }),
        idempotency_key,
    }
}

/// What is left out stays.
fn updated(
    found: pb::SourceTrigger,
    asked: Asked,
    condition: pb::Condition,
) -> Result<pb::PutSourceTriggerRequest, Refusal> {
    let wrong = || Refusal::Contract("trigger-registry");
    let (source, trigger) = found.source.zip(found.trigger).ok_or_else(wrong)?;
    let stored = serde_json::from_str::<Map<String, Value>>(&source.settings_json);
    let mut settings = stored.map_err(|_| wrong())?;
    settings.extend(asked.settings);
    let meta = trigger.meta.ok_or_else(wrong)?;
    let asked = Asked {
        settings,
        bus: Some(asked.bus.unwrap_or(source.bus)),
        function: Some(asked.function.unwrap_or(trigger.function)),
        ..asked
    };
    let mut write = created(meta.tenant, asked, Some(condition), String::new());
    if let Some(put) = &mut write.trigger {
        put.pattern_json = trigger.pattern_json;
        put.delivery = trigger.delivery;
        put.start = trigger.start;
    }
    Ok(write)
}

async fn put(
    gateway: &Gateway,
    write: pb::PutSourceTriggerRequest,
) -> Result<HttpResponse, Problem> {
    let mut registry = gateway.peers.registry.clone();
    let put = answer(WRITE_WAIT, registry.put_source_trigger(write)).await;
    let put = put.map_err(|error| in_our_words(&error))?;
    let message = put.pair.ok_or(Refusal::Contract("trigger-registry"))?;
    if let Some(trigger) = &message.trigger {
        gateway.snapshot.put_trigger(trigger);
    }
    let status = if put.created { StatusCode::CREATED } else { StatusCode::OK };
    Ok(shown(status, message, Some(put.applied))?)
}

async fn stored_pair(
    gateway: &Gateway,
    read: pb::GetRequest,
) -> Result<pb::SourceTrigger, Problem> {
    let mut registry = gateway.peers.registry.clone();
    Ok(answer(READ_WAIT, registry.get_source_trigger(read)).await?)
}

fn revision(pair: &pb::SourceTrigger) -> u64 {
    let meta = pair.trigger.as_ref().and_then(|trigger| trigger.meta.as_ref());
    meta.map(|meta| meta.revision).unwrap_or_default()
}

/// The faults of the source's settings, as the fields of this document.
fn in_our_words(error: &Error) -> Problem {
    let ours = |fault: &Fault| {
        let pointer = fault.pointer.strip_prefix("/settings").unwrap_or(&fault.pointer);
        Fault::new(pointer, fault.code.clone(), fault.detail.clone())
    };
    if error.faults().is_empty() {
        return error.clone().into();
    }
    Problem::new(error.kind(), error.code(), error.to_string())
        .with_faults(error.faults().iter().map(ours).collect())
}

fn shown(
    status: StatusCode,
    message: pb::SourceTrigger,
    applied: Option<bool>,
) -> Result<HttpResponse, Refusal> {
    let revision = revision(&message);
    Ok(stored(status, revision, &pair(message, applied)?))
}

fn pair(message: pb::SourceTrigger, applied: Option<bool>) -> Result<Pair, Refusal> {
    let wrong = || Refusal::Contract("trigger-registry");
    let bound = message.relation.ok_or_else(wrong)?;
    let (source_message, trigger) = message.source.zip(message.trigger).ok_or_else(wrong)?;
    let function = trigger.function.clone();
    let name = Meta::of(trigger.meta.clone())?.name;
    let source = source(source_message)?;
    let rule = |uid| Rule { uid, source: source.meta.name.clone(), function: function.clone() };
    let rule = bound.rule_uid.map(rule);
    let relation =
        Relation { uid: bound.uid, trigger: name, source: source.meta.name.clone(), function };
    let trigger = match applied {
        Some(applied) => Trigger::written(trigger, applied)?,
        None => Trigger::of(trigger)?,
    };
    Ok(Pair { trigger, source, relation, rule })
}
