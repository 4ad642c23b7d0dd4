//! Whether the laws were kept: the ledger against what the functions, the dead letters and the statistics say.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::ledger::{Answers, Class, Ledger};

/// How long the gateway may take to say that it cannot promise.
const REFUSAL_MAX: Duration = Duration::from_secs(2);
/// How many ids the message of a broken law shows.
const IDS_SHOWN_MAX: usize = 10;

/// One call of a function.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// The id of its event.
    pub event: String,
    /// The id of its invocation.
    pub invocation: String,
}

/// `/v1/stats`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// Events taken in, copies left out.
    pub accepted: u64,
    /// Copies dropped.
    pub deduplicated: u64,
    /// Generations of invocations opened.
    pub matched: u64,
    /// Those that succeeded.
    pub delivered: u64,
    /// Those that ended dead.
    pub dead: u64,
    /// Those that were cancelled.
    pub cancelled: u64,
    /// Those that are still open.
    pub pending: u64,
}

impl Stats {
    /// How far `matched` is from what became of it. Zero when the books are right.
    #[must_use]
    pub fn unreconciled(&self) -> u64 {
        self.matched.abs_diff(self.delivered + self.dead + self.cancelled + self.pending)
    }

    /// Whether nothing is open, and every event that was taken in has led to its invocation.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.pending == 0 && self.unreconciled() == 0 && self.matched == self.accepted
    }
}

/// What became of everything.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// Events that were sent at least once.
    pub sent: u64,
    /// Events that the gateway promised to keep.
    pub accepted: u64,
    /// Events whose function took them.
    pub delivered: u64,
    /// Dead letters.
    pub dead: u64,
    /// Calls beyond the first for an event.
    pub duplicates: u64,
    /// Accepted, and neither delivered nor a dead letter.
    pub lost: Vec<String>,
    /// Delivered or dead, and never sent.
    pub phantom: Vec<String>,
    /// Delivered, and a dead letter as well.
    pub both: Vec<String>,
    /// Run under more than one invocation id.
    pub forked: Vec<String>,
    /// Calls without a valid signature.
    pub unsigned: u64,
    /// The system's own books.
    pub stats: Stats,
    /// How the gateway answered.
    pub answers: Answers,
}

impl Verdict {
    /// Compares. `arrivals` are all calls of the functions, `dead` the events of all dead letters.
    pub(crate) fn of(
        ledger: &Ledger,
        arrivals: &[Arrival],
        dead: &[String],
        unsigned: u64,
        stats: Stats,
    ) -> Self {
        let sent = ledger.events();
        let mut invocations: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for arrival in arrivals {
            invocations.entry(&arrival.event).or_default().insert(&arrival.invocation);
        }
        let dead_events: BTreeSet<&str> = dead.iter().map(String::as_str).collect();
        let takes = |id: &str| Class::of(id) != Some(Class::Refuse);
        let delivered: BTreeSet<&str> =
            invocations.keys().copied().filter(|id| takes(id)).collect();
        let ended = |id: &str| delivered.contains(id) || dead_events.contains(id);
        let accepted = || sent.iter().filter(|(_, accepted)| **accepted).map(|(id, _)| id);
        let known = |id: &&str| sent.contains_key(*id);
        let seen: BTreeSet<&str> = invocations.keys().copied().chain(dead_events.clone()).collect();
        let owned = |ids: Vec<&str>| ids.into_iter().map(str::to_owned).collect();
        Self {
            sent: sent.len() as u64,
            accepted: accepted().count() as u64,
            delivered: delivered.len() as u64,
            dead: dead.len() as u64,
            duplicates: (arrivals.len() - invocations.len()) as u64,
            lost: accepted().filter(|id| !ended(id)).cloned().collect(),
            phantom: owned(seen.into_iter().filter(|id| !known(id)).collect()),
            both: owned(delivered.intersection(&dead_events).copied().collect()),
            forked: owned(
                invocations.iter().filter(|(_, ids)| ids.len() > 1).map(|(id, _)| *id).collect(),
            ),
            unsigned,
            stats,
            answers: ledger.answers(),
        }
    }

    /// Each law that was broken, in words; none when all were kept.
    #[must_use]
    pub fn broken(&self) -> Vec<String> {
        let mut broken = Vec::new();
        for (ids, what) in [
            (&self.lost, "accepted and lost"),
            (&self.phantom, "arrived and never sent"),
            (&self.both, "both delivered and dead"),
            (&self.forked, "run under more than one invocation id"),
        ] {
            if !ids.is_empty() {
                let shown = ids.iter().take(IDS_SHOWN_MAX).cloned().collect::<Vec<_>>();
                broken.push(format!("{} events {what}: {}", ids.len(), shown.join(" ")));
            }
        }
        if self.unsigned > 0 {
            broken.push(format!("{} calls without a valid signature", self.unsigned));
        }
        let Stats { delivered, dead, .. } = self.stats;
        if !self.stats.is_settled() || (delivered, dead) != (self.delivered, self.dead) {
            broken.push(format!(
                "{} delivered and {} dead, but the statistics say {:?}",
                self.delivered, self.dead, self.stats
            ));
        }
        let answers = &self.answers;
        let strange: Vec<_> =
            answers.by_status.iter().filter(|(status, _)| ![202, 503].contains(*status)).collect();
        if !strange.is_empty() || answers.hung > 0 {
            broken
                .push(format!("{} publishes hung, and strange answers {strange:?}", answers.hung));
        }
        if answers.slowest_refusal > REFUSAL_MAX {
            broken.push(format!("a refusal took {:?}", answers.slowest_refusal));
        }
        broken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger(accepted: &[&str], unknown: &[&str]) -> Ledger {
        let ledger = Ledger::default();
        for id in accepted {
            ledger.send(id);
            ledger.answered(id, 202, Duration::ZERO);
        }
        for id in unknown {
            ledger.send(id);
            ledger.unanswered(false);
        }
        ledger
    }

    fn arrivals(of: &[(&str, &str)]) -> Vec<Arrival> {
        let arrival = |(event, invocation): &(&str, &str)| Arrival {
            event: (*event).to_owned(),
            invocation: (*invocation).to_owned(),
        };
        of.iter().map(arrival).collect()
    }

    fn settled(delivered: u64, dead: u64) -> Stats {
        let all = delivered + dead;
        Stats { accepted: all, matched: all, delivered, dead, ..Stats::default() }
    }

    #[test]
    fn what_arrived_or_is_a_dead_letter_is_not_lost_and_the_unknown_may_do_either() {
        let ledger = ledger(&["run-1", "refuse-2"], &["run-3", "run-4"]);
        let came = arrivals(&[("run-1", "a"), ("run-1", "a"), ("run-3", "c"), ("refuse-2", "b")]);
        let verdict = Verdict::of(&ledger, &came, &["refuse-2".to_owned()], 0, settled(2, 1));
        assert_eq!(verdict.broken(), Vec::<String>::new());
        assert_eq!((verdict.delivered, verdict.dead, verdict.duplicates), (2, 1, 1));
        assert_eq!((verdict.sent, verdict.accepted), (4, 2));
    }

    #[test]
    fn every_broken_law_is_named() {
        let ledger = ledger(&["run-1", "run-2", "refuse-3"], &[]);
        let came = arrivals(&[("run-2", "a"), ("run-2", "b"), ("refuse-3", "c"), ("run-9", "d")]);
        let verdict = Verdict::of(&ledger, &came, &["run-2".to_owned()], 1, settled(1, 1));
        // A refused event that is no dead letter is lost, however often its function was called.
        assert_eq!(verdict.lost, ["refuse-3", "run-1"]);
        assert_eq!(verdict.phantom, ["run-9"]);
        assert_eq!(verdict.both, ["run-2"]);
        assert_eq!(verdict.forked, ["run-2"]);
        // Lost, phantom, both, forked, unsigned, and the books.
        assert_eq!(verdict.broken().len(), 6);
    }

    #[test]
    fn a_late_or_strange_refusal_breaks_a_law() {
        let ledger = ledger(&[], &[]);
        ledger.send("run-1");
        ledger.answered("run-1", 503, REFUSAL_MAX + Duration::from_millis(1));
        ledger.send("run-1");
        ledger.answered("run-1", 500, Duration::ZERO);
        let verdict = Verdict::of(&ledger, &[], &[], 0, Stats::default());
        assert_eq!(verdict.broken().len(), 2);
    }

    #[test]
    fn books_that_do_not_add_up_are_told() {
        let stats = Stats { matched: 3, delivered: 1, accepted: 3, ..Stats::default() };
        assert_eq!((stats.unreconciled(), stats.is_settled()), (2, false));
    }
}
