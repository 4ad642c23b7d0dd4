//! The data directory: what is kept between two runs of `tripline dev`.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use rustix::fs::Mode;
use secrecy::SecretString;
use tripline_kernel::Entropy;
use tripline_runtime::secret;
use tripline_signing::{ApiKey, MasterKey};

/// The file that the command line finds the administrator's API key in.
pub(crate) const ADMIN_KEY_FILE: &str = "admin.key";
/// The variable that sets the administrator's API key instead.
const ADMIN_KEY_VARIABLE: &str = "TRIPLINE_ADMIN_KEY";

/// An open data directory.
pub(super) struct Files {
    dir: PathBuf,
    pub(super) api_key: ApiKey,
    pub(super) master_key: MasterKey,
}

impl Files {
    /// Makes the directory, and what must be in it, at the first start.
    pub(super) fn open(dir: &Path, entropy: &dyn Entropy) -> anyhow::Result<Self> {
        // Not by the directory's own mode: a mounted volume may be somebody else's. Keys, databases and events are
        // for nobody else to read, whoever makes them.
        rustix::process::umask(Mode::RWXG | Mode::RWXO);
        fs::create_dir_all(dir)?;
        let api_key = api_key(&dir.join(ADMIN_KEY_FILE), entropy)?;
        let master_key = master_key(&dir.join("master.key"), entropy)?;
        Ok(Self { dir: dir.to_owned(), api_key, master_key })
    }

    /// A file or folder in the directory.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// The database of one service.
    pub(super) fn database(&self, service: &str, connections_max: u32) -> tripline_db::Options {
        let url = super::sqlite_url(&self.path(&format!("{service}.db")));
        tripline_db::Options { url: SecretString::from(url), connections_max }
    }
}

/// `$XDG_DATA_HOME/tripline`, else `~/.local/share/tripline`.
pub(crate) fn default_data_dir() -> anyhow::Result<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let base = set("XDG_DATA_HOME").or_else(|| Some(set("HOME")?.join(".local/share")));
    Ok(base
        .context("neither XDG_DATA_HOME nor HOME is set; name a directory with --data")?
        .join("tripline"))
}

#[allow(
    clippy::disallowed_methods,
    reason = "the key may come from the environment, as it does for auth"
)]
fn api_key(file: &Path, entropy: &dyn Entropy) -> anyhow::Result<ApiKey> {
    if let Ok(key) = std::env::var(ADMIN_KEY_VARIABLE) {
        return key.parse().context(ADMIN_KEY_VARIABLE);
    }
    let text = kept(file, || ApiKey::generate(entropy).expose().as_bytes().to_vec())?;
    let text =
        String::from_utf8(text).with_context(|| format!("{} is not text", file.display()))?;
    text.trim().parse().with_context(|| file.display().to_string())
}

fn master_key(file: &Path, entropy: &dyn Entropy) -> anyhow::Result<MasterKey> {
    let new = || {
        let mut key = vec![0; MasterKey::BYTES];
        entropy.fill(&mut key);
        key
    };
    let key = kept(file, new)?;
    match key.as_slice().try_into() {
        Ok(key) => Ok(MasterKey::from_bytes(key)),
        Err(_) => bail!("{} does not hold {} bytes", file.display(), MasterKey::BYTES),
    }
}

/// What the secret file holds; what `new` makes when there is no such file yet.
fn kept(file: &Path, new: impl FnOnce() -> Vec<u8>) -> anyhow::Result<Vec<u8>> {
    match write_new(file, new) {
        Ok(content) => Ok(content),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let secret::Secret { content, warning } = secret::read(file)?;
            if let Some(warning) = warning {
                tracing::warn!("{warning}");
            }
            Ok(content)
        }
        Err(error) => Err(error).with_context(|| format!("cannot write {}", file.display())),
    }
}

/// Written aside and linked into place, so that a crash leaves the whole secret or none.
fn write_new(file: &Path, new: impl FnOnce() -> Vec<u8>) -> io::Result<Vec<u8>> {
    if file.exists() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    let content = new();
    let aside = file.with_extension("new");
    let _ = fs::remove_file(&aside);
    let mut out = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&aside)?;
    out.write_all(&content)?;
    out.sync_all()?;
    let linked = fs::hard_link(&aside, file);
    fs::remove_file(&aside)?;
    linked.map(|()| content)
}

#[cfg(test)]
mod tests {
    use tripline_runtime::SystemEntropy;

    use super::Files;

    #[test]
    fn keys_are_made_once_and_only_the_owner_reads_them() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        let first = Files::open(&data, &SystemEntropy).unwrap();
        let second = Files::open(&data, &SystemEntropy).unwrap();
        assert_eq!(first.api_key.hash(), second.api_key.hash());
        let sealed = first.master_key.seal(b"secret", "place", &SystemEntropy);
        assert_eq!(second.master_key.open(&sealed, "place").unwrap(), b"secret");
        for name in ["admin.key", "master.key"] {
            let mode = std::fs::metadata(data.join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
    }
}
