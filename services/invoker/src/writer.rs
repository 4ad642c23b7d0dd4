//! The one task that writes what comes in and what is done: a group commit.
//!
//! While one transaction is being written, whatever else arrives gathers, and goes into the next together: new
//! invocations of all lanes and direct calls, and the records of finished ones. So the cost of a commit is shared by all
//! that wait for it, and on SQLite nobody waits for a lock.

mod batch;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};
use tripline_event::InvocationId;
use tripline_kernel::{Classify as _, Clock, Entropy, ErrorKind, Timestamp, Uid, backoff};
use tripline_runtime::Check;

use crate::dispatcher::Reply;
use crate::invocation::{Outcome, Record, reason};
use crate::metrics::Metrics;
use crate::schedule::Schedule;
use crate::snapshot::{Known, Snapshot, Standing};
use crate::store::{BatchError, Group, Row, Store};
use crate::tenure::Tenure;
use crate::todo::Todo;
use crate::upkeep::Chore;
use batch::{Batch, Work, answer, changes, flatten};

/// Most entries that wait to be written. Beyond it, whoever has more waits.
const WAITING_MAX: usize = 4096;
/// A transaction takes no more once it has this many rows and records.
const BATCH_MAX: usize = 2048;
/// How long records that nobody waits for wait for others to be written with, on SQLite: half of all commits are spared
/// where invocations come one by one. On a server each statement is a round trip, which a new invocation would wait for.
const RECORDS_WAIT: Duration = Duration::from_millis(5);
/// The waits between attempts to write grow from here…
const RETRY_BASE: Duration = Duration::from_millis(20);
/// …to here.
const RETRY_MAX: Duration = Duration::from_secs(2);

/// Puts entries before the writer.
#[derive(Clone)]
pub(crate) struct Handle(mpsc::Sender<Entry>);

/// What the writer reads from.
pub(crate) struct Inbox(mpsc::Receiver<Entry>);

enum Entry {
    Admit(Admission),
    Record(Box<Record>, Option<Answered>),
    Close,
}

struct Admission {
    rows: Vec<Row>,
    done: oneshot::Sender<Result<Vec<Row>, tripline_db::Error>>,
}

/// What the caller of a synchronous call gets once the attempt is recorded.
pub(crate) struct Answered {
    pub(crate) reply: Reply,
    pub(crate) to: oneshot::Sender<Reply>,
}

impl Handle {
    /// Stores new invocations. Gives back those that were not stored before, now with their place and epoch.
    ///
    /// # Errors
    /// When the database refuses them, or the service stops. They may or may not be stored; the same call can be made again.
    pub(crate) async fn admit(&self, rows: Vec<Row>) -> Result<Vec<Row>, AdmitError> {
        let (done, stored) = oneshot::channel();
        let entry = Entry::Admit(Admission { rows, done });
        self.0.send(entry).await.map_err(|_| AdmitError::Stopping)?;
        Ok(stored.await.map_err(|_| AdmitError::Stopping)??)
    }

    /// Hands over what became of an invocation. Returns once it is in the queue, which is bounded: when the database is
    /// behind, so are the calls.
    pub(crate) async fn record(&self, record: Record, answered: Option<Answered>) {
        // Without a writer the process is ending: the row goes back with its epoch.
        let _ = self.0.send(Entry::Record(Box::new(record), answered)).await;
    }

    /// Ends the writer once what is before it has been written.
    pub(crate) async fn close(&self) {
        let _ = self.0.send(Entry::Close).await;
    }
}

/// Why invocations were not admitted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AdmitError {
    /// The database did not take them.
    #[error(transparent)]
    Store(#[from] tripline_db::Error),
    /// The service is stopping.
    #[error("the service is stopping")]
    Stopping,
}

/// The task.
pub(crate) struct Writer {
    pub(crate) store: Arc<Store>,
    pub(crate) tenure: Arc<Tenure>,
    pub(crate) schedule: Arc<Schedule>,
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) chores: Arc<Todo<Chore>>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) health: Check,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
}

impl Writer {
    /// A writer's handle, and what it reads from.
    pub(crate) fn channel() -> (Handle, Inbox) {
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        (Handle(sender), Inbox(receiver))
    }

    /// Writes until it is closed.
    pub(crate) async fn run(self, mut inbox: Inbox) {
        while let Some(first) = inbox.0.recv().await {
            let mut batch = Batch::default();
            batch.push(first);
            let waits_until = Instant::now() + RECORDS_WAIT;
            while self.store.is_sqlite()
                && batch.may_wait()
                && let Ok(Some(entry)) = timeout_at(waits_until, inbox.0.recv()).await
            {
                batch.push(entry);
            }
            // What arrives while another transaction is written goes into this one.
            self.store.turn_comes().await;
            while !batch.is_full()
                && let Ok(entry) = inbox.0.try_recv()
            {
                batch.push(entry);
            }
            let closes = batch.closes;
            self.write(batch).await;
            if closes {
                return;
            }
        }
    }

    async fn write(&self, batch: Batch) {
        let Batch { admissions, records, answered, closes: _ } = batch;
        let (rows, waiting) = flatten(admissions);
        let mut work = Work { rows, records, stored: Vec::new() };
        let refused = self.commit(&mut work).await.err();
        if let Some(error) = &refused {
            tracing::error!(
                error = error as &dyn std::error::Error,
                "the database refuses a batch"
            );
            self.write_apart(&mut work, waiting.len()).await;
        } else {
            self.settle(&work.records);
        }
        for Answered { reply, to } in answered {
            // A caller that has left needs no answer; the record is kept.
            let _ = to.send(reply);
        }
        answer(work, waiting, refused.as_ref());
    }

    /// Writes the records, and each admission in a transaction of its own, so that what the database refuses holds up
    /// nobody else. Leaves the rows of refused admissions in `work`.
    async fn write_apart(&self, work: &mut Work, parts: usize) {
        let mut attempt = 0;
        let records = std::mem::take(&mut work.records);
        let mut alone = Work { records, ..Work::default() };
        while let Err(error) = self.commit(&mut alone).await {
            attempt += 1;
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "finished attempts cannot be recorded"
            );
            self.pause(attempt).await;
        }
        self.settle(&alone.records);
        for part in 0..parts {
            let of_part = |row: &mut Row| row.batch_part == part;
            let rows = work.rows.extract_if(.., of_part).collect();
            let mut alone = Work { rows, ..Work::default() };
            // The error has been logged for the whole batch, and goes to whoever waits for this part.
            let _ = self.commit(&mut alone).await;
            work.stored.append(&mut alone.stored);
            work.rows.append(&mut alone.rows);
        }
    }

    /// Writes all in one transaction, waiting while the database is away. Takes out what turns out to be stored
    /// already, or not to be this process's own any more.
    ///
    /// # Errors
    /// When the database refuses: not being away, this will not pass by itself.
    async fn commit(&self, work: &mut Work) -> Result<(), tripline_db::Error> {
        let mut attempt = 0;
        while !(work.rows.is_empty() && work.records.is_empty()) {
            let (epoch, now) = (self.tenure.wait().await, self.clock.now());
            for row in &mut work.rows {
                if row.invocation.seq == 0 {
                    row.invocation.seq = self.tenure.next_seq(now);
                }
                row.invocation.epoch = epoch;
            }
            let error = match self.store.commit(&work.rows, &work.records, (epoch, now)).await {
                Ok(()) => {
                    self.committed(work, attempt > 0).await;
                    return Ok(());
                }
                Err(BatchError::Duplicate) => self.take_out_stored(work).await.err(),
                Err(BatchError::NotOurs) => self.take_out_lost(work).await.err(),
                Err(BatchError::EpochEnded) => None,
                // Nothing of it was done, and the one it met has gone on.
                Err(BatchError::Db(error)) if tripline_db::is_contended(&error.0) => None,
                Err(BatchError::Db(error)) => Some(error),
            };
            attempt += 1;
            match error {
                Some(error) if error.kind() != ErrorKind::Unavailable => return Err(error),
                Some(error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        attempt,
                        "the database is away"
                    );
                    self.health.not_ready("the database is away");
                    self.pause(attempt).await;
                }
                None if attempt > 2 => self.pause(attempt).await,
                None => {}
            }
        }
        // Nothing is left to be written: what was to be turned out to be done, or another's.
        if attempt > 0 {
            self.recovered().await;
        }
        Ok(())
    }

    async fn committed(&self, work: &mut Work, after_trouble: bool) {
        self.metrics.add(&changes(work));
        work.stored.append(&mut work.rows);
        if after_trouble {
            self.recovered().await;
        }
    }

    /// The database has answered again.
    async fn recovered(&self) {
        self.health.ready();
        // Some may have been written by a commit whose answer was lost: count anew.
        if let Ok(stats) = self.store.stats().await {
            self.metrics.set(stats);
        }
    }

    /// Takes out the rows that were stored before, or whose keys stand for other calls. One that stands at the very place it
    /// was given is this process's own, from a commit whose answer was lost: it counts as stored now.
    async fn take_out_stored(&self, work: &mut Work) -> Result<(), tripline_db::Error> {
        let ids: Vec<InvocationId> = work.rows.iter().map(|row| row.invocation.id).collect();
        let stored = self.store.existing(&ids).await?;
        let mut taken = HashSet::new();
        if stored.is_empty() {
            taken = self.store.keys_taken(&work.rows).await?;
        }
        for mut row in std::mem::take(&mut work.rows) {
            match stored.get(&row.invocation.id) {
                Some(&seq) if seq == row.invocation.seq => work.stored.push(row),
                Some(_) => self.metrics.duplicate(),
                None if taken.contains(&row.invocation.id) => {}
                None => {
                    if stored.is_empty() && taken.is_empty() {
                        // Then it is the place that is taken: take another.
                        row.invocation.seq = 0;
                    }
                    work.rows.push(row);
                }
            }
        }
        Ok(())
    }

    async fn take_out_lost(&self, work: &mut Work) -> Result<(), tripline_db::Error> {
        let owned = self.store.owned(&work.records).await?;
        // Written by a commit whose answer was lost, or taken back: either way it goes on the schedule.
        let not_owned = |record: &mut Record| !owned.contains(&record.seq);
        let lost: Vec<_> = work.records.extract_if(.., not_owned).collect();
        tracing::warn!(
            refused = lost.len(),
            "records of rows that are not this process's own any more"
        );
        self.metrics.refused(lost.len());
        self.settle(&lost);
        Ok(())
    }

    /// What is pending again goes on the schedule, or waits for its trigger.
    fn settle(&self, records: &[Record]) {
        let mut due: HashMap<Uid, Timestamp> = HashMap::new();
        for record in records {
            match record.outcome {
                Outcome::Pending { at, .. } => {
                    if let Some(at) = at {
                        let earliest = due.entry(record.function).or_insert(at);
                        *earliest = at.min(*earliest);
                    }
                    if let Some(chore) = self.overtaken(record, at.is_none()) {
                        self.chores.put(chore);
                    }
                }
                Outcome::Succeeded | Outcome::Dead(_) | Outcome::Cancelled(_) => {}
            }
        }
        for (function, at) in due {
            self.schedule.at(function, at);
        }
    }

    /// What a row that is pending again has missed: its function or trigger was deleted, or its trigger resumed while it
    /// was to be parked, before the row was there to be found.
    fn overtaken(&self, record: &Record, parked: bool) -> Option<Chore> {
        if let Known::Gone = self.snapshot.function(record.function) {
            let group = Group::Function(record.function);
            return Some(Chore::Cancel(group, record.tenant, reason::FUNCTION_GONE));
        }
        let trigger = record.trigger?;
        let group = Group::Trigger(trigger);
        let cancel = Some(Chore::Cancel(group, record.tenant, reason::TRIGGER_GONE));
        match self.snapshot.trigger(trigger) {
            Known::Gone => cancel,
            Known::Is(known) => match known.standing {
                Standing::Deleting => cancel,
                Standing::Running if parked && !self.snapshot.is_paused_here(trigger) => {
                    Some(Chore::MakeDue(group))
                }
                Standing::Running | Standing::Paused => None,
            },
            Known::NotYet => None,
        }
    }

    async fn pause(&self, attempt: u32) {
        let unit_random = self.entropy.unit();
        tokio::time::sleep(backoff(attempt, RETRY_BASE, RETRY_MAX, unit_random)).await;
    }
}
