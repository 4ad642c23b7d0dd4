//! Data to measure with: patterns and events as a platform sees them, made from a seed.
//!
//! `bus` are events of about 500 bytes from many services, with patterns that ask for exact values and prefixes; how many
//! there are is what is measured. `lots` are records of about 850 bytes with nested arrays, and five patterns of each kind of
//! operator: what each kind costs is what is measured.

mod bus;
mod lots;

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::random::Random;

/// How many events each file of events holds.
const EVENTS: usize = 20_000;
/// How many patterns there are: the growth from each to the next is what matters.
const COUNTS: [usize; 5] = [1, 100, 1_000, 10_000, 100_000];

/// One thing to measure: these patterns on these events.
#[derive(Clone, Debug)]
pub(crate) struct Set {
    pub(crate) name: String,
    pub(crate) patterns: PathBuf,
    pub(crate) events: PathBuf,
}

/// Writes all data below a folder, and says what is to be measured with it.
pub(crate) fn write(folder: &Path, seed: u64) -> anyhow::Result<Vec<Set>> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let file = |name: &str| folder.join(name);
    let mut random = Random::new(seed);
    write_lines(&file("e500.jsonl"), (0..EVENTS).map(|_| bus::event(&mut random)))?;
    write_lines(&file("e850.jsonl"), (0..EVENTS).map(|number| lots::event(number, &mut random)))?;
    let mut sets = Vec::new();
    for count in COUNTS {
        // Each set begins with the patterns of the smaller one.
        let mut random = Random::new(seed ^ 1);
        let patterns = file(&format!("p{count}.jsonl"));
        let lines = (0..count).map(|id| with_id(id, &bus::pattern(id, &mut random)));
        write_lines(&patterns, lines)?;
        sets.push(Set { name: format!("{count} patterns"), patterns, events: file("e500.jsonl") });
    }
    let mut all = Vec::new();
    for kind in lots::KINDS {
        let patterns = file(&format!("kind-{}-p.jsonl", kind.name));
        let made = (kind.patterns)();
        write_lines(&patterns, (0..).zip(&made).map(|(id, pattern)| with_id(id, pattern)))?;
        all.extend(made);
        sets.push(Set { name: kind.name.to_owned(), patterns, events: file("e850.jsonl") });
    }
    let patterns = file("kind-all-p.jsonl");
    write_lines(&patterns, (0..).zip(&all).map(|(id, pattern)| with_id(id, pattern)))?;
    sets.push(Set { name: "all kinds".to_owned(), patterns, events: file("e850.jsonl") });
    Ok(sets)
}

fn with_id(id: usize, pattern: &str) -> String {
    format!(r#"{{"id": "t{id}", "pattern": {pattern}}}"#)
}

fn write_lines(file: &Path, lines: impl Iterator<Item = String>) -> anyhow::Result<()> {
    let written = || {
        let mut out = BufWriter::new(File::create(file)?);
        for line in lines {
            out.write_all(line.as_bytes())?;
            out.write_all(b"\n")?;
        }
        out.flush()
    };
    written().with_context(|| format!("cannot write {}", file.display()))
}
