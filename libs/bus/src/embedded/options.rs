//! How the embedded log is set up, and why it may not open.

use std::borrow::Cow;
use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use tripline_kernel::{Classify, ErrorKind, Fault};

/// Smallest segment, so that the directory does not fill with files.
pub(super) const SEGMENT_BYTES_MIN: u64 = 64 << 10;
/// Largest segment: a torn tail is looked for in the last one, at each open.
const SEGMENT_BYTES_MAX: u64 = 1 << 30;

/// How the embedded log is set up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// The directory of the log. One process at a time uses it.
    pub dir: PathBuf,
    /// Size of a segment file in bytes; retention drops whole segments. A stream with a small retention has smaller ones.
    pub segment_bytes: u64,
    /// How many bytes of the disk are left free: appends are refused before they use them.
    pub reserve_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { dir: PathBuf::from("log"), segment_bytes: 64 << 20, reserve_bytes: 256 << 20 }
    }
}

impl Options {
    /// Everything that is wrong with the options.
    #[must_use]
    pub fn validate(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if self.dir.as_os_str().is_empty() {
            faults.push(Fault::new("/dir", "missing", "name the directory of the log"));
        }
        if !(SEGMENT_BYTES_MIN..=SEGMENT_BYTES_MAX).contains(&self.segment_bytes) {
            let detail = format!("a segment has {SEGMENT_BYTES_MIN} to {SEGMENT_BYTES_MAX} bytes");
            faults.push(Fault::new("/segment_bytes", "out-of-range", detail));
        }
        faults
    }
}

/// Why the log could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error("another process uses the data directory {}", .dir.display())]
    Locked {
        /// The directory.
        dir: PathBuf,
    },
    /// The disk did not do what it was asked to.
    #[error("could not {action}")]
    Disk {
        /// What it was asked to do.
        action: String,
        /// What it said.
        #[source]
        source: io::Error,
    },
    /// Something that was confirmed can no longer be read. Nothing was changed; an operator must decide.
    #[error("the log is damaged: {file} at byte {at}: {why}")]
    Corrupt {
        /// The segment file.
        file: String,
        /// Where in it.
        at: u64,
        /// What is wrong there.
        why: String,
    },
}

impl OpenError {
    pub(super) fn disk(action: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let action = action.into();
        move |source| Self::Disk { action, source }
    }
}

impl Classify for OpenError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Locked { .. } => ErrorKind::Conflict,
            Self::Disk { .. } => ErrorKind::Unavailable,
            Self::Corrupt { .. } => ErrorKind::Internal,
        }
    }

    fn code(&self) -> Cow<'static, str> {
        match self {
            Self::Locked { .. } => "data-directory-locked",
            Self::Disk { .. } => "log-disk-failed",
            Self::Corrupt { .. } => "log-corrupt",
        }
        .into()
    }
}

#[cfg(test)]
mod tests {
    use super::Options;

    #[test]
    fn the_defaults_are_valid_and_all_faults_are_told() {
        assert!(Options::default().validate().is_empty());
        let bad = Options { dir: "".into(), segment_bytes: 0, reserve_bytes: 0 };
        assert_eq!(bad.validate().len(), 2);
    }
}
