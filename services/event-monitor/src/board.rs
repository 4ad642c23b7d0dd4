//! Collects what is wrong with single partitions into one part of the process's health.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tripline_runtime::Check;

/// Shows the process as not ready while any notice is up, or while it has not started.
#[derive(Clone)]
pub(crate) struct Board {
    check: Check,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    started: bool,
    next: u64,
    notices: BTreeMap<u64, String>,
}

impl Board {
    pub(crate) fn new(check: Check) -> Self {
        Self { check, state: Arc::default() }
    }

    /// From here on only notices keep the process from being ready.
    pub(crate) fn started(&self) {
        self.change(|state| state.started = true);
    }

    /// A place for a notice about `subject`.
    pub(crate) fn notice(&self, subject: String) -> Notice {
        let mut number = 0;
        self.change(|state| {
            number = state.next;
            state.next += 1;
        });
        Notice(Arc::new(Slot { board: self.clone(), subject, number }))
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state.lock().expect("nothing panics under this lock");
        change(&mut state);
        match state.notices.values().next() {
            _ if !state.started => {}
            None => self.check.ready(),
            Some(notice) => self.check.not_ready(notice.clone()),
        }
    }
}

/// A place for one notice. What is up is taken down when the last clone is dropped.
#[derive(Clone)]
pub(crate) struct Notice(Arc<Slot>);

struct Slot {
    board: Board,
    subject: String,
    number: u64,
}

impl Notice {
    /// Puts the notice up, in place of an earlier one.
    pub(crate) fn post(&self, reason: impl Into<String>) {
        let text = format!("{}: {}", self.0.subject, reason.into());
        self.0.board.change(|state| {
            state.notices.insert(self.0.number, text);
        });
    }

    /// Takes the notice down.
    pub(crate) fn clear(&self) {
        self.0.clear();
    }
}

impl Slot {
    fn clear(&self) {
        let up = {
            let state = self.board.state.lock().expect("nothing panics under this lock");
            state.notices.contains_key(&self.number)
        };
        if up {
            self.board.change(|state| {
                state.notices.remove(&self.number);
            });
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use tripline_runtime::Health;

    use super::Board;

    #[test]
    fn the_process_is_ready_while_no_notice_is_up() {
        let health = Health::default();
        let board = Board::new(health.part("event-monitor: routing"));
        assert_eq!(health.not_ready().len(), 1, "not started yet");
        board.started();
        let (one, two) = (board.notice("a".to_owned()), board.notice("b".to_owned()));
        assert!(health.not_ready().is_empty());
        one.post("is stuck");
        two.post("is stuck");
        assert_eq!(health.not_ready()[0].reason, "a: is stuck");
        one.clear();
        assert_eq!(health.not_ready()[0].reason, "b: is stuck");
        drop(two);
        assert!(health.not_ready().is_empty());
    }
}
