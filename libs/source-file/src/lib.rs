//! Watched folders as event sources.
//!
//! A file is told as `dev.tripline.file.created` when it has been closed after writing or moved in: when it is whole. A
//! file that is written anew is told anew. One that was told and goes is told as `dev.tripline.file.removed`. Only
//! regular files directly in the folder count. The kernel tells of changes (inotify); nothing is polled.
//!
//! What has been told is remembered, so that a source that starts tells the files that came while it was away, and only
//! those. Removals while it was away are not told. A file that is being written while the source starts is told then,
//! and again when it is closed.
//!
//! Whoever may configure such a source learns the names of files on the machine it runs on, so only `tripline dev`, and
//! installations whose users may know them, should offer this kind.

mod file;
mod inventory;
mod settings;
mod watch;
mod watcher;

use tripline_kernel::Fault;
use tripline_source::{Settings, Source};

pub use inventory::FILES_MAX;

/// The kind `file`. Its settings: `path`, the absolute path of a folder, and optionally `suffix`, which the names of
/// the files that are told end with.
#[derive(Clone, Copy, Debug, Default)]
pub struct Kind;

impl Kind {
    /// Watched folders of this machine.
    #[must_use]
    pub fn new() -> Self {
        Self
    }
}

impl tripline_source::Kind for Kind {
    fn name(&self) -> &'static str {
        "file"
    }

    fn secrets(&self) -> &'static [&'static str] {
        &[]
    }

    fn check(&self, settings: &Settings) -> Vec<Fault> {
        settings::read(settings).err().unwrap_or_default()
    }

    fn open(&self, settings: &Settings) -> Result<Box<dyn Source>, Vec<Fault>> {
        Ok(Box::new(watch::Watch::new(settings::read(settings)?)))
    }
}
