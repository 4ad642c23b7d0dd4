//! What has been told.

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};

use bytes::Bytes;

use crate::file::Print;

/// Most files that a watched folder may hold: what can be remembered of them stays within one remembered value.
pub const FILES_MAX: usize = 100_000;

/// The version of what is remembered.
const VERSION: u8 = 1;
const SHORT_BYTES: usize = size_of::<u64>();

const BYTES_MAX: usize = 1 + FILES_MAX * SHORT_BYTES;
const _: () = assert!(BYTES_MAX <= tripline_source::REMEMBERED_BYTES_MAX);

/// The files of the folder that have been told, as they were then.
#[derive(Debug, Default)]
pub(crate) struct Inventory {
    files: HashMap<OsString, Print>,
    /// Told by an earlier run, and not seen yet by this one.
    earlier: HashSet<u64>,
}

impl Inventory {
    /// What an earlier run remembered. What cannot be read counts as nothing: the files are then told again, as copies.
    pub(crate) fn recalled(remembered: Option<&Bytes>) -> Self {
        let shorts = match remembered.map(|bytes| bytes.split_first()) {
            Some(Some((&VERSION, shorts))) => shorts,
            _ => &[],
        };
        let earlier = shorts.chunks_exact(SHORT_BYTES).filter_map(|short| short.try_into().ok());
        Self { files: HashMap::new(), earlier: earlier.map(u64::from_le_bytes).collect() }
    }

    /// What to remember.
    pub(crate) fn to_bytes(&self) -> Bytes {
        let mut bytes = Vec::with_capacity(1 + self.files.len() * SHORT_BYTES);
        bytes.push(VERSION);
        for print in self.files.values() {
            bytes.extend_from_slice(&print.short().to_le_bytes());
        }
        bytes.into()
    }

    /// Notes a file as it is; whether that has not been told yet. `None` when there are too many files.
    pub(crate) fn note(&mut self, name: &OsStr, print: Print) -> Option<bool> {
        if self.files.get(name) == Some(&print) {
            return Some(false);
        }
        if self.files.len() >= FILES_MAX && !self.files.contains_key(name) {
            return None;
        }
        self.files.insert(name.to_owned(), print);
        Some(!self.earlier.remove(&print.short()))
    }

    /// Notes that a file is gone: as what it had been told, if it had been.
    pub(crate) fn forget(&mut self, name: &OsStr) -> Option<Print> {
        self.files.remove(name)
    }

    /// The whole folder has been seen: what an earlier run told and is not there any more is of no more use.
    pub(crate) fn settled(&mut self) {
        self.earlier = HashSet::new();
    }

    /// The names that are known and not among these.
    pub(crate) fn missing_from(&self, present: &HashSet<OsString>) -> Vec<OsString> {
        self.files.keys().filter(|name| !present.contains(*name)).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use bytes::Bytes;

    use super::Inventory;
    use crate::file::Print;

    fn print(of: &str) -> Print {
        let metadata = std::fs::metadata(env!("CARGO_MANIFEST_DIR")).unwrap();
        Print::of(of.as_ref(), &metadata)
    }

    #[test]
    fn what_was_told_is_not_told_again_by_the_next_run() {
        let mut first = Inventory::default();
        assert_eq!(first.note(OsStr::new("a"), print("a")), Some(true));
        assert_eq!(first.note(OsStr::new("a"), print("a")), Some(false));
        assert_eq!(first.note(OsStr::new("a"), print("a written anew")), Some(true));
        let mut next = Inventory::recalled(Some(&first.to_bytes()));
        assert_eq!(next.note(OsStr::new("a"), print("a written anew")), Some(false));
        assert_eq!(next.note(OsStr::new("b"), print("b")), Some(true));
        assert!(next.forget(OsStr::new("a")).is_some());
        assert!(next.forget(OsStr::new("a")).is_none());
    }

    #[test]
    fn what_cannot_be_read_counts_as_nothing() {
        for bad in [&b""[..], b"\x02abcdefgh", b"\x01abc"] {
            let mut inventory = Inventory::recalled(Some(&Bytes::from_static(bad)));
            assert_eq!(inventory.note(OsStr::new("a"), print("a")), Some(true));
        }
    }
}
