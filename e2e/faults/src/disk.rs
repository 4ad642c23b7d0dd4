//! A disk that can be full: a small file system in memory, of one's own.

use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};
use tempfile::TempDir;

/// How much is written at a time.
const CHUNK_BYTES: usize = 256 << 10;

/// A mounted tmpfs. Unmounted when dropped.
#[derive(Debug)]
pub struct SmallDisk {
    dir: TempDir,
}

impl SmallDisk {
    /// Mounts one of this size. Needs root.
    ///
    /// # Errors
    /// When it cannot be mounted.
    pub fn mount(megabytes: u32) -> anyhow::Result<Self> {
        let dir = tempfile::Builder::new().prefix("tripline-small-disk-").tempdir()?;
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={megabytes}m"), "tripline-faults"]);
        let mounted = mount.arg(dir.path()).output().context("the program mount")?;
        if !mounted.status.success() {
            let why = String::from_utf8_lossy(&mounted.stderr).into_owned();
            bail!("a full disk takes a small file system, and mounting one takes root: {why}");
        }
        Ok(Self { dir })
    }

    /// Where it is mounted.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// How many bytes are free.
    ///
    /// # Errors
    /// When the file system does not say.
    pub fn free_bytes(&self) -> anyhow::Result<u64> {
        let stat = rustix::fs::statvfs(self.path())?;
        Ok(stat.f_bavail * stat.f_frsize)
    }

    /// Fills it up until at most this many bytes are free. None are: until a write fails for the lack of room.
    ///
    /// # Errors
    /// When a write fails for another reason.
    pub fn fill(&self, leave: u64) -> anyhow::Result<()> {
        let mut ballast = File::options().create(true).append(true).open(self.ballast())?;
        let chunk = vec![1; CHUNK_BYTES];
        while self.free_bytes()? > leave || leave == 0 {
            match ballast.write_all(&chunk) {
                Err(error) if error.kind() == ErrorKind::StorageFull => break,
                written => written?,
            }
        }
        Ok(())
    }

    /// Makes room again.
    ///
    /// # Errors
    /// When it was not filled.
    pub fn clear(&self) -> anyhow::Result<()> {
        Ok(std::fs::remove_file(self.ballast())?)
    }

    fn ballast(&self) -> PathBuf {
        self.path().join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: whoever still has a file open there is about to be killed.
        let _ = Command::new("umount").arg("--lazy").arg(self.path()).status();
    }
}
