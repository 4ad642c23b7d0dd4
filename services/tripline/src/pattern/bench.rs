//! `tripline pattern bench`: how fast many patterns are matched, and in how much memory.
//!
//! Neither file is ever held whole: what is measured is the matcher's memory, not the command's.

use std::fs::File;
use std::io::{BufRead, BufReader, Read as _, Write};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};
use tripline_pattern::{Matcher, Pattern, Scratch};

use crate::offline::{LINE_BYTES_MAX, faults, unreadable};

/// Events are read in blocks of about so many bytes, while the clock stands still.
const BLOCK_BYTES: usize = 1 << 20;

/// Match many events against many patterns, and say how long that took.
///
/// Prints one line of JSON: `{"events", "matches", "matches_by_id_sha256", "seconds", "events_per_second", "load_seconds",
/// "rss_bytes"}`. `seconds` is the matching alone, on one thread; `load_seconds` is reading, checking and installing the
/// patterns; `rss_bytes` is what the process holds in memory after the matching (null where the system does not tell).
/// `matches_by_id_sha256` is over the lines `<id>\t<count>\n` of all patterns, also those that match nothing, sorted by the
/// bytes of the id; the count is that of one pass over the events, whatever `--repeat` says. Ends with 2 if a line is wrong.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct BenchArgs {
    /// A file of patterns, one a line: `{"id", "pattern"}`. Ids are strings or numbers, each once.
    #[arg(long, value_name = "FILE")]
    patterns: PathBuf,
    /// A file of events, one a line, as JSON.
    #[arg(long, value_name = "FILE")]
    events: PathBuf,
    /// How often to match all events.
    #[arg(long, value_name = "N", default_value = "1")]
    repeat: NonZeroU32,
}

/// One line of the file of patterns. The pattern's text counts, as it is.
#[derive(Deserialize)]
struct Given<'l> {
    #[serde(borrow)]
    id: &'l RawValue,
    #[serde(borrow)]
    pattern: &'l RawValue,
}

#[derive(Debug, Serialize)]
struct Measured {
    events: u64,
    matches: u64,
    matches_by_id_sha256: String,
    seconds: f64,
    events_per_second: f64,
    load_seconds: f64,
    rss_bytes: Option<u64>,
}

/// Measures, and writes the one line.
pub(super) fn run(args: &BenchArgs, out: &mut impl Write) -> Result<ExitCode, String> {
    let measured = measure(args)?;
    let written = serde_json::to_writer(&mut *out, &measured).map_err(std::io::Error::from);
    written.and_then(|()| out.write_all(b"\n")).map_err(|error| error.to_string())?;
    Ok(ExitCode::SUCCESS)
}

fn measure(args: &BenchArgs) -> Result<Measured, String> {
    let start = Instant::now();
    let (matcher, ids) = load(&args.patterns)?;
    let load_seconds = start.elapsed().as_secs_f64();
    let mut tally = Tally { counts: vec![0; matcher.len()], ..Tally::default() };
    for pass in 0..args.repeat.get() {
        let mut events = Lines::open(&args.events)?;
        let mut block = Block::default();
        while block.fill(&mut events)? {
            if pass == 0 {
                block.check(&args.events)?;
            }
            tally.match_all(&matcher, &block, pass == 0, &args.events)?;
        }
    }
    let rss_bytes = resident();
    let seconds = tally.spent.as_secs_f64();
    #[allow(clippy::cast_precision_loss, reason = "nobody matches 2^53 events")]
    let events_per_second = if seconds > 0.0 { tally.events as f64 / seconds } else { 0.0 };
    Ok(Measured {
        events: tally.events,
        matches: tally.matches,
        matches_by_id_sha256: digest(&ids, &tally.counts),
        seconds,
        events_per_second,
        load_seconds,
        rss_bytes,
    })
}

/// What was counted, and the time that the matching took.
#[derive(Default)]
struct Tally {
    events: u64,
    matches: u64,
    /// By key of the pattern, in the first pass.
    counts: Vec<u64>,
    spent: Duration,
    scratch: Scratch,
    matched: Vec<u32>,
}

impl Tally {
    fn match_all(
        &mut self,
        matcher: &Matcher<u32>,
        block: &Block,
        first_pass: bool,
        file: &Path,
    ) -> Result<(), String> {
        let start = Instant::now();
        for (event, line) in block.events() {
            let matched = matcher.matches(event, &mut self.scratch, &mut self.matched);
            matched.map_err(|error| wrong(file, line, &error))?;
            self.matches += self.matched.len() as u64;
            if first_pass {
                for &key in &self.matched {
                    self.counts[key as usize] += 1;
                }
            }
        }
        self.spent += start.elapsed();
        self.events += block.ends.len() as u64;
        Ok(())
    }
}

/// Reads, checks and installs all patterns: under their number in the file, counted from 0.
fn load(file: &Path) -> Result<(Matcher<u32>, Ids), String> {
    let (mut matcher, mut ids) = (Matcher::new(), Ids::default());
    let mut lines = Lines::open(file)?;
    while let Some((line, number)) = lines.next()? {
        let given: Given<'_> =
            serde_json::from_slice(line).map_err(|error| wrong(file, number, &error))?;
        let pattern = Pattern::parse(given.pattern.get())
            .map_err(|error| wrong(file, number, &faults(&error)))?;
        let key =
            u32::try_from(matcher.len()).map_err(|_| wrong(file, number, &"too many patterns"))?;
        ids.push(given.id.get()).map_err(|why| wrong(file, number, &why))?;
        matcher.install(key, &pattern);
    }
    if let Some(twice) = ids.twice() {
        return Err(format!("{}: the id {twice} stands twice", file.display()));
    }
    Ok((matcher, ids))
}

/// The ids of patterns, by key: one text, and where each ends in it.
#[derive(Default)]
struct Ids {
    text: String,
    ends: Vec<usize>,
}

impl Ids {
    /// Takes the next id, from its JSON.
    fn push(&mut self, json: &str) -> Result<(), &'static str> {
        match json.as_bytes().first() {
            Some(b'"') => {
                let text: String =
                    serde_json::from_str(json).map_err(|_| "an id is a string or a number")?;
                self.text.push_str(&text);
            }
            Some(b'-' | b'0'..=b'9') => self.text.push_str(json),
            _ => return Err("an id is a string or a number"),
        }
        self.ends.push(self.text.len());
        Ok(())
    }

    fn get(&self, key: usize) -> &str {
        let start = key.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.text[start..self.ends[key]]
    }

    /// All keys, in the order of their ids' bytes.
    fn sorted(&self) -> Vec<usize> {
        let mut keys: Vec<_> = (0..self.ends.len()).collect();
        keys.sort_unstable_by_key(|&key| self.get(key));
        keys
    }

    fn twice(&self) -> Option<&str> {
        let keys = self.sorted();
        let mut pairs = keys.windows(2).map(|pair| (self.get(pair[0]), self.get(pair[1])));
        pairs.find(|(one, other)| one == other).map(|(id, _)| id)
    }
}

fn digest(ids: &Ids, counts: &[u64]) -> String {
    let mut hash = Sha256::new();
    for key in ids.sorted() {
        hash.update(format!("{}\t{}\n", ids.get(key), counts[key]));
    }
    HEXLOWER.encode(&hash.finalize())
}

/// The lines of a file that are not blank.
struct Lines<'f> {
    path: &'f Path,
    reader: BufReader<File>,
    line: Vec<u8>,
    number: u64,
}

impl<'f> Lines<'f> {
    fn open(path: &'f Path) -> Result<Self, String> {
        let file = File::open(path).map_err(|error| unreadable(path, &error))?;
        Ok(Self { path, reader: BufReader::new(file), line: Vec::new(), number: 0 })
    }

    /// The next line, and its number.
    fn next(&mut self) -> Result<Option<(&[u8], u64)>, String> {
        loop {
            self.line.clear();
            let mut bounded = self.reader.by_ref().take(LINE_BYTES_MAX + 1);
            let read = bounded.read_until(b'\n', &mut self.line);
            let read = read.map_err(|error| unreadable(self.path, &error))?;
            self.number += 1;
            if read as u64 > LINE_BYTES_MAX {
                let why = format!("a line has at most {LINE_BYTES_MAX} bytes");
                return Err(wrong(self.path, self.number, &why));
            }
            if read == 0 {
                return Ok(None);
            }
            if !self.line.trim_ascii().is_empty() {
                return Ok(Some((self.line.trim_ascii(), self.number)));
            }
        }
    }
}

/// Some events, with the numbers of their lines.
#[derive(Default)]
struct Block {
    text: Vec<u8>,
    /// Where each event ends in the text, and its line.
    ends: Vec<(usize, u64)>,
}

impl Block {
    /// Takes the next events in place of those before; whether there were any.
    fn fill(&mut self, lines: &mut Lines<'_>) -> Result<bool, String> {
        self.text.clear();
        self.ends.clear();
        while self.text.len() < BLOCK_BYTES {
            let Some((line, number)) = lines.next()? else { break };
            self.text.extend_from_slice(line);
            self.ends.push((self.text.len(), number));
        }
        Ok(!self.ends.is_empty())
    }

    /// Refuses what is not JSON: a matcher is not asked to tell.
    fn check(&self, file: &Path) -> Result<(), String> {
        let everything = Pattern::everything();
        for (event, line) in self.events() {
            everything.is_match(event).map_err(|error| wrong(file, line, &error))?;
        }
        Ok(())
    }

    fn events(&self) -> impl Iterator<Item = (&[u8], u64)> {
        let mut start = 0;
        self.ends.iter().map(move |&(end, line)| {
            let event = &self.text[start..end];
            start = end;
            (event, line)
        })
    }
}

fn wrong(file: &Path, line: u64, why: &dyn std::fmt::Display) -> String {
    format!("{}, line {line}: {why}", file.display())
}

/// What the process holds in memory, as Linux tells it.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;
    use std::path::{Path, PathBuf};

    use sha2::{Digest as _, Sha256};

    use super::{BLOCK_BYTES, BenchArgs, LINE_BYTES_MAX, measure, run};

    fn write(dir: &Path, name: &str, text: &str) -> PathBuf {
        let file = dir.join(name);
        std::fs::write(&file, text).unwrap();
        file
    }

    fn args(dir: &Path, patterns: &str, events: &str, repeat: u32) -> BenchArgs {
        BenchArgs {
            patterns: write(dir, "patterns.jsonl", patterns),
            events: write(dir, "events.jsonl", events),
            repeat: NonZeroU32::new(repeat).unwrap(),
        }
    }

    const PATTERNS: &str = concat!(
        r#"{"id": "b\u0061", "pattern": {"a": [1]}}"#,
        "\n",
        r#"{"pattern": {"a": [3.0e2, {"numeric": ["<", 2]}]}, "id": 10}"#,
        "\n",
        r#"{"id": "9", "pattern": {"none": ["x"]}}"#,
    );
    const EVENTS: &str = "{\"a\": 1}\n\n {\"a\": 300}\n{\"a\": 4}\n";

    #[test]
    fn matches_are_counted_and_their_digest_does_not_depend_on_how_often() {
        let dir = tempfile::tempdir().unwrap();
        let once = measure(&args(dir.path(), PATTERNS, EVENTS, 1)).unwrap();
        assert_eq!((once.events, once.matches), (3, 3));
        let expected = Sha256::digest("10\t2\n9\t0\nba\t1\n");
        assert_eq!(once.matches_by_id_sha256, data_encoding::HEXLOWER.encode(&expected));
        let thrice = measure(&args(dir.path(), PATTERNS, EVENTS, 3)).unwrap();
        assert_eq!((thrice.events, thrice.matches), (9, 9));
        assert_eq!(thrice.matches_by_id_sha256, once.matches_by_id_sha256);
        assert!(thrice.seconds > 0.0 && thrice.load_seconds > 0.0);
        assert!(cfg!(not(target_os = "linux")) || thrice.rss_bytes > Some(0));
    }

    #[test]
    fn one_line_of_json_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let mut out = Vec::new();
        run(&args(dir.path(), PATTERNS, EVENTS, 1), &mut out).unwrap();
        let told: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(out.iter().filter(|&&byte| byte == b'\n').count(), 1);
        let names: Vec<_> = told.as_object().unwrap().keys().map(String::as_str).collect();
        let expected = [
            "events",
            "matches",
            "matches_by_id_sha256",
            "seconds",
            "events_per_second",
            "load_seconds",
            "rss_bytes",
        ];
        assert_eq!(names, expected);
    }

    #[test]
    fn events_beyond_one_block_are_all_matched() {
        let dir = tempfile::tempdir().unwrap();
        let event = format!("{{\"a\": 1, \"pad\": \"{}\"}}\n", "x".repeat(BLOCK_BYTES / 3));
        let measured = measure(&args(dir.path(), PATTERNS, &event.repeat(10), 2)).unwrap();
        assert_eq!((measured.events, measured.matches), (20, 40));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_file_and_line() {
        let dir = tempfile::tempdir().unwrap();
        let fault = |patterns: &str, events: &str| {
            measure(&args(dir.path(), patterns, events, 1)).unwrap_err()
        };
        let good = r#"{"id": 1, "pattern": {"a": [1]}}"#;
        for (patterns, events, told) in [
            (format!("{good}\n\n{{"), "{}", "patterns.jsonl, line 3: "),
            (
                format!("{good}\n{{\"id\": 2, \"pattern\": {{}}}}"),
                "{}",
                "patterns.jsonl, line 2: : an empty object",
            ),
            (
                good.replace("\"id\": 1", "\"id\": true"),
                "{}",
                "line 1: an id is a string or a number",
            ),
            (good.replace("\"id\": 1,", ""), "{}", "missing field `id`"),
            (format!("{good}\n{}", good.replace("1,", "\"1\",")), "{}", "the id 1 stands twice"),
            (good.to_owned(), "{}\n\n[]", "events.jsonl, line 3: an event is a JSON object"),
            (good.to_owned(), "{\"b\": tru}", "events.jsonl, line 1: the event is not JSON"),
        ] {
            let fault = fault(&patterns, events);
            assert!(fault.contains(told), "{fault}");
        }
        let long =
            format!("{{\"a\": \"{}\"}}", "x".repeat(usize::try_from(LINE_BYTES_MAX).unwrap()));
        assert!(fault(good, &long).contains("events.jsonl, line 1: a line has at most"));
        let absent =
            BenchArgs { events: dir.path().join("absent"), ..args(dir.path(), good, "", 1) };
        assert!(measure(&absent).unwrap_err().contains("absent cannot be read"));
    }
}
