//! The change feed: everything as it is, then every change as it comes, in the order of revisions.
//!
//! # Invariants
//! - Revisions are committed in their order, so all changes up to the newest known revision can be read: none is skipped.
//! - Only a resource's newest change is kept. A resource that changed while it was read is sent as it is now, and once
//!   more at its own revision.

use std::collections::{HashMap, VecDeque};

use futures_util::Stream;
use futures_util::stream::unfold;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tripline_kernel::Uid;

use crate::bus::Bus;
use crate::function::Function;
use crate::kinds::Settings;
use crate::registry::{Error, OfFunction, Registry, Secrets};
use crate::resource::{Kind, Meta};
use crate::source::Source;
use crate::store::{self, Changed, Store, Stored};
use crate::trigger::Trigger;

/// Most changes that are read at once.
const CHANGES_MAX: u64 = 256;

/// One message of the feed.
pub(crate) enum Change {
    /// The resource is gone.
    Gone { revision: u64, kind: Kind, meta: Meta },
    /// The resource is as it says here.
    Is { revision: u64, resource: Box<Resource> },
    /// Everything up to this revision has been sent. What follows is live.
    CaughtUp { revision: u64 },
}

/// A resource as services see it: with its secrets in the clear. Not `Debug`.
pub(crate) enum Resource {
    Bus(Bus),
    Function { function: Function, secrets: OfFunction },
    Source { source: Source, secrets: Settings },
    Trigger(Box<Trigger>),
}

/// All changes above a revision, and those to come, until `stop` or an error.
pub(crate) fn changes(
    registry: &Registry,
    after: u64,
    stop: CancellationToken,
) -> impl Stream<Item = Result<Change, Error>> + Send + 'static {
    let feed = Feed {
        store: registry.store.clone(),
        secrets: registry.secrets.clone(),
        head: registry.store.head(),
        after,
        started: false,
        caught_up: false,
        ready: VecDeque::new(),
    };
    unfold((Some(feed), stop), |(feed, stop)| async move {
        let mut feed = feed?;
        let next = tokio::select! {
            next = feed.next() => next,
            () = stop.cancelled() => return None,
        };
        let feed = next.is_ok().then_some(feed);
        Some((next, (feed, stop)))
    })
}

/// One watcher's place in the feed.
struct Feed {
    store: Store,
    secrets: Secrets,
    head: watch::Receiver<u64>,
    /// All changes up to this revision were read.
    after: u64,
    started: bool,
    caught_up: bool,
    /// Read, not sent yet.
    ready: VecDeque<Change>,
}

impl Feed {
    async fn next(&mut self) -> Result<Change, Error> {
        if !self.started {
            self.start().await?;
        }
        loop {
            if let Some(change) = self.ready.pop_front() {
                return Ok(change);
            }
            let head = *self.head.borrow_and_update();
            if self.after < head {
                self.read(head).await?;
            } else if !self.caught_up {
                self.caught_up = true;
                return Ok(Change::CaughtUp { revision: self.after });
            } else if self.head.changed().await.is_err() {
                // The store has gone, and with it whatever could change.
                std::future::pending::<()>().await;
            }
        }
    }

    async fn start(&mut self) -> Result<(), Error> {
        let head = self.store.look().await?;
        if self.after > head {
            // The database is older than what the watcher has seen of it, such as after a restore.
            tracing::warn!(
                after = self.after,
                head,
                "a watcher is ahead of the change feed and is sent everything"
            );
            self.after = 0;
        }
        self.started = true;
        Ok(())
    }

    /// Reads the next changes. All up to `head` are committed.
    async fn read(&mut self, head: u64) -> Result<(), Error> {
        let changed = store::changed_after(self.store.db(), self.after, CHANGES_MAX).await?;
        let full = u64::try_from(changed.len()).unwrap_or(u64::MAX) >= CHANGES_MAX;
        let last = changed.last().map_or(self.after, |change| change.meta.revision);
        let mut resources = load(&self.store, &self.secrets, &changed).await?;
        for Changed { meta, kind, deleted } in changed {
            let revision = meta.revision;
            if deleted {
                self.ready.push_back(Change::Gone { revision, kind, meta });
            } else if let Some(resource) = resources.remove(&meta.uid) {
                self.ready.push_back(Change::Is { revision, resource: Box::new(resource) });
            }
            // Else it was deleted since: its tombstone comes at a later revision.
        }
        // A full page may have ended below the head.
        self.after = if full { last } else { last.max(head) };
        Ok(())
    }
}

/// The changed resources that are still there, as services see them.
async fn load(
    store: &Store,
    secrets: &Secrets,
    changed: &[Changed],
) -> Result<HashMap<Uid, Resource>, Error> {
    let mut resources = HashMap::with_capacity(changed.len());
    for bus in of_kind::<Bus>(store, changed).await? {
        resources.insert(bus.meta.uid, Resource::Bus(bus));
    }
    for function in of_kind::<Function>(store, changed).await? {
        if let Some(secrets) = usable(secrets.of_function(&function)) {
            resources.insert(function.meta.uid, Resource::Function { function, secrets });
        }
    }
    for source in of_kind::<Source>(store, changed).await? {
        if let Some(secrets) = usable(secrets.settings(&source)) {
            resources.insert(source.meta.uid, Resource::Source { source, secrets });
        }
    }
    for trigger in of_kind::<Trigger>(store, changed).await? {
        resources.insert(trigger.meta.uid, Resource::Trigger(Box::new(trigger)));
    }
    Ok(resources)
}

async fn of_kind<R: Stored>(store: &Store, changed: &[Changed]) -> Result<Vec<R>, Error> {
    let there = changed.iter().filter(|change| change.kind == R::KIND && !change.deleted);
    Ok(store::with_uids(store.db(), there.map(|change| change.meta.uid).collect()).await?)
}

/// A resource whose secrets do not open is left out: it must not stop the feed of all others.
fn usable<T>(opened: Result<T, Error>) -> Option<T> {
    opened.inspect_err(|error| tracing::error!("{error}; it is left out of the change feed")).ok()
}
