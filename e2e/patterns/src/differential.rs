//! The same cases put to both: Tripline's matcher in this process, and event-ruler.

mod crowd;
mod defects;
mod smaller;
mod tree;

use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::path::Path;

use anyhow::Context as _;
use tripline_kernel::Classify as _;
use tripline_pattern::Pattern;

use crate::cases::Case;
use crate::ruler::Ruler;

/// Faults of patterns that are Tripline's own limits, not rules of the language.
const LIMITS: [&str; 4] = ["pattern-too-large", "too-many-fields", "too-costly", "too-deep"];

/// How many patterns that match otherwise among others are shown.
const DISSENTS_SHOWN_MAX: usize = 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verdict {
    Match,
    NoMatch,
    Invalid,
}

/// What event-ruler is asked.
#[derive(Debug, serde::Serialize)]
struct Asked<'c> {
    pattern_raw: &'c str,
    event_raw: &'c str,
    /// Whether Tripline says that it matches: where event-ruler says otherwise, it is asked in other ways too.
    ours: bool,
}

/// What event-ruler says of a case.
#[derive(Debug, serde::Deserialize)]
struct Told {
    verdict: Verdict,
    /// A number of the case is none that event-ruler can compare.
    uncomparable: bool,
    /// event-ruler says otherwise when it matches as it did by default before 2.0, or when it is asked for one alternative
    /// of each field at a time.
    #[serde(default)]
    undecided: bool,
}

/// What Tripline says of a case.
#[derive(Debug)]
struct Ours {
    verdict: Verdict,
    why: String,
    /// The pattern is refused for its size alone.
    limit: bool,
}

/// How the two answers relate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Same(Verdict),
    /// Tripline refuses the pattern for its size or cost; event-ruler has no such limit, or another one.
    Limit,
    /// event-ruler refuses the pattern, which asks with an operator that only Tripline has.
    Beyond,
    /// They differ, and a number of the case is no exact double: event-ruler compares it by its spelling, or refuses it.
    Uncomparable,
    /// They differ, and so does event-ruler from itself.
    Undecided,
    /// They differ, and the pattern holds what event-ruler is known to do wrongly: see [`defects`].
    Defect,
    Differ {
        ours: Verdict,
        theirs: Verdict,
    },
}

/// How often each outcome was.
#[derive(Debug, Default)]
struct Tally {
    matches: u64,
    no_matches: u64,
    invalid: u64,
    limit: u64,
    beyond: u64,
    uncomparable: u64,
    undecided: u64,
    defect: u64,
    differ: u64,
}

/// Compares so many cases of a seed; whether there was no disagreement. So many of these are made smaller and shown.
pub(crate) fn run(ruler: &Ruler, seed: u64, cases: u64, shown: usize) -> anyhow::Result<bool> {
    let (mut tally, mut differing) = (Tally::default(), Vec::new());
    judge(ruler, (0..cases).map(|number| Case::new(seed, number)), |number, outcome| {
        tally.count(outcome);
        if matches!(outcome, Outcome::Differ { .. }) && differing.len() < shown {
            differing.push((number, Case::new(seed, number), outcome));
        }
    })?;
    tell(seed, cases, &tally);
    let dissents = crowd::dissents(seed, cases);
    tell_dissents(&dissents);
    let smallest = smaller::smallest(
        ruler,
        differing.iter().map(|(_, case, outcome)| (case.clone(), *outcome)),
    )?;
    for ((number, case, outcome), small) in differing.iter().zip(&smallest) {
        show(*number, case, *outcome, small);
    }
    Ok(tally.differ == 0 && dissents.is_empty())
}

#[allow(clippy::print_stdout, reason = "a command reports to whoever gave it")]
fn tell(seed: u64, cases: u64, tally: &Tally) {
    println!("seed {seed}, {cases} cases");
    let same = tally.matches + tally.no_matches + tally.invalid;
    println!(
        "same answer: {same} ({} match, {} do not, {} are not valid)",
        tally.matches, tally.no_matches, tally.invalid
    );
    println!("refused for size or cost by Tripline alone: {}", tally.limit);
    println!("refused by event-ruler, for an operator that only Tripline has: {}", tally.beyond);
    println!("different, on numbers that event-ruler does not compare: {}", tally.uncomparable);
    println!("different, where event-ruler differs from itself: {}", tally.undecided);
    println!("different, on what event-ruler is known to do wrongly: {}", tally.defect);
    println!("different: {}", tally.differ);
}

#[allow(clippy::print_stdout, reason = "a command reports to whoever gave it")]
fn tell_dissents(dissents: &[crowd::Dissent]) {
    println!("different among other patterns than alone: {}", dissents.len());
    for crowd::Dissent { pattern, event, after_removal } in dissents.iter().take(DISSENTS_SHOWN_MAX)
    {
        let when = if *after_removal { ", after others were removed" } else { "" };
        println!("  the pattern of case {pattern} on the event of case {event}{when}");
    }
}

#[allow(clippy::print_stdout, reason = "a command reports to whoever gave it")]
fn show(number: u64, case: &Case, outcome: Outcome, small: &Case) {
    let ours = ours(small);
    println!("\ncase {number}: {outcome:?} {}", ours.why);
    println!("  pattern {}\n  event   {}", small.pattern_raw, small.event_raw);
    if small.pattern_raw != case.pattern_raw || small.event_raw != case.event_raw {
        println!("  was     {}\n  on      {}", case.pattern_raw, case.event_raw);
    }
}

impl Tally {
    fn count(&mut self, outcome: Outcome) {
        let counter = match outcome {
            Outcome::Same(Verdict::Match) => &mut self.matches,
            Outcome::Same(Verdict::NoMatch) => &mut self.no_matches,
            Outcome::Same(Verdict::Invalid) => &mut self.invalid,
            Outcome::Limit => &mut self.limit,
            Outcome::Beyond => &mut self.beyond,
            Outcome::Uncomparable => &mut self.uncomparable,
            Outcome::Undecided => &mut self.undecided,
            Outcome::Defect => &mut self.defect,
            Outcome::Differ { .. } => &mut self.differ,
        };
        *counter += 1;
    }
}

/// Has both judge each case, and tells how their answers relate.
fn judge(
    ruler: &Ruler,
    cases: impl Iterator<Item = Case>,
    mut tell: impl FnMut(u64, Outcome),
) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let (asked, answered) =
        (folder.path().join("cases.jsonl"), folder.path().join("answers.jsonl"));
    let mut out = BufWriter::new(File::create(&asked)?);
    let mut own = Vec::new();
    for case in cases {
        let ours = ours(&case);
        let asked = Asked {
            pattern_raw: &case.pattern_raw,
            event_raw: &case.event_raw,
            ours: ours.verdict == Verdict::Match,
        };
        serde_json::to_writer(&mut out, &asked)?;
        out.write_all(b"\n")?;
        own.push((case, ours));
    }
    out.flush()?;
    ruler.ask(&["judge", text(&asked)?, text(&answered)?])?;
    let mut lines = BufReader::new(File::open(&answered)?).lines();
    for (number, (case, ours)) in (0..).zip(own) {
        let line = lines.next().context("event-ruler answered too few cases")??;
        let told: Told = serde_json::from_str(&line).with_context(|| line.clone())?;
        tell(number, outcome(&case, &ours, &told));
    }
    Ok(())
}

fn outcome(case: &Case, ours: &Ours, told: &Told) -> Outcome {
    let pattern = &case.pattern_raw;
    match () {
        () if ours.verdict == told.verdict => Outcome::Same(ours.verdict),
        () if ours.limit => Outcome::Limit,
        () if told.verdict == Verdict::Invalid && defects::is_beyond(pattern) => Outcome::Beyond,
        () if told.uncomparable => Outcome::Uncomparable,
        () if told.undecided => Outcome::Undecided,
        () if defects::concern(pattern) => Outcome::Defect,
        () if (ours.verdict, told.verdict) == (Verdict::NoMatch, Verdict::Match)
            && defects::take_other_values_for_addresses(pattern, &case.event_raw) =>
        {
            Outcome::Defect
        }
        () => Outcome::Differ { ours: ours.verdict, theirs: told.verdict },
    }
}

fn ours(case: &Case) -> Ours {
    let pattern = match Pattern::parse(&case.pattern_raw) {
        Ok(pattern) => pattern,
        Err(error) => {
            let limit = error.faults().iter().all(|fault| LIMITS.contains(&&*fault.code));
            return Ours { verdict: Verdict::Invalid, why: error.to_string(), limit };
        }
    };
    let (verdict, why) = match pattern.is_match(case.event_raw.as_bytes()) {
        Ok(true) => (Verdict::Match, String::new()),
        Ok(false) => (Verdict::NoMatch, String::new()),
        Err(error) => (Verdict::Invalid, error.to_string()),
    };
    Ours { verdict, why, limit: false }
}

fn text(path: &Path) -> anyhow::Result<&str> {
    path.to_str().context("the folder for temporary files has a name that is not Unicode")
}
