//! What became of all events, in numbers that go on over restarts.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use futures_util::future::try_join;
use serde::Serialize;
use tripline_contracts::pb;
use tripline_runtime::Problem;

use crate::authn::Caller;
use crate::gateway::Gateway;
use crate::peers::{READ_WAIT, answer};
use crate::query::Query;

/// The counts of a tenant. `matched` = `delivered` + `dead` + `cancelled` + `pending`, always.
#[derive(Debug, Serialize)]
struct Stats {
    /// Events taken in, copies left out, up to the routers' checkpoints.
    accepted: u64,
    /// Copies dropped, up to the routers' checkpoints.
    deduplicated: u64,
    /// Generations of invocations opened: by a trigger, a direct call or a redrive.
    matched: u64,
    delivered: u64,
    dead: u64,
    cancelled: u64,
    /// Pending or running.
    pending: u64,
}

/// `GET /v1/stats`.
pub(super) async fn get(
    request: HttpRequest,
    caller: Caller,
    gateway: Data<Gateway>,
) -> Result<HttpResponse, Problem> {
    Query::new(request.query_string()).finish()?;
    let read = || pb::GetStatsRequest { tenant: caller.tenant.to_string() };
    let (mut monitor, mut invoker) = (gateway.peers.monitor.clone(), gateway.peers.invoker.clone());
    let events = answer(READ_WAIT, monitor.get_stats(read()));
    let invocations = answer(READ_WAIT, invoker.get_stats(read()));
    let (events, invocations) = try_join(events, invocations).await?;
    Ok(HttpResponse::Ok().json(Stats {
        accepted: events.accepted,
        deduplicated: events.deduplicated,
        matched: invocations.matched,
        delivered: invocations.delivered,
        dead: invocations.dead,
        cancelled: invocations.cancelled,
        pending: invocations.pending,
    }))
}
