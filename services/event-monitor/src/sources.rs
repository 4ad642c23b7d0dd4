//! Runs the sources whose leases this replica holds.
//!
//! A source runs in a task of its own, so that whatever its code does stays with it. When it fails it is run again, with
//! back-off; when its settings change it is stopped and run with the new ones.

mod outlet;
mod probe;
mod status;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinError;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};
use tripline_bus::Gatherer;
use tripline_kernel::{Clock, Entropy, Fault, backoff, milliseconds};
use tripline_source::Kind;

use crate::metrics::Metrics;
use crate::registry::{Snapshot, Source};
use crate::store::{SourceState, Store, Tenure};
use outlet::Outlet;
pub(crate) use probe::Prober;
use status::StatusCell;

/// The waits before a failed source is run again grow from here…
const RETRY_BASE: Duration = Duration::from_millis(500);
/// …to here.
const RETRY_CAP: Duration = Duration::from_secs(60);
/// A source that ran for this long begins with short waits again.
const CALM_AFTER: Duration = Duration::from_secs(60);
/// How long a source may take to stop before it is cut off.
const STOP_TIMEOUT: Duration = Duration::from_secs(3);

/// What all sources of a process share.
pub(crate) struct Surroundings {
    pub(crate) store: Store,
    pub(crate) gatherer: Gatherer,
    pub(crate) kinds: Vec<Arc<dyn Kind>>,
    pub(crate) snapshot: watch::Receiver<Arc<Snapshot>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) metrics: Metrics,
    pub(crate) tasks: TaskTracker,
}

/// Why a run of a source is over.
enum Ended {
    /// By itself, for this reason.
    Failed(String),
    /// The source was changed or removed in the registry.
    Changed,
    /// The replica is to give the source up.
    Told,
}

/// Runs a source under its lease until `drain` is cancelled.
pub(crate) async fn host(around: Arc<Surroundings>, tenure: Tenure, drain: CancellationToken) {
    let status = match StatusCell::load(&around, tenure).await {
        Ok(status) => Arc::new(status),
        Err(error) => {
            // The keeper begins this again.
            let error = &error as &dyn std::error::Error;
            tracing::warn!(source.uid = %tenure.unit.uid, error, "the source's status cannot be read");
            return;
        }
    };
    tokio::select! {
        () = supervise(&around, tenure, &status, &drain) => {}
        () = status.keep_stored() => return, // Another replica has taken over.
    }
    status.store_once().await;
}

async fn supervise(
    around: &Arc<Surroundings>,
    tenure: Tenure,
    status: &Arc<StatusCell>,
    drain: &CancellationToken,
) {
    let mut snapshot = around.snapshot.clone();
    let (mut attempt, mut revision) = (0, 0);
    loop {
        let known = snapshot.borrow_and_update().source(tenure.unit.uid).cloned();
        let Some(source) = known else {
            // Gone, or not known yet. The keeper decides which; here it is only waited for.
            tokio::select! {
                () = drain.cancelled() => return,
                changed = snapshot.changed() => if changed.is_err() { return },
            }
            continue;
        };
        if source.revision != revision {
            (revision, attempt) = (source.revision, 0);
        }
        if source.paused {
            status.enter(SourceState::Paused, "");
            tokio::select! {
                () = drain.cancelled() => return,
                () = changed(&mut snapshot, &source) => continue,
            }
        }
        let began = Instant::now();
        let ended = match open(around, tenure, &source, status) {
            Ok(run) => run.until_ended(&mut snapshot, drain).await,
            Err(reason) => Ended::Failed(reason),
        };
        let reason = match ended {
            Ended::Told => return,
            Ended::Changed => continue,
            Ended::Failed(reason) => reason,
        };
        attempt = if began.elapsed() > CALM_AFTER { 1 } else { attempt + 1 };
        let wait = backoff(attempt, RETRY_BASE, RETRY_CAP, around.entropy.unit());
        tracing::warn!(
            source.uid = %source.uid, source.name = source.name, source.kind = source.kind,
            reason, retry_ms = milliseconds(wait), "the source failed"
        );
        status.enter(SourceState::Failing, &reason);
        tokio::select! {
            () = sleep(wait) => {}
            () = drain.cancelled() => return,
            () = changed(&mut snapshot, &source) => {}
        }
    }
}

/// A run of a source.
struct Run {
    source: Arc<Source>,
    stop: CancellationToken,
    task: AbortOnDropHandle<Result<(), tripline_source::Error>>,
}

fn open(
    around: &Arc<Surroundings>,
    tenure: Tenure,
    source: &Arc<Source>,
    status: &Arc<StatusCell>,
) -> Result<Run, String> {
    let opened = opened(&around.kinds, source)?;
    status.enter(SourceState::Starting, "");
    let outlet = Outlet::new(around, tenure, Arc::clone(source), Arc::clone(status));
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    let running = async move { opened.run(Arc::new(outlet), stopped).await };
    let task = AbortOnDropHandle::new(around.tasks.spawn(running));
    Ok(Run { source: Arc::clone(source), stop, task })
}

fn opened(
    kinds: &[Arc<dyn Kind>],
    source: &Source,
) -> Result<Box<dyn tripline_source::Source>, String> {
    let kind = kinds.iter().find(|kind| kind.name() == source.kind);
    let kind =
        kind.ok_or_else(|| format!("this version runs no sources of kind '{}'", source.kind))?;
    kind.open(&source.settings).map_err(|faults| list(&faults))
}

/// Why a source does not run any more.
fn why(ended: Result<Result<(), tripline_source::Error>, JoinError>) -> String {
    match ended {
        Ok(Ok(())) => "it ended by itself".to_owned(),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "its code failed; this is a fault of Tripline's".to_owned(),
    }
}

fn list(faults: &[Fault]) -> String {
    let fault = |fault: &Fault| format!("{}: {}", fault.pointer, fault.detail);
    let faults: Vec<_> = faults.iter().map(fault).collect();
    format!("the settings are wrong: {}", faults.join("; "))
}

impl Run {
    async fn until_ended(
        mut self,
        snapshot: &mut watch::Receiver<Arc<Snapshot>>,
        drain: &CancellationToken,
    ) -> Ended {
        let ended = tokio::select! {
            ended = &mut self.task => return Ended::Failed(why(ended)),
            () = drain.cancelled() => Ended::Told,
            () = changed(snapshot, &self.source) => Ended::Changed,
        };
        self.stop.cancel();
        if timeout(STOP_TIMEOUT, &mut self.task).await.is_err() {
            tracing::warn!(source.uid = %self.source.uid, "the source did not stop in time and was cut off");
        }
        ended
    }
}

/// Resolves once the registry knows another revision of the source, or none.
async fn changed(snapshot: &mut watch::Receiver<Arc<Snapshot>>, source: &Source) {
    let differs = |snapshot: &Arc<Snapshot>| {
        snapshot.source(source.uid).is_none_or(|known| known.revision != source.revision)
    };
    if snapshot.wait_for(differs).await.is_err() {
        std::future::pending::<()>().await;
    }
}
