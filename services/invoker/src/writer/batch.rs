//! What goes into one transaction together, and how its outcome finds back to those who wait for it.

use std::collections::HashSet;

use tokio::sync::oneshot;

use super::{Admission, Answered, BATCH_MAX, Entry};
use crate::invocation::{Invocation, Outcome, Record};
use crate::store::{Row, Stats};

/// Entries that have gathered.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) admissions: Vec<Admission>,
    pub(super) records: Vec<Record>,
    pub(super) answered: Vec<Answered>,
    pub(super) closes: bool,
}

impl Batch {
    pub(super) fn push(&mut self, entry: Entry) {
        match entry {
            Entry::Admit(admission) => self.admissions.push(admission),
            Entry::Record(record, answered) => {
                self.records.push(*record);
                self.answered.extend(answered);
            }
            Entry::Close => self.closes = true,
        }
    }

    /// Whether nobody is kept waiting by it.
    pub(super) fn may_wait(&self) -> bool {
        self.admissions.is_empty() && self.answered.is_empty() && !self.is_full()
    }

    pub(super) fn is_full(&self) -> bool {
        let rows: usize = self.admissions.iter().map(|admission| admission.rows.len()).sum();
        self.closes || rows + self.records.len() >= BATCH_MAX
    }
}

/// What one transaction is to write, and what of it has been written.
#[derive(Default)]
pub(super) struct Work {
    pub(super) rows: Vec<Row>,
    pub(super) records: Vec<Record>,
    /// Rows that are stored now and were not before.
    pub(super) stored: Vec<Row>,
}

/// Those who brought the parts of a batch.
pub(super) type Waiting = Vec<oneshot::Sender<Result<Vec<Row>, tripline_db::Error>>>;

/// All rows in one list, each id and each key once.
pub(super) fn flatten(admissions: Vec<Admission>) -> (Vec<Row>, Waiting) {
    let (mut rows, mut waiting, mut seen) = (Vec::new(), Vec::new(), HashSet::new());
    let mut keys = HashSet::new();
    for (part, admission) in admissions.into_iter().enumerate() {
        for mut row in admission.rows {
            let Invocation { id, key, .. } = &*row.invocation;
            let first = key.is_none_or(|key| keys.insert(key.hash));
            if first && seen.insert(*id) {
                row.batch_part = part;
                rows.push(row);
            }
        }
        waiting.push(admission.done);
    }
    (rows, waiting)
}

/// Tells each part which of its rows are stored now; or the error, if some are not.
pub(super) fn answer(work: Work, waiting: Waiting, refused: Option<&tripline_db::Error>) {
    let mut parts: Vec<_> = waiting.iter().map(|_| Vec::new()).collect();
    let failed: HashSet<usize> = work.rows.iter().map(|row| row.batch_part).collect();
    for row in work.stored {
        parts[row.batch_part].push(row);
    }
    for (part, (stored, done)) in parts.into_iter().zip(waiting).enumerate() {
        let outcome = match refused {
            Some(error) if failed.contains(&part) => Err(error.clone()),
            Some(_) | None => Ok(stored),
        };
        // Whoever does not wait any more is stopping; its rows go back with the epoch.
        let _ = done.send(outcome);
    }
}

/// What a transaction that writes all of this counts.
pub(super) fn changes(work: &Work) -> Stats {
    let matched = i64::try_from(work.rows.len()).unwrap_or(i64::MAX);
    let mut stats = Stats { matched, ..Stats::default() };
    for record in &work.records {
        match record.outcome {
            Outcome::Succeeded => stats.delivered += 1,
            Outcome::Dead(_) => stats.dead += 1,
            Outcome::Cancelled(_) => stats.cancelled += 1,
            Outcome::Pending { .. } => {}
        }
    }
    stats
}
