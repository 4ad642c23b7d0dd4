//! What every request handler works with.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tripline_contracts::{Error, pb};
use tripline_kernel::{Classify as _, Clock, ErrorKind, Uid};
use tripline_runtime::Problem;
use tripline_sandbox::Sandbox;
use tripline_trace::Tracer;

use crate::authn::Authenticator;
use crate::body::Limit;
use crate::metrics::Metrics;
use crate::options::Options;
use crate::peers::{Peers, READ_WAIT, answer};
use crate::publish::Publisher;
use crate::rates::Rate;
use crate::refusal::Refusal;
use crate::routes::Tails;
use crate::snapshot::{Bus, Snapshot};
use crate::trials::Trials;

/// What every request handler works with. One for all workers.
pub(crate) struct Gateway {
    pub(crate) options: Options,
    pub(crate) peers: Peers,
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) authenticator: Authenticator,
    pub(crate) publisher: Publisher,
    pub(crate) metrics: Metrics,
    pub(crate) tracer: Tracer,
    /// The places of those who follow invocations.
    pub(crate) tails: Tails,
    /// Where transforms are tried…
    pub(crate) transforms: Sandbox,
    /// …and the places of those who try them.
    pub(crate) trials: Trials,
    pub(crate) clock: Arc<dyn Clock>,
    /// What outlives the request that began it runs here…
    pub(crate) tasks: TaskTracker,
    /// …and on this runtime: a worker thread may end before it.
    pub(crate) runtime: Handle,
    /// Cancelled when answers without an end must end.
    pub(crate) stop: CancellationToken,
    /// How often an API key may ask for anything but publishing.
    pub(crate) requests: Rate,
    /// How often an API key may publish.
    pub(crate) publishes: Rate,
}

impl Gateway {
    /// The bus of this name: as the snapshot has it, else as the registry does.
    pub(crate) async fn bus(&self, tenant: Uid, name: &str) -> Result<Arc<Bus>, Problem> {
        if let Some(bus) = self.snapshot.bus(tenant, name) {
            return Ok(bus);
        }
        let request = pb::GetRequest { tenant: tenant.to_string(), name: name.to_owned() };
        let mut registry = self.peers.registry.clone();
        let bus = answer(READ_WAIT, registry.get_bus(request)).await?;
        Ok(self.snapshot.put_bus(&bus).ok_or(Refusal::Contract("trigger-registry"))?)
    }

    /// The uid of the function of this name: as the snapshot has it, else as the registry does.
    pub(crate) async fn function(&self, tenant: Uid, name: &str) -> Result<String, Error> {
        match self.snapshot.function_uid(tenant, name) {
            Some(uid) => Ok(uid.to_string()),
            None => self.stored_function(tenant, name).await,
        }
    }

    /// The uid of the function of this name, as the registry has it.
    pub(crate) async fn stored_function(&self, tenant: Uid, name: &str) -> Result<String, Error> {
        let request = pb::GetRequest { tenant: tenant.to_string(), name: name.to_owned() };
        let mut registry = self.peers.registry.clone();
        let function = answer(READ_WAIT, registry.get_function(request)).await?;
        Ok(function.meta.map(|meta| meta.uid).unwrap_or_default())
    }

    /// The uid of the trigger of this name; nothing when there is none.
    pub(crate) async fn trigger(&self, tenant: Uid, name: &str) -> Result<Option<String>, Error> {
        if let Some(uid) = self.snapshot.trigger_uid(tenant, name) {
            return Ok(Some(uid.to_string()));
        }
        let request = pb::GetRequest { tenant: tenant.to_string(), name: name.to_owned() };
        let mut registry = self.peers.registry.clone();
        match answer(READ_WAIT, registry.get_trigger(request)).await {
            Ok(trigger) => Ok(trigger.meta.map(|meta| meta.uid)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(crate) fn event_limit(&self) -> Limit {
        self.limit("an event", self.options.event_bytes_max)
    }

    pub(crate) fn batch_limit(&self) -> Limit {
        self.limit("a batch", self.options.batch_bytes_max)
    }

    pub(crate) fn document_limit(&self) -> Limit {
        self.limit("a document", self.options.document_bytes_max)
    }

    pub(crate) fn call_limit(&self) -> Limit {
        self.limit("the body of a call", self.options.event_bytes_max)
    }

    fn limit(&self, what: &'static str, bytes_max: usize) -> Limit {
        Limit { what, bytes_max, wait: Duration::from_millis(self.options.body_timeout_ms) }
    }
}
