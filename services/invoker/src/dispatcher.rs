//! Who may run now: per function, so many calls at once, and so many invocations that wait in memory.
//!
//! Pure state behind one lock that is held for moments: no task or message of its own stands between an invocation
//! and its call. What finds no room here is stored as pending and fetched later, so that a slow function holds back
//! nobody but itself. Once a function has a backlog in the store, what comes new goes there too, behind it.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::{Notify, oneshot};
use tripline_kernel::{Timestamp, Uid};

use crate::invocation::Invocation;
use crate::schedule::Schedule;

/// Most invocations of one function that wait in memory. Above what is crowded there is room for a full frame of each
/// of the usual 16 lanes.
pub(crate) const WAITING_MAX: usize = 8192;
/// A function with this many waiting in memory is crowded.
const WAITING_HIGH: usize = 1024;
/// The stored backlog is asked for more once no more than this wait in memory.
const WAITING_LOW: usize = 1024;
/// Most bytes of payloads that wait in memory, of all functions together.
const BYTES_MAX: usize = 64 << 20;
/// Those that found no room are asked for again once no more than this is taken.
const BYTES_LOW: usize = BYTES_MAX / 2;

/// An invocation in memory, ready to run.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) invocation: Box<Invocation>,
    /// Where the caller of a synchronous call waits.
    pub(crate) reply: Option<oneshot::Sender<Reply>>,
}

/// What the caller of a synchronous call gets: the answer, or why there is none.
pub(crate) type Reply = Result<tripline_target::Answer, tripline_target::Error>;

/// The queues of all functions.
pub(crate) struct Dispatcher {
    state: Mutex<State>,
    schedule: Arc<Schedule>,
    /// A function is not crowded any more.
    thinned: Notify,
}

#[derive(Default)]
struct State {
    functions: HashMap<Uid, Queue>,
    /// Payloads waiting or reserved for.
    bytes: usize,
    /// Functions with rows in the store that found no room because of the bytes of others.
    starved: HashSet<Uid>,
    draining: bool,
}

#[derive(Default)]
struct Queue {
    running: u32,
    reserved: usize,
    waiting: VecDeque<Job>,
    /// Rows that are due are in the store.
    backlog: bool,
    /// A fetch found no room: it is to be tried again once there is.
    wanted: bool,
    held_until: Option<Timestamp>,
}

impl Queue {
    /// What is still being stored does not count: it waits for the database, not for the function.
    fn is_crowded(&self) -> bool {
        self.waiting.len() >= WAITING_HIGH
            && self.running > 0
            && !self.backlog
            && self.held_until.is_none()
    }

    fn is_idle(&self) -> bool {
        self.running == 0
            && self.reserved == 0
            && self.waiting.is_empty()
            && !self.backlog
            && self.held_until.is_none()
    }
}

/// What can be fetched for a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    /// So many rows, and bytes of payload.
    For(usize, usize),
    /// Nothing; it will be put on the schedule when there is room.
    None,
    /// Nothing before then.
    HeldUntil(Timestamp),
}

impl Dispatcher {
    pub(crate) fn new(schedule: Arc<Schedule>) -> Self {
        Self { state: Mutex::default(), schedule, thinned: Notify::new() }
    }

    /// Takes room for one invocation that is about to be stored. Without room it must be stored as pending.
    pub(crate) fn reserve(&self, function: Uid, bytes: usize) -> bool {
        let mut state = self.lock();
        let (taken, draining) = (state.bytes, state.draining);
        let queue = state.functions.entry(function).or_default();
        let full = queue.waiting.len() + queue.reserved >= WAITING_MAX;
        if draining || queue.backlog || full || taken + bytes > BYTES_MAX {
            queue.backlog = true;
            return false;
        }
        queue.reserved += 1;
        state.bytes += bytes;
        true
    }

    /// Waits until none of the functions is crowded. One that cannot get better by waiting is not waited for: it has a
    /// backlog, or makes no calls.
    pub(crate) async fn thins_out(&self, functions: &[Uid]) {
        loop {
            let thinned = self.thinned.notified();
            if !self.is_any_crowded(functions) {
                return;
            }
            thinned.await;
        }
    }

    /// Gives those of the functions that are still crowded a backlog: what comes for them is stored first.
    pub(crate) fn overflow(&self, functions: &[Uid]) {
        let mut state = self.lock();
        for function in functions {
            if let Some(queue) = state.functions.get_mut(function) {
                queue.backlog |= queue.is_crowded();
            }
        }
    }

    fn is_any_crowded(&self, functions: &[Uid]) -> bool {
        let state = self.lock();
        let queues = functions.iter().filter_map(|function| state.functions.get(function));
        !state.draining && { queues }.any(Queue::is_crowded)
    }

    /// Gives back room that turned out not to be needed.
    pub(crate) fn release(&self, function: Uid, bytes: usize, now: Timestamp) {
        let mut state = self.lock();
        if let Some(queue) = state.functions.get_mut(&function) {
            queue.reserved = queue.reserved.saturating_sub(1);
        }
        self.freed(&mut state, function, bytes, now);
    }

    /// Puts in a job that has room reserved, behind those that wait. Gives back the job to run now, if a slot is free;
    /// whoever gets it calls [`Dispatcher::next`] when it is done. Once draining it lets the job go, as it did the others.
    pub(crate) fn put(&self, job: Job, limit: u32, now: Timestamp) -> Option<Job> {
        let mut state = self.lock();
        let function = job.invocation.function;
        if state.draining {
            return None;
        }
        let queue = state.functions.entry(function).or_default();
        queue.reserved = queue.reserved.saturating_sub(1);
        queue.waiting.push_back(job);
        self.pop(&mut state, function, limit, now)
    }

    /// The next job of a function with a free slot.
    pub(crate) fn take(&self, function: Uid, limit: u32, now: Timestamp) -> Option<Job> {
        self.pop(&mut self.lock(), function, limit, now)
    }

    /// Ends a job and gives the next one of its function, in the same slot.
    pub(crate) fn next(&self, function: Uid, limit: u32, now: Timestamp) -> Option<Job> {
        let mut state = self.lock();
        if let Some(queue) = state.functions.get_mut(&function) {
            queue.running -= 1;
        }
        let job = self.pop(&mut state, function, limit, now);
        if job.is_none() && state.functions.get(&function).is_some_and(Queue::is_idle) {
            state.functions.remove(&function);
        }
        job
    }

    fn pop(&self, state: &mut State, function: Uid, limit: u32, now: Timestamp) -> Option<Job> {
        let draining = state.draining;
        let queue = state.functions.get_mut(&function)?;
        if queue.held_until.is_some_and(|until| until <= now) {
            queue.held_until = None;
        }
        if draining || queue.running >= limit || queue.held_until.is_some() {
            return None;
        }
        let job = queue.waiting.pop_front()?;
        queue.running += 1;
        self.freed(state, function, job.invocation.payload.body.len(), now);
        Some(job)
    }

    /// Something left the waiting room: whoever waits outside may come.
    fn freed(&self, state: &mut State, function: Uid, bytes: usize, now: Timestamp) {
        state.bytes = state.bytes.saturating_sub(bytes);
        if state.draining {
            return;
        }
        if let Some(queue) = state.functions.get_mut(&function) {
            if queue.waiting.len() + 1 == WAITING_HIGH {
                self.thinned.notify_waiters();
            }
            if queue.wanted && queue.waiting.len() + queue.reserved <= WAITING_LOW {
                queue.wanted = false;
                self.schedule.at(function, now);
            }
        }
        if state.bytes <= BYTES_LOW {
            for starved in state.starved.drain() {
                self.schedule.at(starved, now);
            }
        }
    }

    /// How much may be fetched for the function.
    pub(crate) fn room(&self, function: Uid, now: Timestamp) -> Room {
        let mut state = self.lock();
        if state.draining {
            return Room::None;
        }
        let bytes = BYTES_MAX.saturating_sub(state.bytes);
        let queue = state.functions.entry(function).or_default();
        if let Some(until) = queue.held_until.filter(|&until| until > now) {
            return Room::HeldUntil(until);
        }
        queue.wanted = queue.waiting.len() + queue.reserved > WAITING_LOW;
        if queue.wanted {
            return Room::None;
        }
        let rows = WAITING_MAX - queue.waiting.len() - queue.reserved;
        if bytes < BYTES_MAX / 8 {
            state.starved.insert(function);
            return Room::None;
        }
        Room::For(rows, bytes)
    }

    /// Puts in fetched jobs, which need no reservation. `more` says whether the store has others that are due.
    pub(crate) fn fetched(&self, function: Uid, jobs: Vec<Job>, more: bool) {
        let mut state = self.lock();
        state.bytes += jobs.iter().map(|job| job.invocation.payload.body.len()).sum::<usize>();
        let queue = state.functions.entry(function).or_default();
        queue.waiting.extend(jobs);
        queue.backlog = more;
        if queue.is_idle() {
            state.functions.remove(&function);
        }
    }

    /// Calls the function no more until then.
    pub(crate) fn hold(&self, function: Uid, until: Timestamp) {
        let mut state = self.lock();
        let queue = state.functions.entry(function).or_default();
        queue.held_until = queue.held_until.max(Some(until));
        drop(state);
        self.schedule.at(function, until);
    }

    /// Until when the function is not called.
    pub(crate) fn held_until(&self, function: Uid, now: Timestamp) -> Option<Timestamp> {
        let state = self.lock();
        state.functions.get(&function)?.held_until.filter(|&until| until > now)
    }

    /// Starts no more jobs. Those that waited stay owned by the epoch, which gives them back when it ends; callers that
    /// wait for them are let go.
    pub(crate) fn drain(&self) {
        let mut state = self.lock();
        state.draining = true;
        self.thinned.notify_waiters();
        for queue in state.functions.values_mut() {
            queue.waiting.clear();
        }
    }

    /// How many jobs wait and run, for the metrics.
    pub(crate) fn load(&self) -> (usize, usize) {
        let state = self.lock();
        let queues = state.functions.values();
        queues.fold((0, 0), |(waiting, running), queue| {
            (waiting + queue.waiting.len(), running + queue.running as usize)
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it holds this lock")
    }
}

#[cfg(test)]
mod tests;
