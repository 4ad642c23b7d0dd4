//! The stream of rules: what is in force, then every change.

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::Error;
use crate::rule::Change;
use crate::store::Store;

/// Changes that wait for a slow subscriber before reading pauses.
pub(crate) const CHANGES_WAITING_MAX: usize = 64;

/// What a subscriber is told.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// A rule began or ended.
    Change(Change),
    /// Everything up to this revision has been told. Said once.
    CaughtUp(u64),
}

/// Tells `subscriber` every change above `after`, in order, until it leaves, `stop` is cancelled or the database fails.
pub(crate) async fn tell(
    store: Store,
    after: u64,
    subscriber: mpsc::Sender<Result<Told, Error>>,
    stop: CancellationToken,
) {
    let telling = async {
        if let Err(error) = follow(&store, after, &subscriber).await {
            // The subscriber comes again, from the revision that it has.
            let _left = subscriber.send(Err(error)).await;
        }
    };
    tokio::select! {
        () = telling => {}
        () = subscriber.closed() => {}
        () = stop.cancelled() => {}
    }
}

/// Returns without an error when the subscriber has left.
async fn follow(
    store: &Store,
    after: u64,
    subscriber: &mpsc::Sender<Result<Told, Error>>,
) -> Result<(), Error> {
    let mut newest = store.subscribe();
    let (mut position, mut caught_up) = (after, false);
    loop {
        newest.mark_unchanged();
        // Read first: what commits while the pages are read is above it, and told here or in the next round.
        let committed = store.revision().await?;
        loop {
            let changes = store.changes(position, after == 0 && !caught_up).await?;
            let Some(last) = changes.last() else { break };
            position = last.rule.revision;
            for change in changes {
                if subscriber.send(Ok(Told::Change(change))).await.is_err() {
                    return Ok(());
                }
            }
        }
        position = position.max(committed);
        if !caught_up {
            caught_up = true;
            if subscriber.send(Ok(Told::CaughtUp(position))).await.is_err() {
                return Ok(());
            }
        }
        if newest.changed().await.is_err() {
            return Ok(());
        }
    }
}
