//! What the kernel tells of a folder.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use notify::event::{AccessKind, AccessMode, ModifyKind, RemoveKind, RenameMode};
use notify::{Event, EventKind, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;
use tripline_source::Error;

/// Most changes that wait. When there are more, the kernel keeps some, and beyond its own limit it says that it lost
/// some: then the folder is looked through.
const WAITING_CHANGES_MAX: usize = 1_024;

/// One change of the folder.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// A file was closed after writing, or moved in.
    Whole(OsString),
    /// A file was removed or moved out.
    Gone(OsString),
    /// Changes were lost.
    Unknown,
    /// The folder itself is gone.
    FolderGone,
    /// The kernel tells no more.
    Failed(String),
}

/// Tells the changes of a folder for as long as it lives.
pub(crate) struct Watcher {
    _inotify: notify::INotifyWatcher,
    pub(crate) changes: mpsc::Receiver<Change>,
}

impl Watcher {
    pub(crate) fn start(folder: &Path) -> Result<Self, Error> {
        let (sender, changes) = mpsc::channel(WAITING_CHANGES_MAX);
        let root = folder.to_owned();
        let tell = move |event: notify::Result<Event>| {
            for change in changes_of(event, &root) {
                // This runs on a thread of the watcher's own, which waits here while too much is waiting. Nobody is
                // told once the source has ended.
                let _ = sender.blocking_send(change);
            }
        };
        let mut inotify = notify::INotifyWatcher::new(tell, notify::Config::default())
            .map_err(|error| Error::Unreachable(format!("no watch can be set up: {error}")))?;
        inotify.watch(folder, RecursiveMode::NonRecursive).map_err(|error| {
            let shown = folder.display();
            match error.kind {
                notify::ErrorKind::PathNotFound => {
                    Error::Missing(format!("there is no folder '{shown}'"))
                }
                _ => Error::Unreachable(format!("'{shown}' cannot be watched: {error}")),
            }
        })?;
        Ok(Self { _inotify: inotify, changes })
    }
}

fn changes_of(event: notify::Result<Event>, root: &Path) -> Vec<Change> {
    let event = match event {
        Ok(event) if event.need_rescan() => return vec![Change::Unknown],
        Ok(event) => event,
        Err(error) => return vec![Change::Failed(error.to_string())],
    };
    let (kind, paths) = (event.kind, event.paths);
    let names = |change: fn(OsString) -> Change, paths: Vec<PathBuf>| -> Vec<Change> {
        let inside = paths.into_iter().filter(|path| path.parent() == Some(root));
        inside.filter_map(|path| path.file_name().map(OsString::from)).map(change).collect()
    };
    match kind {
        EventKind::Remove(RemoveKind::Folder | RemoveKind::Other)
        | EventKind::Modify(ModifyKind::Name(RenameMode::From))
            if paths.iter().any(|path| path == root) =>
        {
            vec![Change::FolderGone]
        }
        EventKind::Access(AccessKind::Close(AccessMode::Write))
        | EventKind::Modify(ModifyKind::Name(RenameMode::To)) => names(Change::Whole, paths),
        EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(RenameMode::From)) => {
            names(Change::Gone, paths)
        }
        EventKind::Any
        | EventKind::Access(_)
        | EventKind::Create(_)
        | EventKind::Modify(_)
        | EventKind::Other => Vec::new(),
    }
}
