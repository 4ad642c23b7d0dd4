//! Fetching stored invocations when they are due and there is room for them.

use std::sync::Arc;
use std::time::Duration;

use tripline_kernel::Uid;

use crate::core::Core;
use crate::dispatcher::{Job, Room};
use crate::schedule::Due;

/// Least time between two looks at one function's retries, so that many due one after the other come in one piece.
const RETRIES_APART: Duration = Duration::from_millis(100);
/// How long to wait after the database failed.
const TROUBLE_WAIT: Duration = Duration::from_secs(1);
/// Most rows of one fetch.
const FETCH_MAX: usize = 128;

/// Fetches what is due, for ever. Cancel by dropping: what it has claimed goes back with the epoch.
pub(crate) async fn work(core: Arc<Core>) {
    let mut fetcher = Fetcher { core, unsure: Vec::new() };
    loop {
        let due = fetcher.core.schedule.next(&*fetcher.core.clock).await;
        let outcome = match due {
            Due::Function(function) => fetcher.fetch(function).await,
            Due::Reload => fetcher.reload().await,
        };
        let Err(error) = outcome else { continue };
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "due invocations could not be fetched"
        );
        match due {
            Due::Function(function) => fetcher.core.schedule.at(function, fetcher.core.clock.now()),
            Due::Reload => fetcher.core.schedule.reload(),
        }
        tokio::time::sleep(TROUBLE_WAIT).await;
    }
}

struct Fetcher {
    core: Arc<Core>,
    /// Rows of a claim that failed, and the epoch: they may have become this process's own.
    unsure: Vec<(i64, i64)>,
}

impl Fetcher {
    /// Puts all that is pending on the schedule.
    async fn reload(&mut self) -> Result<(), tripline_db::Error> {
        let now = self.core.clock.now();
        for (function, until) in self.core.store.holds(now).await? {
            self.core.dispatcher.hold(function, until);
        }
        for (function, at) in self.core.store.due_functions().await? {
            self.core.schedule.at(function, at);
        }
        Ok(())
    }

    async fn fetch(&mut self, function: Uid) -> Result<(), tripline_db::Error> {
        self.settle_unsure().await?;
        let core = Arc::clone(&self.core);
        // It may be on the schedule because it was held until now.
        core.fill_slots(function);
        let now = core.clock.now();
        let Some(epoch) = core.tenure.current() else {
            core.schedule.at(function, now.after(TROUBLE_WAIT));
            return Ok(());
        };
        let (rows_max, bytes_max) = match core.dispatcher.room(function, now) {
            Room::For(rows, bytes) => (rows, bytes),
            Room::None => return Ok(()),
            Room::HeldUntil(until) => {
                core.schedule.at(function, until);
                return Ok(());
            }
        };
        let limit = rows_max.min(FETCH_MAX);
        let (due, more) = core.store.due(function, now, (limit, bytes_max)).await?;
        let claimed = match core.store.claim(&due, epoch).await {
            Ok(claimed) => claimed,
            Err(error) => {
                self.unsure.extend(due.into_iter().map(|seq| (epoch, seq)));
                return Err(error);
            }
        };
        let job = |invocation| Job { invocation: Box::new(invocation), reply: None };
        core.dispatcher.fetched(function, claimed.into_iter().map(job).collect(), more);
        core.fill_slots(function);
        if more {
            core.schedule.at(function, now);
        } else if let Some(next) = core.store.next_due(function).await? {
            core.schedule.at(function, next.max(now.after(RETRIES_APART)));
        }
        Ok(())
    }

    /// Gives back what failed claims may have claimed.
    async fn settle_unsure(&mut self) -> Result<(), tripline_db::Error> {
        let now = self.core.clock.now();
        while let Some(&(epoch, _)) = self.unsure.first() {
            let of_epoch = |&&(of, _): &&(i64, i64)| of == epoch;
            let seqs: Vec<_> = self.unsure.iter().filter(of_epoch).map(|&(_, seq)| seq).collect();
            self.core.store.give_back(&seqs, (epoch, now)).await?;
            self.unsure.retain(|&(of, _)| of != epoch);
        }
        Ok(())
    }
}
