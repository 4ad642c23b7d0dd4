//! The source: looks through the folder once, then tells what changes.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs::Metadata;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tripline_event::Event;
use tripline_source::{Error, Outlet, Source};

use crate::file::{self, Print};
use crate::inventory::{FILES_MAX, Inventory};
use crate::settings::Watched;
use crate::watcher::{Change, Watcher};

/// Where the outlet keeps what has been told.
const REMEMBERED: &[u8] = b"told";
/// How long what has been told may stay unremembered. A crash within it makes copies, not losses.
const REMEMBER_AFTER: Duration = Duration::from_secs(1);
/// Most events that are published at once.
const BATCH_EVENTS_MAX: usize = 256;

pub(crate) struct Watch {
    watched: Watched,
}

impl Watch {
    pub(crate) fn new(watched: Watched) -> Self {
        Self { watched }
    }
}

#[async_trait::async_trait]
impl Source for Watch {
    async fn run(&self, outlet: Arc<dyn Outlet>, stop: CancellationToken) -> Result<(), Error> {
        let remembered = outlet.recall(REMEMBERED).await?;
        let inventory = Inventory::recalled(remembered.as_ref());
        // Watch first and look then, so that no file comes in between.
        let mut watcher = Watcher::start(&self.watched.folder)?;
        let mut teller =
            Teller { watched: &self.watched, outlet: &*outlet, inventory, save_at: None };
        let files = list(&self.watched.folder).await?;
        outlet.running();
        teller.look_through(files).await?;
        teller.inventory.settled();
        let mut changes = Vec::new();
        loop {
            let save_at = teller.save_at;
            tokio::select! {
                _ = watcher.changes.recv_many(&mut changes, BATCH_EVENTS_MAX) => {
                    if changes.is_empty() {
                        return Err(Error::Unreachable("the watch has ended".to_owned()));
                    }
                    teller.take(changes.drain(..)).await?;
                }
                () = until(save_at) => teller.save().await?,
                () = stop.cancelled() => return teller.save().await,
            }
        }
    }
}

/// Sleeps until then; for ever without a then.
async fn until(then: Option<Instant>) {
    match then {
        Some(then) => sleep_until(then).await,
        None => std::future::pending().await,
    }
}

/// Tells what is new and keeps the inventory. After an error it is of no more use.
struct Teller<'s> {
    watched: &'s Watched,
    outlet: &'s dyn Outlet,
    inventory: Inventory,
    /// When what has been told must be remembered, if it is not yet.
    save_at: Option<Instant>,
}

impl Teller<'_> {
    async fn take(&mut self, changes: impl Iterator<Item = Change>) -> Result<(), Error> {
        let mut events = Vec::new();
        for change in changes {
            match change {
                Change::Whole(name) => self.whole(&name, &mut events).await?,
                Change::Gone(name) => self.gone(&name, &mut events)?,
                Change::Unknown => {
                    self.publish(std::mem::take(&mut events)).await?;
                    let files = list(&self.watched.folder).await?;
                    self.look_through(files).await?;
                }
                Change::FolderGone => {
                    self.publish(events).await?;
                    self.save().await?;
                    let shown = self.watched.folder.display();
                    return Err(Error::Missing(format!("the folder '{shown}' is gone")));
                }
                Change::Failed(why) => {
                    return Err(Error::Unreachable(format!("the watch has failed: {why}")));
                }
            }
        }
        self.publish(events).await
    }

    /// Tells what is new among all files of the folder, and what is missing from them.
    async fn look_through(&mut self, files: Vec<(OsString, Metadata)>) -> Result<(), Error> {
        let mut events = Vec::new();
        let present: HashSet<_> = files.iter().map(|(name, _)| name.clone()).collect();
        for name in self.inventory.missing_from(&present) {
            self.gone(&name, &mut events)?;
        }
        for (name, metadata) in files {
            self.found(&name, &metadata, &mut events)?;
            if events.len() >= BATCH_EVENTS_MAX {
                self.publish(std::mem::take(&mut events)).await?;
            }
        }
        self.publish(events).await
    }

    async fn whole(&mut self, name: &OsStr, events: &mut Vec<Event>) -> Result<(), Error> {
        match tokio::fs::symlink_metadata(self.watched.folder.join(name)).await {
            Ok(metadata) => self.found(name, &metadata, events),
            // It has gone again, which the next change tells.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(unreadable(&self.watched.folder, &error)),
        }
    }

    fn found(
        &mut self,
        name: &OsStr,
        metadata: &Metadata,
        events: &mut Vec<Event>,
    ) -> Result<(), Error> {
        if !metadata.is_file() || !name.as_bytes().ends_with(self.watched.suffix.as_bytes()) {
            return Ok(());
        }
        let print = Print::of(&self.watched.folder.join(name), metadata);
        match self.inventory.note(name, print) {
            Some(true) => events.push(file::created(self.watched, name, print, metadata)?),
            Some(false) => {}
            None => {
                let shown = self.watched.folder.display();
                let why = format!("'{shown}' holds more than {FILES_MAX} files to tell");
                return Err(Error::Unreachable(why));
            }
        }
        Ok(())
    }

    fn gone(&mut self, name: &OsStr, events: &mut Vec<Event>) -> Result<(), Error> {
        if let Some(print) = self.inventory.forget(name) {
            events.push(file::removed(self.watched, name, print)?);
        }
        Ok(())
    }

    async fn publish(&mut self, events: Vec<Event>) -> Result<(), Error> {
        if events.is_empty() {
            return Ok(());
        }
        self.outlet.publish(events).await?;
        self.save_at.get_or_insert_with(|| Instant::now() + REMEMBER_AFTER);
        Ok(())
    }

    async fn save(&mut self) -> Result<(), Error> {
        if self.save_at.take().is_some() {
            self.outlet.remember(REMEMBERED, self.inventory.to_bytes()).await?;
        }
        Ok(())
    }
}

/// All entries of the folder, as they are.
async fn list(folder: &Path) -> Result<Vec<(OsString, Metadata)>, Error> {
    let path = folder.to_owned();
    let listed = tokio::task::spawn_blocking(move || {
        let mut entries = Vec::new();
        for entry in std::fs::read_dir(&path)? {
            let entry = entry?;
            match entry.metadata() {
                Ok(metadata) => entries.push((entry.file_name(), metadata)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {} // Gone in between.
                Err(error) => return Err(error),
            }
        }
        Ok(entries)
    });
    let listed = listed.await.map_err(|error| Error::Unreachable(error.to_string()))?;
    listed.map_err(|error| unreadable(folder, &error))
}

fn unreadable(folder: &Path, error: &io::Error) -> Error {
    let shown = folder.display();
    match error.kind() {
        io::ErrorKind::NotFound => Error::Missing(format!("there is no folder '{shown}'")),
        io::ErrorKind::NotADirectory => Error::Missing(format!("'{shown}' is not a folder")),
        _ => Error::Unreachable(format!("the folder '{shown}' cannot be read: {error}")),
    }
}
