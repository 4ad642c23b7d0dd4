use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tripline_event::Frame;
use tripline_kernel::Uid;

use super::{
    BYTES_WAITING_MAX, FRAMES_UNDER_WAY_MAX, Gatherer, PARTIAL_FRAMES_UNDER_WAY_MAX, PLACE_TIMEOUT,
};
use crate::{Append, Error, EventLog, Offset, Reader, Retention, Stream};

const STREAM: Stream = Stream { bus: Uid::NIL, partition: 0 };
const DEADLINE: Duration = Duration::from_secs(10);

/// A frame that the log was asked to take; the test decides what becomes of it.
struct Call {
    entries: Vec<Bytes>,
    answer: oneshot::Sender<Result<(), Error>>,
}

/// A log that gives every append to the test.
struct ScriptedLog {
    calls: mpsc::Sender<Call>,
}

#[async_trait::async_trait]
impl EventLog for ScriptedLog {
    async fn create(&self, _: Stream, _: Retention) -> Result<(), Error> {
        Ok(())
    }

    async fn delete(&self, _: Stream) -> Result<(), Error> {
        Ok(())
    }

    fn append(&self, _: Stream, frame: Frame) -> Append {
        let (answer, answered) = oneshot::channel();
        self.calls.try_send(Call { entries: frame.into_entries(), answer }).ok().unwrap();
        async move { answered.await.unwrap() }.boxed()
    }

    async fn read(&self, stream: Stream, _: Offset) -> Result<Box<dyn Reader>, Error> {
        Err(Error::NoStream(stream.to_string()))
    }

    async fn earliest(&self, stream: Stream) -> Result<Offset, Error> {
        Err(Error::NoStream(stream.to_string()))
    }
}

struct Rig {
    gatherer: Gatherer,
    calls: Mutex<mpsc::Receiver<Call>>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Rig {
    fn new() -> Self {
        let (sender, calls) = mpsc::channel(1024);
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let log = Arc::new(ScriptedLog { calls: sender });
        let gatherer = Gatherer::new(log, tasks.clone(), stop.clone());
        Self { gatherer, calls: Mutex::new(calls), stop, tasks }
    }

    /// The next frame that the log is asked to take.
    async fn call(&self) -> Call {
        tokio::time::timeout(DEADLINE, self.calls.lock().await.recv()).await.unwrap().unwrap()
    }

    /// Calls `append` and lets it reach its lane.
    async fn append(&self, entry: impl Into<Bytes>) -> JoinHandle<Result<(), Error>> {
        let (gatherer, entry) = (self.gatherer.clone(), entry.into());
        let call = tokio::spawn(async move { gatherer.append(STREAM, entry).await });
        settle().await;
        call
    }

    async fn append_all(&self, entries: Vec<Bytes>) -> JoinHandle<Result<(), Error>> {
        let gatherer = self.gatherer.clone();
        let call = tokio::spawn(async move { gatherer.append_all(STREAM, entries).await });
        settle().await;
        call
    }

    async fn no_call(&self) {
        settle().await;
        assert!(self.calls.lock().await.try_recv().is_err(), "nothing should have left");
    }

    /// As many frames as leave before they are full.
    async fn occupy(&self) -> Vec<Call> {
        let mut calls = Vec::new();
        for _ in 0..PARTIAL_FRAMES_UNDER_WAY_MAX {
            drop(self.append("first").await);
            calls.push(self.call().await);
        }
        calls
    }
}

/// Lets every task of this single-threaded test run until it waits.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

async fn outcome(call: JoinHandle<Result<(), Error>>) -> Result<(), Error> {
    tokio::time::timeout(DEADLINE, call).await.unwrap().unwrap()
}

fn unavailable() -> Result<(), Error> {
    Err(Error::Unavailable("no".to_owned()))
}

#[tokio::test]
async fn a_lone_entry_leaves_at_once_and_is_answered_by_its_frame() {
    let rig = Rig::new();
    let call = rig.append("alone").await;
    let frame = rig.call().await;
    assert_eq!(frame.entries, ["alone"]);
    assert!(!call.is_finished(), "not before it is durable");
    frame.answer.send(Ok(())).unwrap();
    outcome(call).await.unwrap();
}

#[tokio::test]
async fn what_arrives_while_frames_are_under_way_gathers_in_order() {
    let rig = Rig::new();
    let mut busy = rig.occupy().await;
    let mut calls = Vec::new();
    for number in 0..10 {
        calls.push(rig.append(format!("{number}")).await);
    }
    rig.no_call().await;
    busy.remove(0).answer.send(Ok(())).unwrap();
    let gathered = rig.call().await;
    let expected: Vec<String> = (0..10).map(|number| number.to_string()).collect();
    assert_eq!(gathered.entries, expected);
    gathered.answer.send(Ok(())).unwrap();
    for call in calls {
        outcome(call).await.unwrap();
    }
}

#[tokio::test]
async fn full_frames_are_pipelined_up_to_the_limit_and_in_order() {
    let rig = Rig::new();
    let frames = FRAMES_UNDER_WAY_MAX + 2;
    let entries: Vec<Bytes> =
        (0..frames * Frame::ENTRIES_MAX).map(|number| Bytes::from(number.to_string())).collect();
    let call = rig.append_all(entries.clone()).await;
    let mut under_way = Vec::new();
    for _ in 0..FRAMES_UNDER_WAY_MAX {
        under_way.push(rig.call().await);
    }
    rig.no_call().await;
    let mut seen: Vec<Bytes> = under_way.iter().flat_map(|call| call.entries.clone()).collect();
    // Answers may come in any order; each makes room for one more frame.
    while let Some(frame) = under_way.pop() {
        assert!(!call.is_finished(), "a batch is answered when its last frame is");
        frame.answer.send(Ok(())).unwrap();
        settle().await;
        while seen.len() < entries.len()
            && let Ok(next) = rig.calls.lock().await.try_recv()
        {
            seen.extend(next.entries.clone());
            under_way.push(next);
        }
    }
    outcome(call).await.unwrap();
    assert_eq!(seen, entries);
}

#[tokio::test]
async fn an_error_reaches_exactly_the_entries_of_its_frame() {
    let rig = Rig::new();
    let first = rig.append("first").await;
    let second = rig.append("second").await;
    let busy = [rig.call().await, rig.call().await];
    let (third, fourth) = (rig.append("third").await, rig.append("fourth").await);
    let [a, b] = busy;
    a.answer.send(unavailable()).unwrap();
    assert!(outcome(first).await.is_err());
    let gathered = rig.call().await;
    assert_eq!(gathered.entries, ["third", "fourth"]);
    gathered.answer.send(unavailable()).unwrap();
    assert!(outcome(third).await.is_err());
    assert!(outcome(fourth).await.is_err());
    b.answer.send(Ok(())).unwrap();
    outcome(second).await.unwrap();
    let fifth = rig.append("fifth").await;
    rig.call().await.answer.send(Ok(())).unwrap();
    outcome(fifth).await.unwrap();
}

#[tokio::test]
async fn a_batch_fails_when_any_of_its_frames_does() {
    let rig = Rig::new();
    let batch = rig.append_all(vec![Bytes::from_static(b"x"); Frame::ENTRIES_MAX + 1]).await;
    let (first, second) = (rig.call().await, rig.call().await);
    assert_eq!((first.entries.len(), second.entries.len()), (Frame::ENTRIES_MAX, 1));
    first.answer.send(unavailable()).unwrap();
    second.answer.send(Ok(())).unwrap();
    assert!(outcome(batch).await.is_err());
    rig.gatherer.append_all(STREAM, Vec::new()).await.unwrap();
}

#[tokio::test]
async fn a_frame_ends_at_its_soft_limit_and_a_larger_entry_travels_alone() {
    let rig = Rig::new();
    let busy = rig.occupy().await;
    let half = Bytes::from(vec![0; Frame::BYTES_SOFT_MAX / 2 + 1]);
    let large = Bytes::from(vec![0; Frame::BYTES_SOFT_MAX + 1]);
    let call = rig.append_all(vec![half.clone(), half.clone(), large.clone(), half.clone()]).await;
    let sizes = |call: &Call| call.entries.iter().map(Bytes::len).collect::<Vec<_>>();
    let frames = [rig.call().await, rig.call().await, rig.call().await];
    assert_eq!(frames.each_ref().map(sizes), [[half.len()], [half.len()], [large.len()]]);
    for frame in busy.into_iter().chain(frames) {
        frame.answer.send(Ok(())).unwrap();
    }
    let last = rig.call().await;
    assert_eq!(sizes(&last), [half.len()]);
    last.answer.send(Ok(())).unwrap();
    outcome(call).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_finds_no_place_in_time_is_refused() {
    let rig = Rig::new();
    let large = Bytes::from(vec![0; BYTES_WAITING_MAX]);
    let mut waiting = Vec::new();
    // One leaves for each frame that may be under way, one is in the open frame, one does not fit, one fills the queue.
    for _ in 0..FRAMES_UNDER_WAY_MAX + 2 {
        waiting.push(rig.append(large.clone()).await);
    }
    let asked = tokio::time::Instant::now();
    let refused = rig.append("one too many").await;
    assert!(matches!(refused.await.unwrap(), Err(Error::Unavailable(_))));
    assert_eq!(asked.elapsed(), PLACE_TIMEOUT);
    for _ in 0..waiting.len() {
        rig.call().await.answer.send(Ok(())).unwrap();
    }
    for call in waiting {
        outcome(call).await.unwrap();
    }
}

#[tokio::test]
async fn on_stop_what_was_taken_is_finished_and_nothing_more_is_taken() {
    let rig = Rig::new();
    let busy = rig.occupy().await;
    let taken = rig.append("taken").await;
    rig.stop.cancel();
    settle().await;
    assert!(outcome(rig.append("too late").await).await.is_err());
    for call in busy {
        call.answer.send(Ok(())).unwrap();
    }
    rig.call().await.answer.send(Ok(())).unwrap();
    outcome(taken).await.unwrap();
    rig.tasks.close();
    tokio::time::timeout(DEADLINE, rig.tasks.wait()).await.unwrap();
}

#[tokio::test]
async fn the_task_of_a_stream_that_is_not_there_ends() {
    let rig = Rig::new();
    let call = rig.append("x").await;
    rig.call().await.answer.send(Err(Error::NoStream(STREAM.to_string()))).unwrap();
    assert!(matches!(outcome(call).await, Err(Error::NoStream(_))));
    rig.tasks.close();
    tokio::time::timeout(DEADLINE, rig.tasks.wait()).await.unwrap();
}
