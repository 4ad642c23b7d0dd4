//! Taking in what the router hands over.
//!
//! Every replica consumes every lane; the queue gives each lane to one of them at a time. A lane has one frame under way:
//! it is stored, then acknowledged, then the next is taken. So its order holds, and a crash in between only brings the
//! frame again, whose invocations are then known.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tripline_bus::{Consumer, Delivery, Lane, WorkQueue};
use tripline_event::LaneEntry;
use tripline_kernel::{Uid, backoff};

use crate::core::Core;
use crate::invocation::Invocation;

/// The waits after a failure grow from here…
const RETRY_BASE: Duration = Duration::from_millis(50);
/// …to here.
const RETRY_MAX: Duration = Duration::from_secs(5);

/// How long a frame waits for functions that are crowded. What finds no room in memory goes through the store twice.
const CROWD_WAIT: Duration = Duration::from_secs(1);

/// Consumes a lane until `stop`; then finishes the frame under way, acknowledges it, and lets go of the lane.
pub(crate) async fn consume(
    core: Arc<Core>,
    queue: Arc<dyn WorkQueue>,
    lane: Lane,
    stop: CancellationToken,
) {
    let mut attempt = 0;
    while !stop.is_cancelled() {
        let ended = match queue.consume(lane).await {
            Ok(consumer) => take(&core, consumer, &mut attempt, &stop).await,
            Err(error) => Err(error),
        };
        let Err(error) = ended else { return };
        attempt += 1;
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            lane = lane.0,
            "the lane cannot be consumed right now"
        );
        pause(&core, attempt, &stop).await;
    }
}

async fn take(
    core: &Arc<Core>,
    mut consumer: Box<dyn Consumer>,
    attempt: &mut u32,
    stop: &CancellationToken,
) -> Result<(), tripline_bus::Error> {
    loop {
        let delivery = tokio::select! {
            biased;
            () = stop.cancelled() => return Ok(()),
            delivery = consumer.next() => delivery?,
        };
        *attempt = 0;
        if !admit(core, &delivery, stop).await {
            return Ok(());
        }
        consumer.ack(delivery.id).await?;
    }
}

/// Stores the frame's invocations, however long it takes. `false` when told to stop before that was done.
async fn admit(core: &Arc<Core>, delivery: &Delivery, stop: &CancellationToken) -> bool {
    let mut attempt = 0;
    loop {
        let invocations = invocations(core, delivery, attempt == 0);
        wait_for_crowds(core, &invocations).await;
        let Err(error) = core.admit(invocations).await else { return true };
        if stop.is_cancelled() {
            return false;
        }
        attempt += 1;
        tracing::error!(
            error = &error as &dyn std::error::Error,
            attempt,
            "a frame of a lane cannot be admitted"
        );
        pause(core, attempt, stop).await;
    }
}

/// Lets functions that keep up catch up. One that does not costs its lane this wait once: then it has a backlog.
async fn wait_for_crowds(core: &Core, invocations: &[Invocation]) {
    let mut functions: Vec<Uid> = invocations.iter().map(|new| new.function).collect();
    functions.sort_unstable();
    functions.dedup();
    let thins_out = core.dispatcher.thins_out(&functions);
    if tokio::time::timeout(CROWD_WAIT, thins_out).await.is_err() {
        core.dispatcher.overflow(&functions);
    }
}

/// An entry that cannot be read can become nothing else by coming again: it is counted, logged and left out.
fn invocations(core: &Core, delivery: &Delivery, first_time: bool) -> Vec<Invocation> {
    let read = |entry: &bytes::Bytes| match LaneEntry::decode(entry.clone()) {
        Ok(entry) => Some(entry.into()),
        Err(error) => {
            if first_time {
                core.metrics.unreadable();
                tracing::error!(error = &error as &dyn std::error::Error, "a lane entry is lost");
            }
            None
        }
    };
    delivery.frame.entries().iter().filter_map(read).collect()
}

async fn pause(core: &Core, attempt: u32, stop: &CancellationToken) {
    let wait = backoff(attempt, RETRY_BASE, RETRY_MAX, core.entropy.unit());
    tokio::select! {
        () = stop.cancelled() => {}
        () = tokio::time::sleep(wait) => {}
    }
}
