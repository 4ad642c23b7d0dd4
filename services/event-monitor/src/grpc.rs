//! The gRPC face: what other services may ask.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;
use tonic::{Request, Response, Status};
use tripline_contracts::convert::uid;
use tripline_contracts::pb::monitor_server::Monitor;
use tripline_contracts::{pb, to_status};
use tripline_kernel::{Classify, ErrorKind, Timestamp};

use crate::registry::Snapshot;
use crate::sources::Prober;
use crate::standing::{Standing, Standings};
use crate::store::{self, SourceState, SourceStatus, Store};

/// Answers for all replicas: what each of them knows of its sources is in the store.
pub(crate) struct Service {
    pub(crate) store: Store,
    pub(crate) snapshot: watch::Receiver<Arc<Snapshot>>,
    pub(crate) prober: Prober,
    pub(crate) standings: Standings,
}

/// How long the registry's newest word of a source may take to come here.
const NEWS_MAX: Duration = Duration::from_secs(3);

/// Why a request was not served.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error("there is no such source")]
    NoSource,
    #[error("too many sources are being tested: try again soon")]
    Busy,
    #[error("too many ask how far buses are routed: ask again soon")]
    Asked,
}

impl Classify for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Store(error) => error.kind(),
            Self::NoSource => ErrorKind::NotFound,
            Self::Busy | Self::Asked => ErrorKind::Exhausted,
        }
    }

    fn code(&self) -> Cow<'static, str> {
        match self {
            Self::Store(error) => error.code(),
            Self::NoSource => "source-not-found".into(),
            Self::Busy => "too-many-tests".into(),
            Self::Asked => "too-many-requests".into(),
        }
    }

    fn retry_after_seconds(&self) -> Option<u32> {
        self.kind().is_retryable().then_some(1)
    }
}

#[tonic::async_trait]
impl Monitor for Service {
    async fn get_source_status(
        &self,
        request: Request<pb::GetSourceStatusRequest>,
    ) -> Result<Response<pb::SourceStatus>, Status> {
        let request = request.into_inner();
        let tenant = uid("tenant", &request.tenant)?;
        let source = uid("source_uid", &request.source_uid)?;
        let stored = self.store.source_status(tenant, source).await.map_err(Error::from);
        let stored = stored.map_err(|error| {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "a source's status cannot be read"
            );
            to_status(&error)
        })?;
        if let Some(status) = stored {
            return Ok(Response::new(status.into()));
        }
        // Known, and not begun by any replica yet.
        let snapshot = Arc::clone(&self.snapshot.borrow());
        let known = snapshot.source(source).is_some_and(|known| known.tenant == tenant);
        if !known {
            return Err(to_status(&Error::NoSource));
        }
        let state = name(SourceState::Starting).to_owned();
        Ok(Response::new(pb::SourceStatus { state, ..pb::SourceStatus::default() }))
    }

    async fn test_source(
        &self,
        request: Request<pb::TestSourceRequest>,
    ) -> Result<Response<pb::TestSourceResponse>, Status> {
        let request = request.get_ref();
        let tenant = uid("tenant", &request.tenant)?;
        let uid = uid("source_uid", &request.source_uid)?;
        let mut snapshot = self.snapshot.clone();
        let told = snapshot.wait_for(|snapshot| {
            snapshot.source(uid).is_some_and(|known| known.revision >= request.revision)
        });
        // What is known after that time is tested, should it be older.
        let _ = timeout(NEWS_MAX, told).await;
        let known = self.snapshot.borrow().source(uid).cloned();
        let source = known.filter(|known| known.tenant == tenant);
        let source = source.ok_or_else(|| to_status(&Error::NoSource))?;
        let probed = self.prober.probe(&source).await.ok_or_else(|| to_status(&Error::Busy))?;
        Ok(Response::new(pb::TestSourceResponse { reason: probed.err() }))
    }

    async fn get_stats(
        &self,
        request: Request<pb::GetStatsRequest>,
    ) -> Result<Response<pb::EventStats>, Status> {
        let tenant = uid("tenant", &request.get_ref().tenant)?;
        let counted = self.store.counted(tenant).await.map_err(|error| {
            let cause = &error as &dyn std::error::Error;
            tracing::error!(error = cause, "the counts of events cannot be read");
            to_status(&Error::from(error))
        })?;
        let (accepted, deduplicated) = counted;
        Ok(Response::new(pb::EventStats { accepted, deduplicated }))
    }

    async fn get_routing(
        &self,
        request: Request<pb::GetRoutingRequest>,
    ) -> Result<Response<pb::Routing>, Status> {
        let request = request.into_inner();
        let tenant = uid("tenant", &request.tenant)?;
        let bus = uid("bus_uid", &request.bus_uid)?;
        let trigger = uid("trigger_uid", &request.trigger_uid)?;
        let standings = self.standings.of(tenant, bus, trigger).await.map_err(|error| {
            let cause = &error as &dyn std::error::Error;
            tracing::error!(error = cause, "the checkpoints of a bus cannot be read");
            to_status(&Error::from(error))
        })?;
        let standings = standings.ok_or_else(|| to_status(&Error::Asked))?;
        let partitions = standings.into_iter().map(Into::into).collect();
        Ok(Response::new(pb::Routing { partitions }))
    }
}

impl From<Standing> for pb::PartitionRouting {
    fn from(standing: Standing) -> Self {
        Self {
            partition: standing.partition.into(),
            next_offset: standing.checkpoint.next,
            accepted: standing.checkpoint.accepted,
            deduplicated: standing.checkpoint.deduplicated,
            definition_revision: standing.revision,
        }
    }
}

impl From<SourceStatus> for pb::SourceStatus {
    fn from(status: SourceStatus) -> Self {
        Self {
            state: name(status.state).to_owned(),
            reason: status.reason,
            since: status.since.as_micros(),
            events: status.events,
            last_event_at: status.last_event_at.map(Timestamp::as_micros),
        }
    }
}

fn name(state: SourceState) -> &'static str {
    match state {
        SourceState::Starting => "starting",
        SourceState::Running => "running",
        SourceState::Failing => "failing",
        SourceState::Paused => "paused",
    }
}
