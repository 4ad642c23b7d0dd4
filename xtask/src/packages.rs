//! The programs that the tests run as real servers, from Debian's packages.

use std::path::Path;
use std::process::Command;

use anyhow::bail;

/// A package, and a program of it that shows whether it is there: a path, or a name to be found on `PATH` as well.
const PACKAGES: [(&str, &str); 6] = [
    ("rabbitmq-server", "/usr/lib/rabbitmq/bin/rabbitmq-server"),
    ("mariadb-server", "/usr/sbin/mariadbd"),
    ("postgresql-15", "/usr/lib/postgresql/15/bin/postgres"),
    ("redis-server", "/usr/bin/redis-server"),
    ("curl", "/usr/bin/curl"),
    ("util-linux", "/usr/bin/setpriv"),
];

fn is_there(program: &str) -> bool {
    let name = Path::new(program).file_name().unwrap_or_default();
    let path = std::env::var_os("PATH").unwrap_or_default();
    Path::new(program).exists()
        || std::env::split_paths(&path).any(|folder| folder.join(name).exists())
}

/// Installs what is missing with apt when run as root; otherwise says what to install.
pub(crate) fn install_missing() -> anyhow::Result<()> {
    let missing: Vec<_> =
        PACKAGES.iter().filter(|(_, program)| !is_there(program)).map(|(name, _)| *name).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let is_root = Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout == b"0\n");
    let has_apt = Path::new("/usr/bin/apt-get").exists();
    if !is_root || !has_apt {
        bail!(
            "the tests need these packages (Debian's names), please install them: {}",
            missing.join(" ")
        );
    }
    eprintln!("installing {}", missing.join(" "));
    let apt = || {
        let mut apt = Command::new("apt-get");
        apt.env("DEBIAN_FRONTEND", "noninteractive").args(["-qq", "-o", "DPkg::Lock::Timeout=300"]);
        apt.stdout(std::process::Stdio::null());
        apt
    };
    crate::run(apt().arg("update"))?;
    crate::run(apt().args(["install", "-y", "--no-install-recommends"]).args(&missing))
}
