//! Reading what a command is given.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use crate::failure::Failure;

/// Largest file that is read.
const BYTES_MAX: usize = 64 << 20;

/// The content of a file; of standard input where the name is a hyphen.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let failed =
        |error: io::Error| Failure::Failed(format!("{} cannot be read: {error}", path.display()));
    let mut bytes = Vec::new();
    let limit = BYTES_MAX as u64 + 1;
    let read = if path == Path::new("-") {
        io::stdin().lock().take(limit).read_to_end(&mut bytes)
    } else {
        File::open(path).map_err(failed)?.take(limit).read_to_end(&mut bytes)
    };
    read.map_err(failed)?;
    if bytes.len() > BYTES_MAX {
        let why = format!("{} has more than {BYTES_MAX} bytes", path.display());
        return Err(Failure::Failed(why));
    }
    Ok(bytes)
}
