//! Where the programs of the servers are.

use std::path::PathBuf;

use anyhow::bail;

/// Directories that hold server programs but are seldom on a user's `PATH`.
const EXTRA: [&str; 5] = [
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/lib/rabbitmq/bin",
    "/usr/lib/postgresql/15/bin",
    "/usr/lib/postgresql/16/bin",
];

/// The program of this name on `PATH`, or where Debian puts it.
pub(crate) fn find(name: &str) -> anyhow::Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&path).chain(EXTRA.map(PathBuf::from));
    let found = places.map(|place| place.join(name)).find(|file| file.is_file());
    let Some(found) = found else {
        bail!("the program {name} is neither on PATH nor in {EXTRA:?}: install it")
    };
    Ok(found)
}

/// Where RabbitMQ's scripts are, apart from the wrappers on `PATH` that insist on a user of their own.
pub(crate) fn rabbitmq_scripts() -> anyhow::Result<PathBuf> {
    // There are wrappers for the scripts that are meant to be called; this one is not.
    let inner = find("rabbitmq-env")?;
    Ok(inner.parent().expect("a file found in a directory has a parent").to_owned())
}

/// `MinIO`: `TRIPLINE_MINIO_BIN`, else `TRIPLINE_CACHE_DIR/bin`, else `~/.cache/tripline/bin`, else `PATH`.
pub(crate) fn minio() -> anyhow::Result<PathBuf> {
    if let Some(file) = std::env::var_os("TRIPLINE_MINIO_BIN") {
        return Ok(file.into());
    }
    let cache = std::env::var_os("TRIPLINE_CACHE_DIR").map(PathBuf::from);
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache/tripline"));
    let built = cache.into_iter().chain(home).map(|place| place.join("bin/minio"));
    match built.into_iter().find(|file| file.is_file()) {
        Some(file) => Ok(file),
        None => find("minio"),
    }
}
