//! Tells what the live stream brings, and looks through the bucket meanwhile; keeps the inventory in step with both.
//!
//! One task does both in turns, so what is known changes at one place only. The stream comes first: the server drops what
//! a listener does not take in time.

use std::future::Future;
use std::pin::Pin;

use tokio::sync::mpsc;
use tokio::sync::mpsc::Receiver;
use tripline_kernel::Clock;
use tripline_source::{Change, Error, Outlet};

use crate::events::covers;
use crate::known::{By, Known};
use crate::listing::{Lister, Marker, Page};
use crate::live::{self, Places};
use crate::look::{BATCH_EVENTS_MAX, Look, State, View};
use crate::place::Place;
use crate::progress::{Plan, Progress};
use crate::record::{self, Notice};

type Fetching<'s> = Pin<Box<dyn Future<Output = Result<Page, Error>> + Send + 's>>;

/// Where a keeper gets what it needs.
#[derive(Clone, Copy)]
pub(crate) struct Around<'s> {
    pub(crate) lister: &'s dyn Lister,
    pub(crate) outlet: &'s dyn Outlet,
    pub(crate) clock: &'s dyn Clock,
    pub(crate) bucket: &'s str,
    /// The notifications that are told.
    pub(crate) asked: &'s [&'static str],
}

/// Keeps one bucket's inventory for one run.
pub(crate) struct Keeper<'s> {
    around: Around<'s>,
    progress: Progress,
    plan: Plan,
    /// Nothing once it is done.
    look: Option<Look>,
}

impl<'s> Keeper<'s> {
    pub(crate) fn new(around: Around<'s>, progress: Progress, plan: Plan) -> Self {
        Self { around, progress, plan, look: Some(Look::default()) }
    }

    /// Works until the stream has ended and all of it is told.
    pub(crate) async fn run(mut self, mut notices: Receiver<Notice>) -> Result<(), Error> {
        let lister = self.around.lister;
        let mut batch = Vec::new();
        let mut fetching: Option<Fetching<'s>> = Some(lister.page(Marker::default()));
        let mut next = None;
        loop {
            if self.look.is_some() && fetching.is_none() {
                if !take_waiting(&mut notices, &mut batch) {
                    return Ok(());
                }
                self.tell(&mut batch).await?;
                if self.step().await? == State::NeedsPage {
                    fetching = Some(lister.page(next.take().unwrap_or_default()));
                }
                continue;
            }
            tokio::select! {
                biased;
                count = notices.recv_many(&mut batch, BATCH_EVENTS_MAX) => {
                    if count == 0 {
                        return Ok(());
                    }
                    self.tell(&mut batch).await?;
                }
                page = arrived(&mut fetching) => {
                    fetching = None;
                    if let Some(look) = &mut self.look {
                        next = look.page(page?)?;
                    }
                }
            }
        }
    }

    /// Tells what the stream has brought, and then writes down what is known of it.
    async fn tell(&mut self, batch: &mut Vec<Notice>) -> Result<(), Error> {
        if batch.is_empty() {
            return Ok(());
        }
        let outlet = self.around.outlet;
        let mut places = self.known(batch).await?;
        let mut events = Vec::with_capacity(batch.len());
        for notice in batch.drain(..) {
            if let Some(place) = live::in_doubt(&notice, &places, self.plan.run)
                && self.around.lister.is_gone(&place).await
                && let Some(Some(known)) = places.get_mut(&place)
            {
                // That it was made has been told, so this tells that it was removed.
                known.by = By::Stream;
            }
            let id = live::take(&notice, &mut places, self.plan.run, self.look.is_some());
            if covers(self.around.asked, notice.event_name()) {
                events.push(notice.event(id).map_err(incomprehensible)?);
            }
        }
        outlet.publish(events).await?;
        let change = |(place, known): (Place, Option<Known>)| Change {
            key: place.bytes().clone(),
            value: known.map(Known::to_bytes),
        };
        let changes: Vec<_> = places.into_iter().map(change).collect();
        outlet.inventory().write(&changes).await?;
        if let Some(look) = &mut self.look {
            look.read_again();
        }
        Ok(())
    }

    /// What is known of the places whose notifications depend on it: one question for all of them.
    async fn known(&self, batch: &[Notice]) -> Result<Places, Error> {
        let mut sought: Vec<_> = batch.iter().filter_map(live::asks_for).collect();
        sought.sort_unstable();
        sought.dedup();
        if sought.is_empty() {
            return Ok(Places::new());
        }
        let keys: Vec<_> = sought.iter().map(|place| place.bytes().clone()).collect();
        let found = self.around.outlet.inventory().find(&keys).await?;
        let place = |entry: tripline_source::Entry| {
            Some((Place::read(entry.key)?, Known::read(&entry.value)))
        };
        Ok(found.into_iter().filter_map(place).collect())
    }

    /// Looks one step further.
    async fn step(&mut self) -> Result<State, Error> {
        let Around { outlet, clock, bucket, asked, .. } = self.around;
        let Some(look) = &mut self.look else { return Ok(State::Done) };
        let view = View { bucket, asked, plan: &self.plan };
        let state = look.step(&view, outlet, clock.now()).await?;
        if state == State::Done {
            tracing::info!(
                bucket,
                told = look.told,
                written = look.written,
                "the bucket has been compared with what was known of it"
            );
            self.look = None;
            self.progress.completed(self.plan.scope.clone());
            self.progress.remember(outlet).await?;
        }
        Ok(state)
    }
}

/// Takes what waits, without waiting for more. Answers whether more may come.
fn take_waiting(notices: &mut Receiver<Notice>, batch: &mut Vec<Notice>) -> bool {
    while batch.len() < BATCH_EVENTS_MAX {
        match notices.try_recv() {
            Ok(notice) => batch.push(notice),
            Err(mpsc::error::TryRecvError::Empty) => return true,
            // What was taken before is still to be told.
            Err(mpsc::error::TryRecvError::Disconnected) => return !batch.is_empty(),
        }
    }
    true
}

async fn arrived(fetching: &mut Option<Fetching<'_>>) -> Result<Page, Error> {
    match fetching {
        Some(page) => page.await,
        None => std::future::pending().await,
    }
}

fn incomprehensible(record::Incomprehensible(why): record::Incomprehensible) -> Error {
    Error::Unreachable(format!("MinIO sent what is no notification: {why}"))
}

#[cfg(test)]
mod tests;
