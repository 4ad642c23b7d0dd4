//! One look through the bucket after a gap: compares all of the listing with all of the inventory, in small steps.
//!
//! What a step finds is told first and written to the inventory once that is confirmed, so that a crash in between makes
//! copies, with the same ids, and no losses.

use tripline_event::Event;
use tripline_kernel::Timestamp;
use tripline_source::{Change, Entry, Error, INVENTORY_BATCH_MAX, Outlet};

use crate::events::{DELETE, DELETE_MARKER, covers, name_of_listed};
use crate::judge::{Found, Judge, What};
use crate::listing::{Incomprehensible, Marker, Page, Pages};
use crate::merge::{Merge, Next};
use crate::progress::Plan;
use crate::record;

/// Most events that are published at once.
pub(crate) const BATCH_EVENTS_MAX: usize = 256;

/// What a look goes by.
pub(crate) struct View<'s> {
    pub(crate) bucket: &'s str,
    /// The notifications that are told.
    pub(crate) asked: &'s [&'static str],
    pub(crate) plan: &'s Plan,
}

/// A look under way.
#[derive(Debug, Default)]
pub(crate) struct Look {
    merge: Merge,
    pages: Pages,
    /// Events that have been told.
    pub(crate) told: u64,
    /// Places that have been written down or forgotten.
    pub(crate) written: u64,
}

/// How far a look is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// The next step can be made.
    Ready,
    /// The next page of the listing is needed.
    NeedsPage,
    /// All has been compared.
    Done,
}

impl Look {
    /// Takes the next page of the listing. Answers where the one after it begins.
    pub(crate) fn page(&mut self, page: Page) -> Result<Option<Marker>, Error> {
        let next = page.next.clone();
        let listed = self.pages.take(page).map_err(|Incomprehensible(why)| {
            Error::Unreachable(format!("the bucket cannot be compared: {why}"))
        })?;
        self.merge.listed(listed, next.is_none());
        Ok(next)
    }

    /// The inventory has changed otherwise.
    pub(crate) fn read_again(&mut self) {
        self.merge.read_again();
    }

    /// Compares, tells and writes down a bounded part.
    pub(crate) async fn step(
        &mut self,
        view: &View<'_>,
        outlet: &dyn Outlet,
        now: Timestamp,
    ) -> Result<State, Error> {
        let judge = Judge { bucket: view.bucket, plan: view.plan };
        let (mut tell, mut write) = (Vec::new(), Vec::new());
        let state = self.compare(&judge, outlet, (&mut tell, &mut write)).await?;
        // The versions of a key are told in the order in which they were made, as far as that is known.
        tell.sort_by(|one: &Found, other: &Found| {
            let time = |found: &Found| found.listed.as_ref().map(|listed| listed.millis);
            one.place.key().cmp(other.place.key()).then_with(|| time(one).cmp(&time(other)))
        });
        let mut events = Vec::with_capacity(tell.len());
        for found in &tell {
            events.extend(event(found, view, now)?);
        }
        self.told += events.len() as u64;
        self.written += write.len() as u64;
        publish(events, outlet).await?;
        for write in write.chunks(INVENTORY_BATCH_MAX) {
            outlet.inventory().write(write).await?;
        }
        Ok(state)
    }

    /// Compares until there is enough to tell or to write, or another page is needed.
    async fn compare(
        &mut self,
        judge: &Judge<'_>,
        outlet: &dyn Outlet,
        (tell, write): (&mut Vec<Found>, &mut Vec<Change>),
    ) -> Result<State, Error> {
        let mut key = None;
        loop {
            let enough = tell.len() >= BATCH_EVENTS_MAX || write.len() >= INVENTORY_BATCH_MAX;
            // The versions of one key stay together.
            if enough && key.as_deref() != self.merge.key_ahead() {
                return Ok(State::Ready);
            }
            match self.merge.next() {
                Next::Listed => return Ok(State::NeedsPage),
                Next::Known(after) => {
                    let page: Vec<Entry> = outlet.inventory().entries(&after).await?;
                    let last = page.len() < INVENTORY_BATCH_MAX;
                    self.merge.known(page, last);
                }
                Next::End => return Ok(State::Done),
                Next::Pair(pair) => {
                    let verdict = judge.judge(pair);
                    if let Some(found) = &verdict.tell {
                        key = Some(found.place.key().as_bytes().to_vec());
                    }
                    tell.extend(verdict.tell);
                    write.extend(verdict.write);
                }
            }
        }
    }
}

/// The event of what was found, if such was asked for.
fn event(found: &Found, view: &View<'_>, now: Timestamp) -> Result<Option<Event>, Error> {
    let name = match (found.what, &found.listed) {
        (What::Created, Some(listed)) => name_of_listed(view.asked, &listed.etag),
        (What::DeleteMarkerMade, _) => covered(view, DELETE_MARKER),
        (What::Removed, _) | (What::Created, None) => covered(view, DELETE),
    };
    let Some(name) = name else { return Ok(None) };
    let event = record::found(found, name, view.bucket, now);
    event.map(Some).map_err(|record::Incomprehensible(why)| {
        Error::Unreachable(format!("what is listed cannot be told: {why}"))
    })
}

fn covered(view: &View<'_>, name: &'static str) -> Option<&'static str> {
    covers(view.asked, name).then_some(name)
}

async fn publish(events: Vec<Event>, outlet: &dyn Outlet) -> Result<(), Error> {
    let mut events = events.into_iter();
    loop {
        let batch: Vec<_> = events.by_ref().take(BATCH_EVENTS_MAX).collect();
        if batch.is_empty() {
            return Ok(());
        }
        outlet.publish(batch).await?;
    }
}
