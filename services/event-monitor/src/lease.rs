//! Keeps this replica's leases, and does the work that they are for.
//!
//! One statement renews all of them. What is free is taken up to this replica's fair share, what is above it is given
//! back once its work has ended in good order. When renewing has failed for too long by this process's own clock, all
//! work is dropped at once: others may take it from then on, and epochs refuse what a straggler might still write.

mod plan;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::watch;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;
use tripline_kernel::{Clock, Uid};
use tripline_runtime::Check;

use crate::board::Board;
use crate::error::Error;
use crate::registry::Snapshot;
use crate::store::{self, Lease, Store, Tenure, Unit};
use plan::{Plan, View};

/// How long a lease lasts, and how it is kept.
#[derive(Clone, Copy, Debug)]
struct Terms {
    renew_every: Duration,
    lasts: Duration,
    /// How long this replica trusts a renewal by its own clock: less than it lasts, so that it stops first.
    trusted: Option<Duration>,
}

const SHARED: Terms = Terms {
    renew_every: Duration::from_secs(3),
    lasts: Duration::from_secs(10),
    trusted: Some(Duration::from_secs(8)),
};
/// Nobody is there to take anything away. Leases still end, should that change after a crash.
const SOLE: Terms =
    Terms { renew_every: Duration::from_secs(60), lasts: Duration::from_secs(180), trusted: None };
/// How long after a failure the next attempt is made.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Most that one round of renewing and taking may take.
const ROUND_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a replica's presence is remembered after its end.
const PRESENCE_KEPT: Duration = Duration::from_secs(3600);
/// How long work may take to end in good order when the process stops: less than a lease that is not renewed any more.
const STOP_TIMEOUT: Duration = Duration::from_secs(7);

/// Does the work of a unit until the token is cancelled. Dropped when the lease is lost.
pub(crate) type Work =
    Arc<dyn Fn(Tenure, CancellationToken) -> BoxFuture<'static, ()> + Send + Sync>;

/// Keeps the leases of one replica.
pub(crate) struct Keeper {
    store: Store,
    clock: Arc<dyn Clock>,
    replica: Uid,
    terms: Terms,
    snapshot: watch::Receiver<Arc<Snapshot>>,
    work: Work,
    database: Check,
    board: Board,
    /// Whether the leases of other processes still have to be ended.
    evict: bool,
    /// Until when the leases may be trusted; nothing when nobody could take them.
    trusted_until: Option<Instant>,
    running: BTreeMap<Unit, Running>,
    units: HashMap<Id, Unit>,
    tasks: JoinSet<()>,
}

struct Running {
    tenure: Tenure,
    drain: CancellationToken,
    lost: CancellationToken,
    /// Not to be given back but removed: the source is gone.
    retire: bool,
}

/// Where the keeper says how it is.
pub(crate) struct Checks {
    pub(crate) database: Check,
    pub(crate) board: Board,
}

impl Keeper {
    /// A keeper for a new replica. A sole one takes over at once what earlier processes held.
    pub(crate) fn new(
        (store, clock, replica): (Store, Arc<dyn Clock>, Uid),
        sole: bool,
        snapshot: watch::Receiver<Arc<Snapshot>>,
        checks: Checks,
        work: Work,
    ) -> Self {
        let Checks { database, board } = checks;
        let terms = if sole { SOLE } else { SHARED };
        Self {
            store,
            clock,
            replica,
            terms,
            snapshot,
            work,
            database,
            board,
            evict: sole,
            trusted_until: None,
            running: BTreeMap::new(),
            units: HashMap::new(),
            tasks: JoinSet::new(),
        }
    }

    /// Keeps the leases until `stop` is cancelled, then ends all work in good order and gives them back.
    ///
    /// # Errors
    /// When some work panicked.
    pub(crate) async fn run(mut self, stop: CancellationToken) -> Result<(), Error> {
        let mut next = Instant::now();
        loop {
            tokio::select! {
                () = stop.cancelled() => return self.finish().await,
                () = until(self.trusted_until) => {
                    self.lose_all();
                    continue;
                }
                Some(ended) = self.tasks.join_next_with_id() => {
                    if !self.ended(ended).await? {
                        // What ended by itself is begun again, but not at once.
                        next = next.min(Instant::now() + RETRY_AFTER);
                        continue;
                    }
                }
                Ok(()) = self.snapshot.changed() => {}
                () = sleep_until(next) => {}
            }
            let round = timeout_at(self.patience(), self.round()).await;
            next = Instant::now();
            match round.unwrap_or(Err(store::Error::Late)) {
                Ok(()) => {
                    self.database.ready();
                    self.board.started();
                    next += self.terms.renew_every;
                }
                Err(error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "the leases could not be renewed"
                    );
                    self.database.not_ready(error.to_string());
                    next += RETRY_AFTER;
                }
            }
        }
    }

    /// Until when an answer of the store is of use.
    fn patience(&self) -> Instant {
        let patience = Instant::now() + ROUND_TIMEOUT;
        self.trusted_until.map_or(patience, |trusted| trusted.min(patience))
    }

    async fn round(&mut self) -> Result<(), store::Error> {
        let (asked, now) = (Instant::now(), self.clock.now());
        let until = now.after(self.terms.lasts);
        if self.evict {
            self.store.evict_others(self.replica).await?;
            self.evict = false;
        }
        if self.store.renew(self.replica, until).await? == 0 {
            self.store.announce(self.replica, until, now.before(PRESENCE_KEPT)).await?;
        }
        let mut leases = self.store.leases().await?;
        let snapshot = Arc::clone(&self.snapshot.borrow_and_update());
        let plan = Plan::of(&View { leases: &leases, snapshot: &snapshot, me: self.replica, now });
        if !plan.take.is_empty() {
            self.store.enlist(&plan.enlist).await?;
            self.store.acquire(&plan.take, self.replica, now, until).await?;
            leases = self.store.leases().await?;
        }
        self.trusted_until = self.terms.trusted.map(|trusted| asked + trusted);
        self.follow(&leases, &plan);
        self.give_up(&leases, &plan).await
    }

    /// Begins what is held and drops what is not.
    fn follow(&mut self, leases: &[Lease], plan: &Plan) {
        let held = leases.iter().filter(|lease| lease.holder == self.replica);
        let held: BTreeMap<Unit, u64> = held.map(|lease| (lease.unit, lease.epoch)).collect();
        for (unit, running) in &self.running {
            if held.get(unit) != Some(&running.tenure.epoch) {
                tracing::warn!(?unit, "another replica holds the lease now");
                running.lost.cancel();
            }
        }
        let begin = held.into_iter().filter(|(unit, _)| plan.keep.contains(unit));
        let begin: Vec<_> = begin.filter(|(unit, _)| !self.running.contains_key(unit)).collect();
        for (unit, epoch) in begin {
            self.begin(Tenure { unit, holder: self.replica, epoch });
        }
    }

    /// Gives back what is above this replica's share, and removes what is gone.
    async fn give_up(&mut self, leases: &[Lease], plan: &Plan) -> Result<(), store::Error> {
        let now = self.clock.now();
        let gone: BTreeSet<&Unit> = plan.retire.iter().collect();
        for lease in leases {
            let retire = gone.contains(&lease.unit);
            if !retire && !plan.give_back.contains(&lease.unit) {
                continue;
            }
            if let Some(running) = self.running.get_mut(&lease.unit) {
                running.retire |= retire;
                running.drain.cancel();
            } else if retire {
                self.store.retire(lease.unit, self.replica, now).await?;
            } else {
                self.store.release(lease.unit, self.replica, lease.epoch).await?;
            }
        }
        Ok(())
    }

    fn begin(&mut self, tenure: Tenure) {
        let (drain, lost) = (CancellationToken::new(), CancellationToken::new());
        let work = (self.work)(tenure, drain.clone());
        let dropped = lost.clone();
        let task = self.tasks.spawn(async move {
            tokio::select! {
                () = dropped.cancelled() => {}
                () = work => {}
            }
        });
        self.units.insert(task.id(), tenure.unit);
        self.running.insert(tenure.unit, Running { tenure, drain, lost, retire: false });
    }

    /// Some work has ended; gives its lease back if it was asked to end. Answers whether it was.
    async fn ended(&mut self, ended: Result<(Id, ()), JoinError>) -> Result<bool, Error> {
        let id = match &ended {
            Ok((id, ())) => *id,
            Err(error) => error.id(),
        };
        let running = self.units.remove(&id).and_then(|unit| self.running.remove(&unit));
        if ended.is_err() {
            return Err(Error::TaskEnded("routers and sources"));
        }
        let Some(running) = running.filter(|running| running.drain.is_cancelled()) else {
            return Ok(false);
        };
        let Tenure { unit, holder, epoch } = running.tenure;
        let given_back = async {
            if running.retire {
                self.store.retire(unit, holder, self.clock.now()).await
            } else {
                self.store.release(unit, holder, epoch).await
            }
        };
        // What fails is done again by the next round, which finds the lease held and no work for it.
        if !matches!(timeout_at(self.patience(), given_back).await, Ok(Ok(()))) {
            tracing::warn!(?unit, "a lease could not be given back");
        }
        Ok(true)
    }

    /// Nothing is certain any more: another replica may have taken everything.
    fn lose_all(&mut self) {
        tracing::error!(
            "the leases could not be renewed in time: dropping all work until they are"
        );
        self.trusted_until = None;
        for running in self.running.values() {
            running.lost.cancel();
        }
    }

    async fn finish(mut self) -> Result<(), Error> {
        for running in self.running.values() {
            running.drain.cancel();
        }
        let deadline = Instant::now() + STOP_TIMEOUT;
        let (mut outcome, replica) = (Ok(()), self.replica);
        while let Ok(Some(ended)) = timeout_at(deadline, self.tasks.join_next_with_id()).await {
            outcome = outcome.and(self.ended(ended).await.map(|_| ()));
        }
        if timeout_at(deadline, self.store.leave(replica)).await.is_err() {
            tracing::warn!("the leases could not be given back in time; they will run out");
        }
        outcome
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}
