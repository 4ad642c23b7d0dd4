//! The queue of one stream and the task that turns it into frames.

use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tripline_event::Frame;

use super::{
    BYTES_WAITING_MAX, ENTRIES_WAITING_MAX, FRAMES_UNDER_WAY_MAX, Lanes,
    PARTIAL_FRAMES_UNDER_WAY_MAX, PLACE_TIMEOUT, stopping,
};
use crate::{Append, Error, EventLog, Stream};

type Answer = oneshot::Sender<Result<(), Error>>;

/// The way into one stream.
pub(super) struct Lane {
    room: Arc<Room>,
    queue: mpsc::Sender<Submission>,
}

/// What one call brought.
pub(super) enum Entries {
    One(Option<Bytes>),
    Many(std::vec::IntoIter<Bytes>),
}

impl Lane {
    /// Starts the task of a stream.
    pub(super) fn start(lanes: &Arc<Lanes>, stream: Stream) -> Self {
        let room = Arc::new(Room {
            entries: Semaphore::new(ENTRIES_WAITING_MAX),
            bytes: Semaphore::new(BYTES_WAITING_MAX),
        });
        // Each submission holds a place for an entry or more, so the channel never fills up before the room does.
        let (queue, submissions) = mpsc::channel(ENTRIES_WAITING_MAX);
        let gathering = Gathering {
            log: Arc::clone(&lanes.log),
            lanes: Arc::downgrade(lanes),
            stream,
            room: Arc::clone(&room),
            submissions,
            closed: false,
            open: OpenFrame::default(),
            rest: None,
            under_way: FuturesUnordered::new(),
        };
        lanes.tasks.spawn(gathering.run(lanes.stop.clone()));
        Self { room, queue }
    }

    /// Puts entries into the queue, waiting for a place.
    pub(super) async fn put(&self, entries: Entries, answer: Answer) -> Result<(), Error> {
        let places = Places::for_entries(&entries);
        match tokio::time::timeout(PLACE_TIMEOUT, self.room.take(places)).await {
            Ok(taken) => taken?,
            Err(_) => {
                let text = "too many entries wait to be appended to the stream";
                return Err(Error::Unavailable(text.to_owned()));
            }
        }
        let waiter = match &entries {
            Entries::One(_) => Waiter::One(answer),
            Entries::Many(_) => Waiter::Many(Batch::new(answer)),
        };
        let submission = Submission { entries, places, waiter };
        self.queue.try_send(submission).map_err(|_| stopping())
    }
}

impl Entries {
    fn peek(&self) -> Option<&Bytes> {
        match self {
            Self::One(entry) => entry.as_ref(),
            Self::Many(entries) => entries.as_slice().first(),
        }
    }

    fn pop(&mut self) -> Option<Bytes> {
        match self {
            Self::One(entry) => entry.take(),
            Self::Many(entries) => entries.next(),
        }
    }
}

/// How much of a queue's room a submission holds.
#[derive(Clone, Copy)]
struct Places {
    entries: u32,
    bytes: u32,
}

impl Places {
    /// What is larger than all the room takes all of it.
    fn for_entries(entries: &Entries) -> Self {
        let (count, bytes) = match entries {
            Entries::One(entry) => (1, entry.as_ref().map_or(0, Bytes::len)),
            Entries::Many(many) => (many.len(), many.as_slice().iter().map(Bytes::len).sum()),
        };
        let clamp = |value: usize, max: usize| {
            u32::try_from(value.min(max)).expect("the limits of a queue fit into u32")
        };
        Self { entries: clamp(count, ENTRIES_WAITING_MAX), bytes: clamp(bytes, BYTES_WAITING_MAX) }
    }
}

/// The room of a queue, given out in the order of asking.
struct Room {
    entries: Semaphore,
    bytes: Semaphore,
}

impl Room {
    async fn take(&self, places: Places) -> Result<(), Error> {
        let entries = self.entries.acquire_many(places.entries).await.map_err(|_| stopping())?;
        let bytes = self.bytes.acquire_many(places.bytes).await.map_err(|_| stopping())?;
        // The submission carries them from here; `give_back` returns them.
        entries.forget();
        bytes.forget();
        Ok(())
    }

    fn give_back(&self, places: Places) {
        self.entries.add_permits(places.entries as usize);
        self.bytes.add_permits(places.bytes as usize);
    }

    fn close(&self) {
        self.entries.close();
        self.bytes.close();
    }
}

/// What one call brought, on its way into frames.
struct Submission {
    entries: Entries,
    places: Places,
    waiter: Waiter,
}

/// Who is told what became of a frame.
enum Waiter {
    One(Answer),
    Many(Arc<Batch>),
}

impl Waiter {
    fn answer(self, outcome: &Result<(), Error>) {
        match self {
            Self::One(answer) => {
                // A caller that has left does not mind.
                let _ = answer.send(outcome.clone());
            }
            Self::Many(batch) => batch.settle(outcome),
        }
    }
}

/// A caller whose entries may be in several frames. Answered when the last of them is, never by being dropped.
struct Batch {
    state: Mutex<BatchState>,
}

struct BatchState {
    /// Frames without an outcome, and one more while entries are still being put into frames.
    open: usize,
    failed: Option<Error>,
    answer: Option<Answer>,
}

impl Batch {
    fn new(answer: Answer) -> Arc<Self> {
        let state = BatchState { open: 1, failed: None, answer: Some(answer) };
        Arc::new(Self { state: Mutex::new(state) })
    }

    fn enter_frame(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).open += 1;
    }

    fn settle(&self, outcome: &Result<(), Error>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let (Err(error), None) = (outcome, &state.failed) {
            state.failed = Some(error.clone());
        }
        state.open -= 1;
        if state.open == 0
            && let Some(answer) = state.answer.take()
        {
            let _ = answer.send(state.failed.take().map_or(Ok(()), Err));
        }
    }
}

/// The frame that is being gathered.
#[derive(Default)]
struct OpenFrame {
    entries: Vec<Bytes>,
    bytes: usize,
    waiters: Vec<Waiter>,
}

impl OpenFrame {
    fn fits(&self, entry: &Bytes) -> bool {
        self.entries.is_empty()
            || (self.entries.len() < Frame::ENTRIES_MAX
                && self.bytes + entry.len() <= Frame::BYTES_SOFT_MAX)
    }

    fn is_full(&self) -> bool {
        self.entries.len() >= Frame::ENTRIES_MAX || self.bytes >= Frame::BYTES_SOFT_MAX
    }

    /// Takes entries while they fit. Whether it took any.
    fn take_from(&mut self, entries: &mut Entries) -> bool {
        let before = self.entries.len();
        while entries.peek().is_some_and(|entry| self.fits(entry))
            && let Some(entry) = entries.pop()
        {
            self.bytes += entry.len();
            self.entries.push(entry);
        }
        self.entries.len() > before
    }
}

/// The task of one stream.
struct Gathering {
    log: Arc<dyn EventLog>,
    lanes: Weak<Lanes>,
    stream: Stream,
    room: Arc<Room>,
    submissions: mpsc::Receiver<Submission>,
    /// Whether the queue has ended: nothing more comes in.
    closed: bool,
    open: OpenFrame,
    /// What did not fit into the open frame, which is thereby full.
    rest: Option<Submission>,
    under_way: FuturesUnordered<UnderWay>,
}

impl Gathering {
    async fn run(mut self, stop: CancellationToken) {
        let mut stopped = false;
        loop {
            self.gather();
            while self.may_send() {
                self.send();
                self.gather();
            }
            if self.closed && self.open.entries.is_empty() && self.under_way.is_empty() {
                return;
            }
            tokio::select! {
                Some((waiters, outcome)) = self.under_way.next() => self.settle(waiters, &outcome),
                submission = self.submissions.recv(), if !self.closed && !self.is_full() => {
                    match submission {
                        Some(submission) => self.pour(submission),
                        None => self.closed = true,
                    }
                }
                () = stop.cancelled(), if !stopped => {
                    stopped = true;
                    self.room.close();
                    self.submissions.close();
                }
            }
        }
    }

    fn is_full(&self) -> bool {
        self.rest.is_some() || self.open.is_full()
    }

    /// Moves what waits into the open frame, as far as it fits.
    fn gather(&mut self) {
        if let Some(rest) = self.rest.take() {
            self.pour(rest);
        }
        while !self.is_full() {
            match self.submissions.try_recv() {
                Ok(submission) => self.pour(submission),
                Err(_) => return,
            }
        }
    }

    fn pour(&mut self, mut submission: Submission) {
        let entered = self.open.take_from(&mut submission.entries);
        let done = submission.entries.peek().is_none();
        if done {
            self.room.give_back(submission.places);
        }
        match (submission.waiter, done) {
            (Waiter::Many(batch), false) => {
                if entered {
                    batch.enter_frame();
                    self.open.waiters.push(Waiter::Many(Arc::clone(&batch)));
                }
                self.rest = Some(Submission { waiter: Waiter::Many(batch), ..submission });
            }
            // The last frame settles the share that the batch held for being put into frames.
            (waiter, true) => self.open.waiters.push(waiter),
            (waiter @ Waiter::One(_), false) => {
                self.rest = Some(Submission { waiter, ..submission });
            }
        }
    }

    fn may_send(&self) -> bool {
        let limit =
            if self.is_full() { FRAMES_UNDER_WAY_MAX } else { PARTIAL_FRAMES_UNDER_WAY_MAX };
        !self.open.entries.is_empty() && self.under_way.len() < limit
    }

    fn send(&mut self) {
        let OpenFrame { entries, waiters, .. } = mem::take(&mut self.open);
        let append = self.log.append(self.stream, Frame::new(entries));
        self.under_way.push(UnderWay { append, waiters });
    }

    fn settle(&self, waiters: Vec<Waiter>, outcome: &Result<(), Error>) {
        if matches!(outcome, Err(Error::NoStream(_)))
            && let Some(lanes) = self.lanes.upgrade()
        {
            lanes.retire(self.stream);
        }
        for waiter in waiters {
            waiter.answer(outcome);
        }
    }
}

/// A frame that the log has, and who waits for its answer.
struct UnderWay {
    append: Append,
    waiters: Vec<Waiter>,
}

impl Future for UnderWay {
    type Output = (Vec<Waiter>, Result<(), Error>);

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let outcome = ready!(self.append.as_mut().poll(context));
        Poll::Ready((mem::take(&mut self.waiters), outcome))
    }
}
