//! Following trigger-registry: everything as it is, then every change. Goes on with what is known while it is away.

use std::sync::Arc;
use std::time::Duration;

use tonic::{Status, Streaming};
use tripline_contracts::pb::change::Resource;
use tripline_contracts::pb::{Change, WatchRequest};
use tripline_contracts::{Error, pb::registry_client::RegistryClient, transport::Client};
use tripline_kernel::backoff;
use tripline_runtime::problem::Chain;
use tripline_runtime::{Check, Context};

use crate::snapshot::Snapshot;

/// The shortest ceiling of the wait before the next try.
const RETRY_BASE: Duration = Duration::from_millis(200);
/// The longest wait before the next try.
const RETRY_MAX: Duration = Duration::from_secs(5);

/// Feeds a snapshot.
pub(crate) struct Watch {
    pub(crate) registry: RegistryClient<Client>,
    pub(crate) snapshot: Arc<Snapshot>,
    /// Becomes ready when everything has been received once, and stays so.
    pub(crate) caught_up: Check,
    pub(crate) context: Context,
}

impl Watch {
    /// Follows until `context.stop` is cancelled.
    pub(crate) async fn run(self) {
        let stop = self.context.stop.clone();
        stop.run_until_cancelled(self.follow()).await;
    }

    async fn follow(mut self) {
        let (mut revision, mut attempt) = (0, 0_u32);
        loop {
            let ended = match self.open(revision).await {
                Ok(mut changes) => loop {
                    match changes.message().await {
                        Ok(Some(change)) => {
                            attempt = 0;
                            self.take(&change, &mut revision);
                        }
                        Ok(None) => break None,
                        Err(status) => break Some(status),
                    }
                },
                Err(status) => Some(status),
            };
            attempt = attempt.saturating_add(1);
            if let Some(status) = ended {
                let error = Error::from(status);
                tracing::warn!(attempt, error = %Chain(&error), "trigger-registry cannot be followed");
            }
            let unit = self.context.entropy.unit();
            tokio::time::sleep(backoff(attempt, RETRY_BASE, RETRY_MAX, unit)).await;
        }
    }

    async fn open(&mut self, after_revision: u64) -> Result<Streaming<Change>, Status> {
        let request = WatchRequest { after_revision };
        Ok(self.registry.watch(request).await?.into_inner())
    }

    fn take(&self, change: &Change, revision: &mut u64) {
        *revision = change.revision.max(*revision);
        match &change.resource {
            Some(Resource::CaughtUp(_)) => self.caught_up.ready(),
            Some(resource) => self.snapshot.apply(change.deleted, resource),
            None => {} // A kind of resource that this version does not know.
        }
    }
}
