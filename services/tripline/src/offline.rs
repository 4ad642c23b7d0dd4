//! What the commands share that need no server: files of cases, and how what is wrong is told.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Write};
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tripline_kernel::{Classify, Fault};

/// What is tried, or what it is tried on, is not valid or cannot be read.
pub(crate) const EXIT_INVALID: u8 = 2;
/// Longest line of a file of cases, in bytes.
pub(crate) const LINE_BYTES_MAX: u64 = 16 << 20;

/// Calls `each` with the case of every line that is not empty, in their order, or with why a line holds none; until it
/// fails.
pub(crate) fn cases<C: DeserializeOwned>(
    file: &Path,
    mut each: impl FnMut(Result<C, String>) -> Result<(), String>,
) -> Result<(), String> {
    let opened = File::open(file).map_err(|error| unreadable(file, &error))?;
    let mut lines = BufReader::new(opened);
    for number in 1_u64.. {
        let mut line = Vec::new();
        let read = lines.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line);
        match read.map_err(|error| unreadable(file, &error))? {
            0 => break,
            _ if line.trim_ascii().is_empty() => continue,
            _ => {}
        }
        let case = serde_json::from_slice(&line);
        each(case.map_err(|error| format!("{}, line {number}: {error}", file.display())))?;
    }
    Ok(())
}

/// Writes a line of JSON.
pub(crate) fn write_line(out: &mut impl Write, told: &impl Serialize) -> Result<(), String> {
    let written = serde_json::to_writer(&mut *out, told).map_err(io::Error::from);
    written.and_then(|()| out.write_all(b"\n")).map_err(|error| error.to_string())
}

/// What is wrong, with its places if it has some.
pub(crate) fn faults(error: &impl Classify) -> String {
    let one = |fault: &Fault| format!("{}: {}", fault.pointer, fault.detail);
    match error.faults() {
        [] => error.to_string(),
        faults => faults.iter().map(one).collect::<Vec<_>>().join("; "),
    }
}

pub(crate) fn text_of(file: &Path) -> Result<String, String> {
    std::fs::read_to_string(file).map_err(|error| unreadable(file, &error))
}

pub(crate) fn unreadable(file: &Path, error: &io::Error) -> String {
    format!("{} cannot be read: {error}", file.display())
}
