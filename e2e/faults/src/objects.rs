//! Objects that are put into a bucket while the system watches it: events that nobody publishes.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::json;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tripline_e2e::Api;
use tripline_testkit::{Bucket, wait_until};

use crate::ledger::{Class, Ledger};

/// Time between two objects.
const EVERY: Duration = Duration::from_millis(50);
/// How long the source may take until it runs.
const RUNS_MAX: Duration = Duration::from_secs(60);

/// Makes a source of the bucket, and waits until it runs.
pub(crate) async fn watch(api: &Api, bucket: &Bucket) -> anyhow::Result<()> {
    let settings = json!({
        "endpoint": bucket.endpoint(), "bucket": bucket.name(),
        "access_key": bucket.access_key(), "secret_key": bucket.secret_key(),
        "events": ["s3:ObjectCreated:*"],
    });
    let name = Class::Object.name();
    let source = format!("/v1/sources/{name}");
    api.put(&source, &json!({"kind": "minio", "settings": settings})).await?;
    let running = async || {
        let status = api.get(&format!("{source}/status")).await;
        status.is_ok_and(|(_, status)| status["state"] == "running")
    };
    wait_until(RUNS_MAX, running).await.context("the source does not run")
}

/// Puts objects at a steady rate until told to stop. None is put twice, since that would be two events: one whose put
/// got no answer has an unknown fate.
pub(crate) async fn put(
    bucket: Bucket,
    ledger: Arc<Ledger>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let mut beat = tokio::time::interval(EVERY);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut number = 0_u64;
    while stop.run_until_cancelled(beat.tick()).await.is_some() {
        put_one(&bucket, &ledger, &format!("{}-{number}", Class::Object.name())).await;
        number += 1;
    }
    Ok(())
}

/// Puts objects until the server has one for sure, and answers its id: just after its start it still refuses some.
pub(crate) async fn put_probe(bucket: &Bucket, ledger: &Ledger, round: u64) -> String {
    let mut attempt = 0_u64;
    loop {
        let id = format!("{}-probe-{round}-{attempt}", Class::Object.name());
        if put_one(bucket, ledger, &id).await {
            return id;
        }
        attempt += 1;
        tokio::time::sleep(EVERY).await;
    }
}

/// Puts one object. Whether its server has it for sure.
async fn put_one(bucket: &Bucket, ledger: &Ledger, id: &str) -> bool {
    ledger.write(id);
    let stored = bucket.put(id, "object").await.is_ok();
    if stored {
        ledger.keep(id);
    }
    stored
}
