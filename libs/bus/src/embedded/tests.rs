//! What the embedded log promises beyond the port: see the modules, one per kind of trouble.

mod damage;
mod limits;
mod power;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tripline_event::Frame;
use tripline_kernel::{Clock, Timestamp};

use super::lossy_disk::{Faults, LossyDisk, PowerLoss};
use super::{Disk, Log, OpenError, Options, OsDisk};
use crate::conformance::{fresh_stream, log_conformance};
use crate::{Append, Error, EventLog, Record, Retention, Stream};

const RETENTION: Retention =
    Retention { time: Duration::from_secs(7 * 24 * 60 * 60), bytes: 1 << 30 };
const DEADLINE: Duration = Duration::from_secs(30);
/// Small enough for a few frames to fill one.
const SEGMENT_BYTES: u64 = 1024;

/// A clock that stands still until it is moved.
struct TestClock(AtomicI64);

impl TestClock {
    fn new() -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(1_800_000_000_000_000)))
    }

    fn advance(&self, by: Duration) {
        self.0.fetch_add(i64::try_from(by.as_micros()).unwrap(), Ordering::Relaxed);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::Relaxed))
    }
}

fn options() -> Options {
    Options { dir: "log".into(), segment_bytes: SEGMENT_BYTES, reserve_bytes: 1 << 20 }
}

fn open(disk: &LossyDisk) -> Result<Log, OpenError> {
    Log::open(&options(), Arc::new(disk.clone()), TestClock::new())
}

fn frame(number: usize) -> Frame {
    Frame::new(vec![Bytes::from(format!("frame {number:04}, {}", "x".repeat(number % 90)))])
}

fn frames(range: std::ops::Range<usize>) -> Vec<Frame> {
    range.map(frame).collect()
}

async fn soon<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, work).await.expect("in time")
}

async fn made(log: &Log) -> Stream {
    let stream = fresh_stream();
    soon(log.create(stream, RETENTION)).await.unwrap();
    stream
}

fn submit(log: &Log, stream: Stream, frames: &[Frame]) -> Vec<Append> {
    frames.iter().map(|frame| log.append(stream, frame.clone())).collect()
}

async fn append(log: &Log, stream: Stream, frames: &[Frame]) {
    for answer in submit(log, stream, frames) {
        soon(answer).await.unwrap();
    }
}

/// Everything in the stream. Appends a frame of its own to know where that ends.
async fn all(log: &Log, stream: Stream) -> Result<Vec<Record>, Error> {
    let end = Frame::new(vec![Bytes::from(format!("the end {}", fresh_stream()))]);
    soon(log.append(stream, end.clone())).await?;
    let mut reader = log.read(stream, log.earliest(stream).await?).await?;
    let mut records: Vec<Record> = Vec::new();
    loop {
        let record = soon(reader.next()).await?;
        if record.frame == end {
            return Ok(records);
        }
        records.push(record);
    }
}

async fn all_frames(log: &Log, stream: Stream) -> Result<Vec<Frame>, Error> {
    Ok(all(log, stream).await?.into_iter().map(|record| record.frame).collect())
}

#[tokio::test]
async fn keeps_every_rule_of_the_port_on_a_real_disk() {
    let directory = tempfile::tempdir().unwrap();
    let options = Options { dir: directory.path().join("a/log"), reserve_bytes: 0, ..options() };
    log_conformance(async || {
        let disk = Arc::new(OsDisk::new(&options.dir));
        Arc::new(Log::open(&options, disk, TestClock::new()).unwrap()) as Arc<dyn EventLog>
    })
    .await;
}

#[tokio::test]
async fn keeps_every_rule_of_the_port_with_full_size_segments() {
    let directory = tempfile::tempdir().unwrap();
    let options =
        Options { dir: directory.path().to_owned(), reserve_bytes: 0, ..Options::default() };
    log_conformance(async || {
        let disk = Arc::new(OsDisk::new(&options.dir));
        Arc::new(Log::open(&options, disk, TestClock::new()).unwrap()) as Arc<dyn EventLog>
    })
    .await;
}

#[tokio::test]
async fn keeps_every_rule_of_the_port_over_power_losses() {
    let disk = LossyDisk::new();
    log_conformance(async || {
        let disk = disk.power_lost(PowerLoss::Whole);
        Arc::new(open(&disk).unwrap()) as Arc<dyn EventLog>
    })
    .await;
}

#[tokio::test]
async fn a_second_process_is_told_that_the_directory_is_in_use() {
    let directory = tempfile::tempdir().unwrap();
    let options = Options { dir: directory.path().to_owned(), ..options() };
    let open = || Log::open(&options, Arc::new(OsDisk::new(&options.dir)), TestClock::new());
    let first = open().unwrap();
    assert!(matches!(open(), Err(OpenError::Locked { .. })));
    drop(first);
    open().unwrap();
}

#[tokio::test]
async fn a_reader_hears_that_the_log_was_closed() {
    let log = open(&LossyDisk::new()).unwrap();
    let stream = made(&log).await;
    append(&log, stream, &[frame(0)]).await;
    let mut reader = log.read(stream, 0).await.unwrap();
    drop(log);
    assert_eq!(soon(reader.next()).await.unwrap().frame, frame(0), "what is there can be read");
    assert!(matches!(soon(reader.next()).await, Err(Error::Unavailable(_))));
}

#[tokio::test]
async fn a_deletion_that_is_cut_short_leaves_a_stream_that_can_be_deleted() {
    for operations_left in 0.. {
        let disk = LossyDisk::new();
        let log = open(&disk).unwrap();
        let stream = made(&log).await;
        append(&log, stream, &frames(0..60)).await;
        disk.set_faults(Faults { operations_left: Some(operations_left), ..Faults::default() });
        let answer = soon(log.delete(stream)).await;
        drop(log);

        let disk = disk.power_lost(PowerLoss::Torn(operations_left as u64));
        let log = open(&disk).unwrap();
        if log.earliest(stream).await.is_ok() {
            assert!(answer.is_err(), "what was deleted does not come back");
            all(&log, stream).await.unwrap();
            soon(log.delete(stream)).await.unwrap();
        }
        assert!(matches!(log.earliest(stream).await, Err(Error::NoStream(_))));
        drop(log);
        assert!(open(&disk).unwrap().earliest(stream).await.is_err());
        if answer.is_ok() {
            assert!(operations_left > 4, "the stream has several segments");
            return;
        }
    }
}

#[tokio::test]
async fn a_full_disk_takes_a_deletion() {
    let disk = LossyDisk::new();
    let log = open(&disk).unwrap();
    let stream = made(&log).await;
    append(&log, stream, &[frame(0)]).await;
    disk.set_free_bytes(0);
    assert!(matches!(soon(log.append(stream, frame(1))).await, Err(Error::Unavailable(_))));
    soon(log.delete(stream)).await.unwrap();
}

#[tokio::test]
async fn offsets_count_from_zero_over_segments_and_restarts() {
    let disk = LossyDisk::new();
    let log = open(&disk).unwrap();
    let stream = made(&log).await;
    append(&log, stream, &frames(0..60)).await;
    drop(log);
    assert!(disk.list().unwrap().len() > 2, "the stream has several segments");
    let records = all(&open(&disk).unwrap(), stream).await.unwrap();
    let expected = (0..60).map(|n| Record { offset: n as u64, frame: frame(n) });
    assert_eq!(records, expected.collect::<Vec<_>>());
}
