//! The bounded queue between the callers of the log and its one writer.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Instant;

use bytes::Bytes;
use tokio::sync::oneshot;
use tripline_event::Frame;

use crate::{Error, Retention, Stream};

/// Most frames that wait for the writer; an append beyond is refused.
const FRAMES_WAITING_MAX: usize = 8192;
/// Most bytes that wait for the writer. A larger frame is taken when nothing else waits.
const BYTES_WAITING_MAX: usize = 64 << 20;
/// The writer takes frames for one round until they have this many bytes.
const ROUND_BYTES_MAX: usize = 8 << 20;
/// How many places an empty queue keeps.
const FRAMES_KEPT: usize = 64;

/// Who is told what became of a command.
pub(super) type Answer = oneshot::Sender<Result<(), Error>>;

/// What the writer is asked to do.
pub(super) enum Command {
    Append(Submission),
    Create { stream: Stream, retention: Retention, answer: Answer },
    Delete { stream: Stream, answer: Answer },
}

/// A frame to append, encoded by its caller.
pub(super) struct Submission {
    pub(super) stream: Stream,
    pub(super) frame: Frame,
    pub(super) payload: Bytes,
    pub(super) payload_crc: u32,
    pub(super) answer: Answer,
}

impl Command {
    pub(super) fn payload_bytes(&self) -> usize {
        match self {
            Self::Append(submission) => submission.payload.len(),
            Self::Create { .. } | Self::Delete { .. } => 0,
        }
    }

    pub(super) fn refuse(self, error: Error) {
        let (Self::Append(Submission { answer, .. })
        | Self::Create { answer, .. }
        | Self::Delete { answer, .. }) = self;
        // A caller that has left does not mind.
        let _ = answer.send(Err(error));
    }
}

/// What the writer does next.
pub(super) enum Work {
    Round(Vec<Command>),
    /// The time that was asked for has come.
    Due,
    /// The log is closed and everything taken is done.
    Closed,
}

/// The queue. Commands leave in the order in which they came.
#[derive(Default)]
pub(super) struct Inbox {
    state: Mutex<State>,
    arrived: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Command>,
    bytes: usize,
    /// Why nothing more is taken.
    closed: Option<String>,
}

impl Inbox {
    /// Puts a command into the queue, or answers it with a refusal.
    pub(super) fn put(&self, command: Command) {
        let mut state = self.state();
        let bytes = state.bytes + command.payload_bytes();
        let full = state.waiting.len() >= FRAMES_WAITING_MAX
            || (bytes > BYTES_WAITING_MAX && !state.waiting.is_empty());
        let refusal = match &state.closed {
            Some(why) => Some(why.clone()),
            None => full.then(|| "too much waits to be written".to_owned()),
        };
        if let Some(why) = refusal {
            drop(state);
            return command.refuse(Error::Unavailable(why));
        }
        state.bytes = bytes;
        state.waiting.push_back(command);
        drop(state);
        self.arrived.notify_one();
    }

    /// Waits for something to do, at most until `due`.
    pub(super) fn take(&self, due: Instant) -> Work {
        let mut state = self.state();
        loop {
            let left = due.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Work::Due;
            }
            if !state.waiting.is_empty() {
                return Work::Round(state.take_round());
            }
            if state.closed.is_some() {
                return Work::Closed;
            }
            let (woken, _) = self
                .arrived
                .wait_timeout(state, left)
                .expect("nothing panics while it holds this lock");
            state = woken;
        }
    }

    /// Whether nothing waits.
    pub(super) fn is_idle(&self) -> bool {
        self.state().waiting.is_empty()
    }

    /// Takes nothing more, for this reason; the first one given counts. What waits stays.
    pub(super) fn close(&self, why: &str) {
        self.state().closed.get_or_insert_with(|| why.to_owned());
        self.arrived.notify_one();
    }

    /// Takes nothing more and refuses what waits.
    pub(super) fn refuse_all(&self, why: &str) {
        self.close(why);
        let refused = std::mem::take(&mut self.state().waiting);
        for command in refused {
            command.refuse(Error::Unavailable(why.to_owned()));
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it holds this lock")
    }
}

impl State {
    fn take_round(&mut self) -> Vec<Command> {
        let mut bytes = 0;
        let full = |command: &Command| {
            bytes += command.payload_bytes();
            bytes >= ROUND_BYTES_MAX
        };
        let count = self.waiting.iter().position(full).map_or(self.waiting.len(), |last| last + 1);
        let round: Vec<Command> = self.waiting.drain(..count).collect();
        self.bytes -= round.iter().map(Command::payload_bytes).sum::<usize>();
        if self.waiting.is_empty() {
            // A burst must not hold its memory for ever.
            self.waiting.shrink_to(FRAMES_KEPT);
        }
        round
    }
}
