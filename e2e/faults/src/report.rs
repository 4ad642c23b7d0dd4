//! What one run is told as.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tripline_e2e::Edition;

use crate::Fault;
use crate::fault::UPGRADE;
use crate::world::{Outcome, milliseconds};

/// What was run, and where.
#[derive(Clone, Debug)]
pub(crate) struct About {
    name: &'static str,
    what: &'static str,
    edition: Edition,
    cores: usize,
    load_average: f64,
}

impl About {
    /// On this machine, now.
    pub(crate) fn now(fault: &Fault) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string("/proc/loadavg")?;
        let first = text.split_whitespace().next().and_then(|first| first.parse().ok());
        Ok(Self {
            name: fault.name,
            what: fault.what,
            edition: fault.edition,
            cores: std::thread::available_parallelism()?.get(),
            load_average: first.unwrap_or(f64::NAN),
        })
    }
}

/// One run of a fault.
#[derive(Clone, Debug)]
pub struct Report {
    pub(crate) about: About,
    pub(crate) per_second: u32,
    pub(crate) calm: bool,
    pub(crate) outcome: Outcome,
}

/// The name of an edition, on the command line and in files.
#[must_use]
pub fn edition_name(edition: Edition) -> &'static str {
    match edition {
        Edition::Embedded => "embedded",
        Edition::Split => "split",
    }
}

impl Report {
    /// Each law that was broken; none when all were kept.
    #[must_use]
    pub fn broken(&self) -> Vec<String> {
        let verdict = &self.outcome.verdict;
        let mut broken = verdict.broken();
        if self.calm && verdict.duplicates > 0 {
            broken.push(format!("{} duplicates in a calm run", verdict.duplicates));
        }
        broken
    }

    /// The run as JSON, for the documentation.
    #[must_use]
    pub fn json(&self) -> Value {
        let (about, verdict) = (&self.about, &self.outcome.verdict);
        let answers = &verdict.answers;
        json!({
            "fault": about.name,
            "what": about.what,
            "edition": edition_name(about.edition),
            "command": self.command(),
            "commit": self.outcome.commit,
            "cores": about.cores,
            "load_average_before": about.load_average,
            "events_per_second": self.per_second,
            "steps": self.outcome.steps,
            "sent": verdict.sent,
            "accepted": verdict.accepted,
            "delivered": verdict.delivered,
            "dead": verdict.dead,
            "duplicates": verdict.duplicates,
            "lost": verdict.lost.len(),
            "phantom": verdict.phantom.len(),
            "both": verdict.both.len(),
            "unreconciled": verdict.stats.unreconciled(),
            "stats": verdict.stats,
            "refused": answers.refused(),
            "broken_off": answers.broken_off,
            "hung": answers.hung,
            "slowest_answer_ms": milliseconds(answers.slowest),
            "slowest_refusal_ms": milliseconds(answers.slowest_refusal),
            "broken_laws": self.broken(),
        })
    }

    /// How to do it again.
    fn command(&self) -> String {
        match self.about.name {
            name if name == UPGRADE.name => "just faults --upgrade-from DIR".to_owned(),
            name => {
                format!("just faults --edition {} --fault {name}", edition_name(self.about.edition))
            }
        }
    }

    /// The file of the run in a folder of results.
    #[must_use]
    pub fn file(&self, folder: &Path) -> PathBuf {
        folder.join(format!("{}-{}.json", edition_name(self.about.edition), self.about.name))
    }

    /// The run in one line.
    #[must_use]
    pub fn line(&self) -> String {
        let verdict = &self.outcome.verdict;
        let answers = &verdict.answers;
        format!(
            "{} {}: accepted {}, delivered {}, dead {}, duplicates {}, lost {}, phantom {}, both {}, unreconciled {}; \
             refused {}, broken off {}, slowest answer {:.0} ms, slowest refusal {:.0} ms",
            edition_name(self.about.edition),
            self.about.name,
            verdict.accepted,
            verdict.delivered,
            verdict.dead,
            verdict.duplicates,
            verdict.lost.len(),
            verdict.phantom.len(),
            verdict.both.len(),
            verdict.stats.unreconciled(),
            answers.refused(),
            answers.broken_off,
            milliseconds(answers.slowest),
            milliseconds(answers.slowest_refusal),
        )
    }
}
