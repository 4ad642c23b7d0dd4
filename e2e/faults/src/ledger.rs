//! What was sent, what was promised of it, and how the promises were answered.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

/// What an event is for. Its id begins with the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// Its function answers 200.
    Run,
    /// Its function answers 422: it must end as a dead letter.
    Refuse,
    /// As `Run`; shows when the system works again.
    Probe,
    /// As `Run`, but nobody publishes it: an object in a bucket, whose key is the id.
    Object,
}

impl Class {
    pub(crate) const ALL: [Self; 4] = [Self::Run, Self::Refuse, Self::Probe, Self::Object];

    /// The name of its function and trigger, and what its ids begin with.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Refuse => "refuse",
            Self::Probe => "probe",
            Self::Object => "object",
        }
    }

    /// The class of the event with this id.
    pub(crate) fn of(id: &str) -> Option<Self> {
        let (name, _) = id.split_once('-')?;
        Self::ALL.into_iter().find(|class| class.name() == name)
    }
}

/// Every event that was sent.
#[derive(Debug, Default)]
pub struct Ledger {
    pages: Mutex<Pages>,
}

#[derive(Debug, Default)]
struct Pages {
    /// Whether each event that was sent was accepted.
    events: BTreeMap<String, bool>,
    accepted: u64,
    under_way: u64,
    answers: Answers,
}

/// How the gateway answered.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    /// How often each status came.
    pub by_status: BTreeMap<u16, u64>,
    /// Connections that were refused, or broke before the answer.
    pub broken_off: u64,
    /// Requests that were given up for the lack of an answer.
    pub hung: u64,
    /// The longest time to any answer.
    pub slowest: Duration,
    /// The longest time to an answer that refused.
    pub slowest_refusal: Duration,
}

impl Answers {
    /// How often the gateway said that it cannot promise.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.by_status.get(&503).copied().unwrap_or_default()
    }
}

impl Ledger {
    /// Notes that an event is about to be sent, perhaps again.
    pub(crate) fn send(&self, id: &str) {
        self.write(id);
        self.pages().under_way += 1;
    }

    /// Notes that something is about to become an event in another way than by publishing.
    pub(crate) fn write(&self, id: &str) {
        self.pages().events.entry(id.to_owned()).or_insert(false);
    }

    /// Notes that the event must arrive.
    pub(crate) fn keep(&self, id: &str) {
        let mut pages = self.pages();
        let before = pages.events.insert(id.to_owned(), true);
        pages.accepted += u64::from(before != Some(true));
    }

    /// Notes the answer, and with 202 that the event was accepted.
    pub(crate) fn answered(&self, id: &str, status: u16, took: Duration) {
        let mut pages = self.pages();
        pages.under_way -= 1;
        *pages.answers.by_status.entry(status).or_default() += 1;
        pages.answers.slowest = pages.answers.slowest.max(took);
        if status != 202 {
            pages.answers.slowest_refusal = pages.answers.slowest_refusal.max(took);
        }
        drop(pages);
        if status == 202 {
            self.keep(id);
        }
    }

    /// Notes that there was no answer: the connection broke, or it was given up.
    pub(crate) fn unanswered(&self, hung: bool) {
        let mut pages = self.pages();
        pages.under_way -= 1;
        if hung {
            pages.answers.hung += 1;
        } else {
            pages.answers.broken_off += 1;
        }
    }

    /// How many events were accepted.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.pages().accepted
    }

    /// How many requests wait for their answer.
    #[must_use]
    pub fn under_way(&self) -> u64 {
        self.pages().under_way
    }

    /// Each event that was sent, with whether it was accepted.
    #[must_use]
    pub fn events(&self) -> BTreeMap<String, bool> {
        self.pages().events.clone()
    }

    /// How the gateway answered so far.
    #[must_use]
    pub fn answers(&self) -> Answers {
        self.pages().answers.clone()
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().expect("nothing panics while it holds this lock")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_accepted_once_however_often_it_is_sent() {
        let ledger = Ledger::default();
        for status in [503, 202, 202] {
            ledger.send("run-1");
            assert_eq!(ledger.under_way(), 1);
            ledger.answered("run-1", status, Duration::from_millis(u64::from(status)));
        }
        ledger.send("run-2");
        ledger.unanswered(true);
        assert_eq!((ledger.accepted(), ledger.under_way()), (1, 0));
        let sent: Vec<_> = ledger.events().into_iter().collect();
        assert_eq!(sent, [("run-1".to_owned(), true), ("run-2".to_owned(), false)]);
        let answers = ledger.answers();
        assert_eq!((answers.refused(), answers.hung, answers.broken_off), (1, 1, 0));
        assert_eq!(answers.slowest_refusal, Duration::from_millis(503));
    }

    #[test]
    fn the_class_of_an_event_is_read_from_its_id() {
        assert_eq!(Class::of("refuse-7"), Some(Class::Refuse));
        assert_eq!(Class::of("probe-1-2"), Some(Class::Probe));
        assert_eq!(Class::of("stranger-1"), None);
        assert_eq!(Class::of("run"), None);
    }
}
