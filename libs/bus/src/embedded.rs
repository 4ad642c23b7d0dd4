//! The adapters that need no server: the log in segment files, the queue in memory.
//!
//! # The log
//! A stream is a row of segment files, each named after the stream and the offset of its first frame. One thread
//! writes for all streams, in rounds: write what waits, sync it, show it to the readers, answer. Only synced records
//! are ever seen.
//!
//! Every segment but a stream's last is synced whole before the next one is made. At open the tail of the last one
//! is cut at the first bad record. Two things tell a torn tail, which nobody was promised, from damage: where the
//! bad record is, and that every record names the offset up to which the stream was durable when it was written. A
//! bad record below such an offset was confirmed once, and the log refuses to open rather than skip it.

mod disk;
mod inbox;
mod log;
mod options;
mod os_disk;
mod queue;
mod reader;
mod record;
mod recover;
mod segment;
mod syncs;
mod view;
mod writer;
mod writing;

#[cfg(test)]
mod lossy_disk;
#[cfg(test)]
mod tests;

pub use disk::{Disk, DiskFile, Lock, SyncPoint};
pub use log::{FRAME_BYTES_MAX, Log};
pub use options::{OpenError, Options};
pub use os_disk::OsDisk;
pub use queue::Queue;
