//! MinIO, which no Debian package has: built once from its source, kept in the cache directory.

use std::path::PathBuf;
use std::process::{Child, Command};

use anyhow::{Context as _, bail};

/// Later builds do not flush the answers of `ListenNotification`.
const VERSION: &str = "v0.0.0-20250907161309-07c3a429bfed";

/// A build under way, or a program that is already there.
pub(crate) enum Build {
    /// `go install` is running.
    Running(Child),
    /// Nothing to do.
    Done,
}

fn directory() -> anyhow::Result<PathBuf> {
    Ok(crate::cache_dir()?.join("bin"))
}

/// Starts to build MinIO unless it is there.
pub(crate) fn start() -> anyhow::Result<Build> {
    let directory = directory()?;
    if directory.join("minio").exists() {
        return Ok(Build::Done);
    }
    eprintln!("building MinIO {VERSION} into {} (once, some minutes)", directory.display());
    std::fs::create_dir_all(&directory)?;
    let child = Command::new("go")
        .args(["install", "-trimpath", "-ldflags", "-s -w"])
        .arg(format!("github.com/minio/minio@{VERSION}"))
        .env("CGO_ENABLED", "0")
        .env("GOBIN", &directory)
        .stdout(std::process::Stdio::null())
        .stderr(std::fs::File::create(crate::cache_dir()?.join("minio-build.log"))?)
        .spawn()
        .context(
            "the tests build MinIO from source and need Go 1.24 or newer; please install it",
        )?;
    Ok(Build::Running(child))
}

impl Build {
    /// Waits for the build to end.
    pub(crate) fn finish(self) -> anyhow::Result<()> {
        let Self::Running(mut child) = self else { return Ok(()) };
        let status = child.wait()?;
        if !status.success() {
            let log = crate::cache_dir()?.join("minio-build.log");
            bail!("MinIO does not build: {status}; see {}", log.display());
        }
        Ok(())
    }
}
