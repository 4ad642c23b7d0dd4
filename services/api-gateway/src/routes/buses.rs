//! Buses.

use actix_web::HttpResponse;
use serde::Serialize;
use tripline_contracts::pb;
use tripline_runtime::Problem;

use super::resource::{Resource, Target};
use crate::answer::{Meta, Page, page};
use crate::document::{Document, Fields};
use crate::gateway::Gateway;
use crate::peers::{READ_WAIT, WRITE_WAIT, answer};
use crate::query::Query;
use crate::refusal::{Kind, Refusal};

/// A bus as it is shown.
#[derive(Debug, Serialize)]
pub(super) struct Bus {
    #[serde(flatten)]
    meta: Meta,
    partitions: u32,
    retention_seconds: u64,
    retention_bytes: u64,
    dedupe_window_seconds: u32,
    /// Only in the answer to a write: whether the log has the bus as it says here.
    #[serde(skip_serializing_if = "Option::is_none")]
    applied: Option<bool>,
}

/// What a document of a bus says. What is left out is the default.
pub(super) struct Wanted {
    partitions: Option<u32>,
    retention_seconds: Option<u64>,
    retention_bytes: Option<u64>,
    dedupe_window_seconds: Option<u32>,
}

fn bus(message: pb::Bus) -> Result<Bus, Refusal> {
    Ok(Bus {
        meta: Meta::of(message.meta)?,
        partitions: message.partitions,
        retention_seconds: message.retention_seconds,
        retention_bytes: message.retention_bytes,
        dedupe_window_seconds: message.dedupe_window_seconds,
        applied: None,
    })
}

fn wanted(fields: &mut Fields<'_>) -> Option<Wanted> {
    fields.read_only(&["applied"]);
    Some(Wanted {
        partitions: fields.optional_u32("partitions", 1..=u32::MAX),
        retention_seconds: fields.optional_u64("retention_seconds", 1..=u64::MAX),
        retention_bytes: fields.optional_u64("retention_bytes", 1..=u64::MAX),
        dedupe_window_seconds: fields.optional_u32("dedupe_window_seconds", 1..=u32::MAX),
    })
}

impl Resource for Bus {
    const KIND: Kind = Kind::Bus;
    type Wanted = Wanted;

    fn meta(&self) -> &Meta {
        &self.meta
    }

    fn wanted(document: Document, name: &str) -> Result<Wanted, Refusal> {
        document.read(name, wanted).map(|(wanted, _)| wanted)
    }

    fn filters(_: &mut Query<'_>) -> pb::ListRequest {
        pb::ListRequest::default()
    }

    async fn get(gateway: &Gateway, read: pb::GetRequest) -> Result<Self, Problem> {
        Ok(bus(answer(READ_WAIT, gateway.peers.registry.clone().get_bus(read)).await?)?)
    }

    async fn list(gateway: &Gateway, read: pb::ListRequest) -> Result<Page<Self>, Problem> {
        let mut registry = gateway.peers.registry.clone();
        let list = answer(READ_WAIT, registry.list_buses(read)).await?;
        Ok(page(list.items, list.next_cursor, bus)?)
    }

    async fn put(
        gateway: &Gateway,
        target: Target,
        wanted: Wanted,
    ) -> Result<(Self, bool), Problem> {
        let write = pb::PutBusRequest {
            tenant: target.tenant,
            name: target.name,
            condition: target.condition,
            partitions: wanted.partitions,
            retention_seconds: wanted.retention_seconds,
            retention_bytes: wanted.retention_bytes,
            dedupe_window_seconds: wanted.dedupe_window_seconds,
        };
        let put = answer(WRITE_WAIT, gateway.peers.registry.clone().put_bus(write)).await?;
        let message = put.bus.ok_or(Refusal::Contract("trigger-registry"))?;
        gateway.snapshot.put_bus(&message);
        Ok((Self { applied: Some(put.applied), ..bus(message)? }, put.created))
    }

    async fn delete(gateway: &Gateway, delete: pb::DeleteRequest) -> Result<HttpResponse, Problem> {
        answer(WRITE_WAIT, gateway.peers.registry.clone().delete_bus(delete)).await?;
        Ok(HttpResponse::NoContent().finish())
    }
}
