//! One file as it is found, and the events about it.

use std::ffi::OsStr;
use std::fs::Metadata;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use data_encoding::HEXLOWER;
use serde_json::json;
use serde_json::value::to_raw_value;
use sha2::{Digest as _, Sha256};
use tripline_event::{Builder, Event};
use tripline_kernel::Timestamp;
use tripline_source::{Error, without_controls};

use crate::settings::Watched;

/// Bytes of the hash that make an id.
const ID_BYTES: usize = 20;

/// Stands for a file as it was: its path, inode, time of its last change and size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Print([u8; 32]);

impl Print {
    pub(crate) fn of(path: &Path, metadata: &Metadata) -> Self {
        Self(hash(&[
            path.as_os_str().as_bytes(),
            &metadata.ino().to_le_bytes(),
            &metadata.mtime().to_le_bytes(),
            &metadata.mtime_nsec().to_le_bytes(),
            &metadata.size().to_le_bytes(),
        ]))
    }

    /// Enough of it to tell the files of one folder apart.
    pub(crate) fn short(&self) -> u64 {
        let mut short = [0; 8];
        short.copy_from_slice(&self.0[..8]);
        u64::from_le_bytes(short)
    }
}

/// Each part goes in with its length before it, so that no two lists of parts run together into the same bytes.
fn hash(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hasher.finalize().into()
}

fn id(what: &str, print: Print) -> String {
    HEXLOWER.encode(&hash(&[what.as_bytes(), &print.0])[..ID_BYTES])
}

/// The event of a file that is there, whole.
pub(crate) fn created(
    watched: &Watched,
    name: &OsStr,
    print: Print,
    metadata: &Metadata,
) -> Result<Event, Error> {
    let modified = modified(metadata);
    let data = json!({
        "path": watched.folder.join(name).to_string_lossy(),
        "size": metadata.size(),
        "modified": modified,
    });
    let event = Builder::new(id("created", print), &watched.uri, "dev.tripline.file.created");
    build(event.time(modified), name, &data)
}

/// The event of a file that was told and is there no more. It has no time: nobody noted when the file went.
pub(crate) fn removed(watched: &Watched, name: &OsStr, print: Print) -> Result<Event, Error> {
    let data = json!({ "path": watched.folder.join(name).to_string_lossy() });
    let event = Builder::new(id("removed", print), &watched.uri, "dev.tripline.file.removed");
    build(event, name, &data)
}

fn build(event: Builder<'_>, name: &OsStr, data: &serde_json::Value) -> Result<Event, Error> {
    let wrong = |error: String| Error::Unreachable(format!("a file cannot be told: {error}"));
    let data = to_raw_value(data).map_err(|error| wrong(error.to_string()))?;
    let name = name.to_string_lossy();
    let name = without_controls(&name);
    let event = event
        .attribute("subject", &*name)
        .attribute("partitionkey", &*name)
        .attribute("datacontenttype", "application/json");
    event.json_data(&data).build().map_err(|error| wrong(error.to_string()))
}

fn modified(metadata: &Metadata) -> Timestamp {
    let micros = metadata.mtime().saturating_mul(1_000_000);
    Timestamp::from_micros(micros.saturating_add(metadata.mtime_nsec() / 1_000))
}
