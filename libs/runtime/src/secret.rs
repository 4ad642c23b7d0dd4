//! Secrets in files.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use tripline_kernel::Fault;

use crate::config;

/// Most bytes of a secret file.
const SECRET_BYTES_MAX: u64 = 64 * 1024;

/// What a secret file holds.
pub struct Secret<T> {
    /// The content.
    pub content: T,
    /// Set when others than the owner can read the file.
    pub warning: Option<String>,
}

/// Why a secret file cannot be used. Shows nothing of its content.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is not there, or cannot be read.
    #[error("cannot read {}: {source}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// It holds something else than it should.
    #[error("{} {problem}", file.display())]
    Unfit {
        /// The file.
        file: PathBuf,
        /// What is wrong with its content.
        problem: String,
    },
}

/// Reads a secret file as it is.
///
/// # Errors
/// When it cannot be read, or is larger than any secret.
pub fn read(file: &Path) -> Result<Secret<Vec<u8>>, Error> {
    let unreadable = |source| Error::Unreadable { file: file.to_owned(), source };
    let about = std::fs::metadata(file).map_err(unreadable)?;
    if about.len() > SECRET_BYTES_MAX {
        return Err(unfit(file, format!("has more than {SECRET_BYTES_MAX} bytes")));
    }
    let content = std::fs::read(file).map_err(unreadable)?;
    let open = about.mode() & 0o077 != 0;
    let warning =
        || format!("{} can be read by others than its owner: set its mode to 0600", file.display());
    Ok(Secret { content, warning: open.then(warning) })
}

/// Reads a secret file as text, without the newline at its end.
///
/// # Errors
/// When it cannot be read, or is not UTF-8.
pub fn read_text(file: &Path) -> Result<Secret<String>, Error> {
    let Secret { content, warning } = read(file)?;
    let text = String::from_utf8(content).map_err(|_| unfit(file, "is not UTF-8".to_owned()))?;
    let content = text.trim_end_matches(['\r', '\n']).to_owned();
    Ok(Secret { content, warning })
}

/// Reads a key of `N` bytes, kept as they are, in hex or in base64.
///
/// # Errors
/// When the file cannot be read, or holds no such key.
pub fn read_key<const N: usize>(file: &Path) -> Result<Secret<[u8; N]>, Error> {
    let Secret { content, warning } = read(file)?;
    let raw = content.as_slice().try_into().ok();
    let text = content.trim_ascii();
    let decoded = || {
        let bases = [data_encoding::HEXLOWER_PERMISSIVE, data_encoding::BASE64];
        bases.iter().find_map(|base| base.decode(text).ok()?.try_into().ok())
    };
    let problem = || format!("does not hold a key of {N} bytes, raw, in hex or in base64");
    let content = raw.or_else(decoded).ok_or_else(|| unfit(file, problem()))?;
    Ok(Secret { content, warning })
}

/// Reads a secret of at least `bytes_min` bytes, without the white space at its end.
///
/// # Errors
/// When the file cannot be read, or holds less.
pub fn read_long(file: &Path, bytes_min: usize) -> Result<Secret<Vec<u8>>, Error> {
    let Secret { mut content, warning } = read(file)?;
    content.truncate(content.trim_ascii_end().len());
    if content.len() < bytes_min {
        return Err(unfit(file, format!("must hold at least {bytes_min} bytes")));
    }
    Ok(Secret { content, warning })
}

/// What `read` finds in the file that the configuration names under `key`. A warning goes to the log.
///
/// # Errors
/// The configuration cannot be used: it names no file, or one that does not hold what it should.
pub fn configured<T>(
    key: &str,
    file: &Path,
    read: impl FnOnce(&Path) -> Result<Secret<T>, Error>,
) -> Result<T, config::Error> {
    let Secret { content, warning } =
        read(file).map_err(|error| config::Error::new(format!("{key}: {error}")))?;
    if let Some(warning) = warning {
        tracing::warn!("{key}: {warning}");
    }
    Ok(content)
}

/// What is wrong with a configuration that must name a file under `pointer`.
#[must_use]
pub fn required(pointer: &str, file: &Path, holds: &str) -> Option<Fault> {
    let detail = || format!("required: a file that holds {holds}");
    file.as_os_str().is_empty().then(|| Fault::new(pointer, "required", detail()))
}

fn unfit(file: &Path, problem: String) -> Error {
    Error::Unfit { file: file.to_owned(), problem }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_raw_in_hex_and_in_base64_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("key");
        let key: [u8; 32] = std::array::from_fn(|index| u8::try_from(index).unwrap());
        let hex = data_encoding::HEXLOWER.encode(&key);
        let forms = [
            key.to_vec(),
            format!("{hex}\n").into_bytes(),
            hex.to_uppercase().into_bytes(),
            data_encoding::BASE64.encode(&key).into_bytes(),
        ];
        for form in forms {
            std::fs::write(&file, form).unwrap();
            assert_eq!(read_key::<32>(&file).unwrap().content, key);
        }
        for bad in ["", "short", &hex[2..]] {
            std::fs::write(&file, bad).unwrap();
            assert!(matches!(read_key::<32>(&file), Err(Error::Unfit { .. })), "{bad}");
        }
    }

    #[test]
    fn a_secret_that_others_can_read_is_warned_of() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("secret");
        std::fs::write(&file, "s3cret\n").unwrap();
        for (mode, warned) in [(0o644, true), (0o640, true), (0o600, false)] {
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
            let secret = read_text(&file).unwrap();
            assert_eq!((secret.content.as_str(), secret.warning.is_some()), ("s3cret", warned));
        }
        assert!(matches!(read(&dir.path().join("none")), Err(Error::Unreadable { .. })));
    }
}
