//! All tests, against the real servers.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::{minio, packages, root, run};

/// Installs and builds the servers.
pub(crate) fn prepare() -> anyhow::Result<()> {
    packages::install_missing()?;
    minio::start()?.finish()
}

/// Prepares, builds every binary, checks what the compiler does not, and runs every test.
pub(crate) fn all(arguments: &[String]) -> anyhow::Result<()> {
    packages::install_missing()?;
    let minio = minio::start()?;
    let commit = commit()?;
    let vectors = vectors()?;
    let cargo = |verb: &str| {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.current_dir(root()).args([verb, "--workspace"]);
        cargo.env("TRIPLINE_COMMIT", &commit).env("TRIPLINE_CACHE_DIR", crate::cache_dir()?);
        if let Some(vectors) = &vectors {
            cargo.env("TRIPLINE_VECTORS_DIR", vectors);
        }
        anyhow::Ok(cargo)
    };
    run(&mut cargo("build")?)?;
    run(cargo("test")?.arg("--no-run"))?;
    minio.finish()?;
    run(cargo("test")?.args(arguments))
}

/// Lets the tests that compare the files of `deploy/config` with the code write them instead.
pub(crate) fn write_config() -> anyhow::Result<()> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root()).args(["test", "--quiet", "--bins"]);
    for service in crate::arrows::SERVICES {
        cargo.args(["--package", service]);
    }
    run(cargo.arg("the_reference").env("TRIPLINE_WRITE_REFERENCE", "1"))
}

/// What `/version` of the binaries must say: the checkout's commit, marked when files differ from it.
fn commit() -> anyhow::Result<String> {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").current_dir(root()).args(arguments).output()?;
        if !output.status.success() {
            bail!("git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        }
        anyhow::Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    };
    let head = git(&["rev-parse", "HEAD"])?;
    let clean = git(&["status", "--porcelain"])?.is_empty();
    Ok(if clean { head } else { format!("{head}-dirty") })
}

/// The folder of test vectors from outside; without the variable the project's own corpora are used alone.
fn vectors() -> anyhow::Result<Option<PathBuf>> {
    let Some(dir) = std::env::var_os("TRIPLINE_VECTORS_DIR") else {
        eprintln!("TRIPLINE_VECTORS_DIR is not set: the project's own corpora are used alone");
        return Ok(None);
    };
    let dir = std::env::current_dir()?.join(dir);
    let dir =
        dir.canonicalize().with_context(|| format!("TRIPLINE_VECTORS_DIR: {}", dir.display()))?;
    Ok(Some(dir))
}
