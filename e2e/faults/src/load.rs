//! Publishers: at a steady rate, each event again and again under its id until it is accepted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::bail;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tripline_e2e::Api;
use tripline_testkit::Bucket;

use crate::ledger::{Class, Ledger};
use crate::objects;

/// Connections that publish, each one event after the other.
const PUBLISHERS: u32 = 16;
/// One event of so many is refused by its function.
const REFUSED_EVERY: u64 = 10;
/// After so long without an answer a publisher asks again.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// How long a publisher waits before it sends an event again.
const AGAIN_AFTER: Duration = Duration::from_millis(50);

/// Publishers that run until told to stop.
pub(crate) struct Load {
    stop: CancellationToken,
    publishers: JoinSet<anyhow::Result<()>>,
}

/// Sends events to the replicas of the gateway, and writes all into the ledger.
#[derive(Clone)]
pub(crate) struct Sender {
    apis: Arc<[Api]>,
    ledger: Arc<Ledger>,
    stop: CancellationToken,
}

impl Load {
    /// Begins to publish this many events a second.
    pub(crate) fn begin(apis: Vec<Api>, ledger: Arc<Ledger>, per_second: u32) -> Self {
        let stop = CancellationToken::new();
        let sender = Sender::new(apis, ledger, stop.clone());
        let (next, every) = (Arc::new(AtomicU64::new(0)), Duration::from_secs(1) * PUBLISHERS);
        let mut publishers = JoinSet::new();
        for _ in 0..PUBLISHERS {
            publishers.spawn(publish(sender.clone(), Arc::clone(&next), every / per_second));
        }
        Self { stop, publishers }
    }

    /// Puts objects into a bucket as well.
    pub(crate) fn put_into(&mut self, bucket: Bucket, ledger: Arc<Ledger>) {
        self.publishers.spawn(objects::put(bucket, ledger, self.stop.clone()));
    }

    /// Stops. An event that was not accepted by then is left alone: its fate is unknown.
    pub(crate) async fn end(mut self) -> anyhow::Result<()> {
        self.stop.cancel();
        while let Some(publisher) = self.publishers.join_next().await {
            publisher??;
        }
        Ok(())
    }
}

async fn publish(sender: Sender, next: Arc<AtomicU64>, every: Duration) -> anyhow::Result<()> {
    let mut beat = tokio::time::interval(every);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while sender.stop.run_until_cancelled(beat.tick()).await.is_some() {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let refused = number.is_multiple_of(REFUSED_EVERY);
        let class = if refused { Class::Refuse } else { Class::Run };
        sender.send(class, &format!("{}-{number}", class.name()), number).await?;
    }
    Ok(())
}

impl Sender {
    pub(crate) fn new(apis: Vec<Api>, ledger: Arc<Ledger>, stop: CancellationToken) -> Self {
        Self { apis: apis.into(), ledger, stop }
    }

    /// Sends an event until it is accepted, or until told to stop. Begins with the replica of this turn.
    ///
    /// # Errors
    /// When the event itself is refused: that is no fault of the kind that is looked for here.
    pub(crate) async fn send(&self, class: Class, id: &str, turn: u64) -> anyhow::Result<()> {
        let event = json!({
            "specversion": "1.0", "id": id, "source": "/faults", "type": event_type(class),
            "data": {"id": id},
        });
        let first = usize::try_from(turn % self.apis.len() as u64)?;
        for api in self.apis.iter().cycle().skip(first) {
            self.ledger.send(id);
            let begin = Instant::now();
            match tokio::time::timeout(ANSWER_MAX, api.publish(&event)).await {
                Ok(Ok((status, answer))) => {
                    self.ledger.answered(id, status.as_u16(), begin.elapsed());
                    if status == 202 && answer["events"][0]["status"] != "rejected" {
                        return Ok(());
                    }
                    if status == 202 || status.is_client_error() {
                        bail!("publishing {id}: {status} {answer}");
                    }
                }
                Ok(Err(_)) => self.ledger.unanswered(false),
                Err(_) => self.ledger.unanswered(true),
            }
            let waiting = tokio::time::sleep(AGAIN_AFTER);
            if self.stop.run_until_cancelled(waiting).await.is_none() {
                break;
            }
        }
        Ok(())
    }
}

/// The type of the events of a class.
pub(crate) fn event_type(class: Class) -> String {
    format!("dev.tripline.faults.{}", class.name())
}
