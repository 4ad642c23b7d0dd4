//! Temporary directories that are gone after the test, however it ends.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use anyhow::{Context as _, bail};

/// Everything this test process writes is below here.
///
/// Statics are not dropped and killed processes drop nothing, so a shell outside the process group removes the directory
/// once the pipe to this process closes. It tries again while a dying server still writes.
fn root() -> anyhow::Result<&'static Path> {
    static ROOT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let make = || -> io::Result<PathBuf> {
        let root = tempfile::Builder::new().prefix("tripline-test-").tempdir()?.keep();
        // Servers that refuse root run as users of their own and must get in.
        std::fs::set_permissions(&root, std::fs::Permissions::from_mode(0o755))?;
        let script = r#"cat; while [ -e "$1" ]; do rm -rf "$1" || sleep 0.2; done"#;
        let janitor = Command::new("/bin/sh")
            .args(["-c", script, "testkit-janitor"])
            .arg(&root)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        // Leaking it keeps the pipe open until the process ends.
        std::mem::forget(janitor);
        Ok(root)
    };
    match ROOT.get_or_init(|| make().map_err(|error| error.to_string())) {
        Ok(root) => Ok(root),
        Err(error) => bail!("no temporary directory: {error}"),
    }
}

/// A new directory, removed when dropped.
pub(crate) fn new(name: &str) -> anyhow::Result<tempfile::TempDir> {
    let dir = tempfile::Builder::new().prefix(&format!("{name}-")).tempdir_in(root()?)?;
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755))?;
    Ok(dir)
}

/// Gives a directory to a system user, when the test runs as root.
pub(crate) fn give_to(user: &str, dir: &Path) -> anyhow::Result<()> {
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let users = std::fs::read_to_string("/etc/passwd")?;
    let ids = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let found = fields.next()? == user;
        let (uid, gid) = (fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?);
        found.then_some((uid, gid))
    });
    let (uid, gid) = ids.with_context(|| format!("there is no system user {user}"))?;
    std::os::unix::fs::chown(dir, Some(uid), Some(gid))?;
    Ok(())
}
