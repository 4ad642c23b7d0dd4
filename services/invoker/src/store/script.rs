//! The statements of one transaction, all known before the first one runs.

use sea_orm::DbErr;

use super::{BatchError, Query, Store, Write};

/// Most statements that go to the database as one text. What is larger gains little by it, and would fill the cache of
/// prepared statements with texts that do not come again.
const JOINED_MAX: usize = 12;
/// Most values of such a text.
const JOINED_VALUES_MAX: usize = 192;

/// What a statement is for, and so what it means when it does not do it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Makes sure that the epoch lives.
    Guard,
    /// Stores invocations that are new.
    Admit,
    /// Gives up rows that this process owns.
    Release,
    /// Whatever goes with those.
    Follow,
}

/// One statement.
struct Step {
    query: Query,
    purpose: Purpose,
    /// How many rows it changes when all is as it should be, at least one and never more: so the sum over a script shows
    /// that each statement did its part.
    rows: usize,
}

/// Statements in their order.
#[derive(Default)]
pub(super) struct Script(Vec<Step>);

impl Script {
    pub(super) fn push(&mut self, query: Query, purpose: Purpose, rows: usize) {
        debug_assert!(rows > 0, "what may change nothing does not show that it was done");
        self.0.push(Step { query, purpose, rows });
    }

    /// All of it as one statement and how many rows that changes; `None` where it is too long.
    fn joined(&self) -> Option<(Query, usize)> {
        let (first, rest) = self.0.split_first()?;
        let values: usize = self.0.iter().map(|step| step.query.len()).sum();
        if self.0.len() > JOINED_MAX || values > JOINED_VALUES_MAX {
            return None;
        }
        let mut query = first.query.clone();
        for step in rest {
            query.then(&step.query);
        }
        Some((query, self.0.iter().map(|step| step.rows).sum()))
    }
}

impl Store {
    /// Runs a script in a transaction of its own, all or nothing.
    ///
    /// On SQLite each statement goes to another thread and back, which costs more than most statements do. There, a
    /// short script first goes as one; if that does not do all that it should, nothing of it stays, and it goes
    /// statement by statement to see why.
    pub(super) async fn play(&self, script: Script) -> Result<(), BatchError> {
        if self.is_sqlite()
            && let Some((query, rows)) = script.joined()
        {
            let write = self.write().await?;
            if let Ok(changed) = write.run(query).await
                && changed == rows as u64
            {
                return Ok(write.commit().await?);
            }
        }
        let write = self.write().await?;
        for step in script.0 {
            write.play(step).await?;
        }
        Ok(write.commit().await?)
    }
}

impl Write<'_> {
    async fn play(&self, step: Step) -> Result<(), BatchError> {
        let Step { query, purpose, rows } = step;
        let changed = self.run(query).await.map_err(|error| purpose.error(error))?;
        match purpose.when_short() {
            Some(error) if changed != rows as u64 => Err(error),
            _ => Ok(()),
        }
    }
}

impl Purpose {
    /// What it means when fewer rows were changed.
    fn when_short(self) -> Option<BatchError> {
        match self {
            Self::Guard => Some(BatchError::EpochEnded),
            Self::Release => Some(BatchError::NotOurs),
            Self::Admit | Self::Follow => None,
        }
    }

    fn error(self, error: DbErr) -> BatchError {
        if self == Self::Admit && super::is_taken(&error) {
            return BatchError::Duplicate;
        }
        error.into()
    }
}
