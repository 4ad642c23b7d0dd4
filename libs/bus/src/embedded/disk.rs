//! What the log needs of a disk, as a port, so that tests can bring one that loses what was not synced.

use std::io;
use std::sync::Arc;

/// Every place where the log waits for the disk, each with the one thing that hangs on it.
///
/// A disk need not tell them apart. Tests switch them off one by one to show that none is missing or idle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SyncPoint {
    /// The log's directory itself is still there after a power loss.
    DirectoryParents,
    /// Segments that a process made just before it was killed, found at open, stay.
    DirectoryAtOpen,
    /// Records that a process wrote just before it was killed, found at open, stay; so does the cut of a torn tail.
    SegmentAtOpen,
    /// A new segment can be told from a torn one.
    SegmentHeader,
    /// A new segment is still there after a power loss.
    SegmentEntry,
    /// Records are on the disk before their appends are answered.
    Records,
    /// A segment is whole before the next one begins.
    SegmentSeal,
    /// What retention dropped, and streams that were deleted, do not come back.
    Removal,
}

impl SyncPoint {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::DirectoryParents,
        Self::DirectoryAtOpen,
        Self::SegmentAtOpen,
        Self::SegmentHeader,
        Self::SegmentEntry,
        Self::Records,
        Self::SegmentSeal,
        Self::Removal,
    ];
}

/// Shows that this process alone uses the directory, until it is dropped.
pub type Lock = Box<dyn Send + Sync>;

/// One directory of files. Nothing is durable before the sync that says so.
pub trait Disk: Send + Sync + 'static {
    /// Makes the directory and its parents where they are missing.
    fn make_directory(&self) -> io::Result<()>;

    /// Makes the directory's own entry durable, and those of its parents.
    fn sync_parents(&self, point: SyncPoint) -> io::Result<()>;

    /// Locks the directory; `None` when another process, or another lock in this one, holds it.
    fn lock(&self) -> io::Result<Option<Lock>>;

    /// The names of the files.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Makes a new, empty file. Fails when the name is taken.
    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;

    /// Opens a file that is there.
    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;

    /// Removes a file's name; who has it open can still read it.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes the names of the files durable: those made and those removed.
    fn sync_directory(&self, point: SyncPoint) -> io::Result<()>;

    /// How many bytes this process may still write.
    fn free_bytes(&self) -> io::Result<u64>;
}

/// One open file.
pub trait DiskFile: Send + Sync + 'static {
    /// How many bytes the file has.
    fn bytes(&self) -> io::Result<u64>;

    /// Reads at a position; fewer bytes than asked for only at the end of the file.
    fn read_at(&self, at: u64, buffer: &mut [u8]) -> io::Result<usize>;

    /// Writes all the bytes at a position.
    fn write_at(&self, at: u64, bytes: &[u8]) -> io::Result<()>;

    /// Cuts the file to this many bytes.
    fn truncate(&self, bytes: u64) -> io::Result<()>;

    /// Makes the content of the file durable, its length included.
    fn sync_data(&self, point: SyncPoint) -> io::Result<()>;
}
