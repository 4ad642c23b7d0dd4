//! Both engines on the same data, in turn: how many events a second, how long loading takes, and in how much memory.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::value::RawValue;
use tripline_pattern::{Matcher, Pattern, Scratch};

use crate::data::Set;
use crate::ruler::Ruler;

/// What one engine did with one set.
#[derive(Debug, serde::Deserialize, serde::Serialize)]
pub(crate) struct Measured {
    load_seconds: f64,
    /// How many events each pattern matched that matched any.
    counts: BTreeMap<String, u64>,
    events_per_second: f64,
    /// What the process holds in memory, the events among it.
    rss_bytes: u64,
}

/// For how long to match.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    pub(crate) warm_up: f64,
    pub(crate) seconds: f64,
    /// How often each engine takes its turn; the median counts.
    pub(crate) rounds: usize,
}

/// Measures each set with both, and prints a table. An error where their matches differ.
#[allow(clippy::print_stdout, reason = "a command reports to whoever gave it")]
pub(crate) fn run(ruler: &Ruler, sets: &[Set], times: Times) -> anyhow::Result<()> {
    println!(
        "{:<16} {:>12} {:>12} {:>6}  {:>13}  {:>15}  {:>14}",
        "", "Tripline/s", "ruler/s", "ratio", "load seconds", "MiB resident", "matches/event"
    );
    for set in sets {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..times.rounds.max(1) {
            ours.push(ask_ourselves(set, times)?);
            theirs.push(ask_ruler(ruler, set, times)?);
        }
        let (ours, theirs) = (median(ours), median(theirs));
        ensure!(
            ours.counts == theirs.counts,
            "{}: the engines do not find the same matches",
            set.name
        );
        print_row(set, &ours, &theirs)?;
    }
    Ok(())
}

#[allow(clippy::print_stdout, reason = "a command reports to whoever gave it")]
#[allow(clippy::cast_precision_loss, reason = "for people")]
fn print_row(set: &Set, ours: &Measured, theirs: &Measured) -> anyhow::Result<()> {
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let events = read_lines(&set.events)?.len();
    let matches = ours.counts.values().sum::<u64>() as f64 / events as f64;
    println!(
        "{:<16} {:>12.0} {:>12.0} {:>6.2}  {:>6.3} {:>6.3}  {:>7.1} {:>7.1}  {matches:>14.4}",
        set.name,
        ours.events_per_second,
        theirs.events_per_second,
        ours.events_per_second / theirs.events_per_second,
        ours.load_seconds,
        theirs.load_seconds,
        mib(ours.rss_bytes),
        mib(theirs.rss_bytes),
    );
    Ok(())
}

/// The measurement with the middle speed.
fn median(mut measured: Vec<Measured>) -> Measured {
    measured.sort_by(|one, other| one.events_per_second.total_cmp(&other.events_per_second));
    measured.swap_remove(measured.len() / 2)
}

fn ask_ruler(ruler: &Ruler, set: &Set, times: Times) -> anyhow::Result<Measured> {
    let (patterns, events) = (path(&set.patterns)?, path(&set.events)?);
    let told = ruler.ask(&[
        "measure",
        patterns,
        events,
        &times.warm_up.to_string(),
        &times.seconds.to_string(),
    ])?;
    serde_json::from_str(&told).context("what the Java program printed")
}

/// In a process of its own, as event-ruler is: memory is the process's.
fn ask_ourselves(set: &Set, times: Times) -> anyhow::Result<Measured> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["measure", "--patterns", path(&set.patterns)?, "--events", path(&set.events)?]);
    command.args([
        "--warm-up",
        &times.warm_up.to_string(),
        "--seconds",
        &times.seconds.to_string(),
    ]);
    let output = command.stderr(std::process::Stdio::inherit()).output()?;
    ensure!(
        output.status.success(),
        "the measurement of {} ended with {}",
        set.name,
        output.status
    );
    serde_json::from_slice(&output.stdout).context("what the measurement printed")
}

/// Measures Tripline's matcher in this process.
pub(crate) fn measure(patterns: &Path, events: &Path, times: Times) -> anyhow::Result<Measured> {
    #[derive(serde::Deserialize)]
    struct Given {
        id: String,
        pattern: Box<RawValue>,
    }
    let texts = read_lines(events)?;
    let start = Instant::now();
    let (mut matcher, mut ids) = (Matcher::<u32>::new(), Vec::new());
    let file = std::fs::File::open(patterns).with_context(|| format!("{}", patterns.display()))?;
    for line in BufReader::new(file).lines() {
        let given: Given = serde_json::from_str(&line?)?;
        matcher.install(u32::try_from(ids.len())?, &Pattern::parse(given.pattern.get())?);
        ids.push(given.id);
    }
    let load_seconds = start.elapsed().as_secs_f64();
    let (mut counts, mut scratch, mut matched) =
        (vec![0_u64; ids.len()], Scratch::default(), Vec::new());
    for text in &texts {
        matcher.matches(text.as_bytes(), &mut scratch, &mut matched)?;
        for &key in &matched {
            counts[key as usize] += 1;
        }
    }
    pass(&matcher, &texts, Duration::from_secs_f64(times.warm_up))?;
    let events_per_second = pass(&matcher, &texts, Duration::from_secs_f64(times.seconds))?;
    let counts = ids.into_iter().zip(counts).filter(|&(_, count)| count > 0).collect();
    Ok(Measured { load_seconds, counts, events_per_second, rss_bytes: resident()? })
}

/// Matches the events, in turn, until so much time is over; answers with how many that were in a second.
fn pass(matcher: &Matcher<u32>, texts: &[String], time: Duration) -> anyhow::Result<f64> {
    const EVENTS_A_LOOK: usize = 256;
    let (start, mut done) = (Instant::now(), 0_u32);
    let (mut scratch, mut matched) = (Scratch::default(), Vec::new());
    let mut texts = texts.iter().cycle();
    loop {
        for text in texts.by_ref().take(EVENTS_A_LOOK) {
            matcher.matches(text.as_bytes(), &mut scratch, &mut matched)?;
            black_box(&matched);
            done += 1;
        }
        let spent = start.elapsed();
        if spent >= time {
            return Ok(f64::from(done) / spent.as_secs_f64());
        }
    }
}

fn read_lines(file: &Path) -> anyhow::Result<Vec<String>> {
    let text = std::fs::read_to_string(file).with_context(|| format!("{}", file.display()))?;
    Ok(text.lines().map(str::to_owned).collect())
}

fn path(path: &Path) -> anyhow::Result<&str> {
    path.to_str().context("the name of the folder is not Unicode")
}

/// What this process holds in memory, as Linux tells it.
fn resident() -> anyhow::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")
        .context("only Linux tells how much memory is held")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes: u64 = line.context("no VmRSS")?.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kibibytes * 1024)
}
