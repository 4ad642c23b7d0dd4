//! What the tasks of this service share, and the way of one invocation through it: admitted, started, run.

use std::collections::HashSet;
use std::sync::Arc;

use tokio_util::task::TaskTracker;
use tripline_kernel::{Clock, Entropy};
use tripline_trace::Tracer;

use crate::dispatcher::{Dispatcher, Job, Reply};
use crate::invocation::Invocation;
use crate::lookup::Lookup;
use crate::metrics::Metrics;
use crate::schedule::Schedule;
use crate::snapshot::Snapshot;
use crate::store::{Row, Store};
use crate::tenure::Tenure;
use crate::todo::Todo;
use crate::upkeep::{Chore, Pause};
use crate::writer::{AdmitError, Handle};

/// What the tasks share.
pub(crate) struct Core {
    pub(crate) store: Arc<Store>,
    pub(crate) tenure: Arc<Tenure>,
    pub(crate) schedule: Arc<Schedule>,
    pub(crate) dispatcher: Dispatcher,
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) lookup: Lookup,
    pub(crate) writer: Handle,
    pub(crate) chores: Arc<Todo<Chore>>,
    pub(crate) pauses: Todo<Pause>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) tracer: Tracer,
    /// Calls under way.
    pub(crate) calls: TaskTracker,
}

/// What became of a call whose caller waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admitted {
    /// It is stored, and will be answered.
    Started,
    /// The function has no room for it; it is not stored.
    NoRoom,
    /// Its idempotency key stands for another call; it is not stored.
    KeyTaken,
}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Core")
    }
}

impl Core {
    /// Takes invocations into the store's keeping and starts those that are new. Not to be dropped half-way.
    ///
    /// # Errors
    /// When they may not be stored: the same ones can be admitted again, harmlessly.
    pub(crate) async fn admit(
        self: &Arc<Self>,
        invocations: impl IntoIterator<Item = Invocation>,
    ) -> Result<(), AdmitError> {
        let rows: Vec<_> = invocations.into_iter().map(|invocation| self.row(invocation)).collect();
        let count = rows.len();
        let reserved: Vec<_> = rows
            .iter()
            .filter(|row| row.runs)
            .map(|Row { invocation: new, .. }| (new.id, new.function, new.payload.body.len()))
            .collect();
        let refused: HashSet<_> =
            rows.iter().filter(|row| !row.runs).map(|row| row.invocation.function).collect();
        let outcome = self.writer.admit(rows).await;
        let now = self.clock.now();
        for function in refused {
            // Stored behind the others; and only a look into the store ends a backlog.
            self.schedule.at(function, now);
        }
        let stored = outcome.as_deref().unwrap_or_default();
        if stored.len() < count {
            let stored: HashSet<_> = stored.iter().map(|row| row.invocation.id).collect();
            for (id, function, bytes) in reserved {
                if !stored.contains(&id) {
                    self.dispatcher.release(function, bytes, now);
                }
            }
        }
        for Row { invocation, runs, .. } in outcome? {
            if runs {
                self.start(Job { invocation, reply: None });
            }
        }
        Ok(())
    }

    fn row(&self, invocation: Invocation) -> Row {
        let runs = self.dispatcher.reserve(invocation.function, invocation.payload.body.len());
        Row { invocation: Box::new(invocation), runs, batch_part: 0 }
    }

    /// Admits a call whose caller waits, and starts it. Not to be dropped half-way.
    ///
    /// # Errors
    /// When it may not be stored.
    pub(crate) async fn admit_synchronous(
        self: &Arc<Self>,
        invocation: Invocation,
        reply: tokio::sync::oneshot::Sender<Reply>,
    ) -> Result<Admitted, AdmitError> {
        let (function, bytes) = (invocation.function, invocation.payload.body.len());
        let row = self.row(invocation);
        if !row.runs {
            // The refusal marks a backlog, which only a look into the store takes away.
            self.schedule.at(function, self.clock.now());
            return Ok(Admitted::NoRoom);
        }
        let stored = match self.writer.admit(vec![row]).await {
            Ok(stored) => stored,
            Err(error) => {
                self.dispatcher.release(function, bytes, self.clock.now());
                return Err(error);
            }
        };
        let Some(row) = stored.into_iter().next() else {
            self.dispatcher.release(function, bytes, self.clock.now());
            return Ok(Admitted::KeyTaken);
        };
        self.start(Job { invocation: row.invocation, reply: Some(reply) });
        Ok(Admitted::Started)
    }

    /// Puts a job with reserved room into its function's queue, and runs it when a slot is free.
    fn start(self: &Arc<Self>, job: Job) {
        let limit = self.snapshot.concurrency(job.invocation.function);
        if let Some(job) = self.dispatcher.put(job, limit, self.clock.now()) {
            self.spawn(job);
        }
    }

    /// Runs waiting jobs of a function in all its free slots.
    pub(crate) fn fill_slots(self: &Arc<Self>, function: tripline_kernel::Uid) {
        let limit = self.snapshot.concurrency(function);
        while let Some(job) = self.dispatcher.take(function, limit, self.clock.now()) {
            self.spawn(job);
        }
    }

    /// One task per slot: it runs one job after the other for as long as there are any.
    fn spawn(self: &Arc<Self>, job: Job) {
        let core = Arc::clone(self);
        let function = job.invocation.function;
        self.calls.spawn(async move {
            let mut next = Some(job);
            while let Some(job) = next {
                core.run(job).await;
                let limit = core.snapshot.concurrency(function);
                next = core.dispatcher.next(function, limit, core.clock.now());
            }
        });
    }
}
