//! The rules of the event log.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tripline_event::Frame;
use tripline_kernel::Uid;

use super::{Open, Rule, numbered, numbered_up_to, sized, within};
use crate::{Append, Error, EventLog, Offset, Reader, Record, Retention, Stream};

type Log = dyn EventLog;

pub(super) const RULES: &[Rule<Log>] = &[
    Rule { name: "create-is-idempotent", check: |open| Box::pin(create_is_idempotent(open)) },
    Rule { name: "records-keep-their-order", check: |open| Box::pin(records_keep_order(open)) },
    Rule {
        name: "pipelined-appends-keep-the-order-of-calls",
        check: |open| Box::pin(pipelined(open)),
    },
    Rule { name: "an-unanswered-append-is-harmless", check: |open| Box::pin(unanswered(open)) },
    Rule { name: "what-was-confirmed-survives", check: |open| Box::pin(survives(open)) },
    Rule { name: "a-created-stream-survives", check: |open| Box::pin(created_survives(open)) },
    Rule { name: "a-read-begins-anywhere", check: |open| Box::pin(read_anywhere(open)) },
    Rule { name: "a-read-at-the-end-waits", check: |open| Box::pin(read_at_end(open)) },
    Rule { name: "a-read-beyond-the-end-waits", check: |open| Box::pin(read_beyond_end(open)) },
    Rule { name: "earliest-is-where-the-first-record-is", check: |open| Box::pin(earliest(open)) },
    Rule { name: "a-reader-follows-live", check: |open| Box::pin(follows_live(open)) },
    Rule { name: "readers-do-not-disturb-each-other", check: |open| Box::pin(two_readers(open)) },
    Rule { name: "streams-do-not-mix", check: |open| Box::pin(streams_apart(open)) },
    Rule { name: "big-frames-cross-unchanged", check: |open| Box::pin(big_frames(open)) },
    Rule { name: "a-long-history-is-read-whole", check: |open| Box::pin(long_history(open)) },
    Rule {
        name: "an-unknown-stream-is-said-to-be-so",
        check: |open| Box::pin(unknown_stream(open)),
    },
    Rule { name: "a-deleted-stream-is-gone", check: |open| Box::pin(deleted(open)) },
    Rule { name: "a-dropped-next-loses-nothing", check: |open| Box::pin(cancelled_next(open)) },
];

const RETENTION: Retention =
    Retention { time: Duration::from_secs(7 * 24 * 60 * 60), bytes: 1 << 30 };

/// A stream that nobody else uses, so that suites can share one server.
#[must_use]
pub fn fresh_stream() -> Stream {
    // Tests have no `Entropy` at hand; the standard library seeds every hasher state from the system.
    let random = || RandomState::new().hash_one(0_u8).to_be_bytes();
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&random());
    bytes[8..].copy_from_slice(&random());
    Stream { bus: Uid::from_bytes(bytes), partition: 0 }
}

async fn create_is_idempotent(open: &dyn Open<Log>) {
    let log = open.open().await;
    let stream = made(&log).await;
    let sent = numbered_up_to(2);
    append(&log, stream, &sent[0]).await;
    within("creating it again", log.create(stream, RETENTION)).await;
    append(&log, stream, &sent[1]).await;
    assert_eq!(
        frames(&read_first(&log, stream, 2).await),
        sent,
        "creating it again changes nothing"
    );
}

async fn records_keep_order(open: &dyn Open<Log>) {
    let log = open.open().await;
    let (stream, sent) = (made(&log).await, numbered_up_to(50));
    for frame in &sent {
        append(&log, stream, frame).await;
    }
    assert_eq!(frames(&read_first(&log, stream, sent.len()).await), sent);
}

async fn pipelined(open: &dyn Open<Log>) {
    let log = open.open().await;
    let (stream, sent) = (made(&log).await, numbered_up_to(200));
    let answers = submit(&log, stream, &sent);
    // The calls alone set the order, not who looks at which answer first.
    for answer in answers.into_iter().rev() {
        within("a pipelined append", answer).await;
    }
    assert_eq!(frames(&read_first(&log, stream, sent.len()).await), sent);
}

async fn unanswered(open: &dyn Open<Log>) {
    let log = open.open().await;
    let (stream, kept) = (made(&log).await, numbered_up_to(20));
    for frame in &kept {
        drop(log.append(stream, numbered(1_000)));
        append(&log, stream, frame).await;
    }
    let mut reader = reader_at_first(&log, stream).await;
    let mut seen = Vec::new();
    while seen.len() < kept.len() {
        let frame = next(&mut reader).await.frame;
        if frame != numbered(1_000) {
            seen.push(frame);
        }
    }
    assert_eq!(seen, kept, "a dropped answer leaves its own frame open, and no other");
}

async fn survives(open: &dyn Open<Log>) {
    const LIVES: usize = 4;
    const FRAMES_PER_LIFE: usize = 25;
    let (stream, sent) = (fresh_stream(), numbered_up_to(LIVES * FRAMES_PER_LIFE));
    let mut before: Vec<Record> = Vec::new();
    for life in 1..=LIVES {
        let log = open.open().await;
        within("creating the stream", log.create(stream, RETENTION)).await;
        let until_now = &sent[..life * FRAMES_PER_LIFE];
        for answer in submit(&log, stream, &until_now[before.len()..]) {
            within("an append", answer).await;
        }
        // Read as far as the newest: what was lost shows at once, and not as a wait for it.
        let records = read_up_to(&log, stream, &sent[until_now.len() - 1]).await;
        assert_eq!(frames(&records), until_now, "nothing that was confirmed is lost");
        assert_eq!(records[..before.len()], before, "records keep their place over a restart");
        before = records;
    }
}

async fn created_survives(open: &dyn Open<Log>) {
    let stream = made(&open.open().await).await;
    let log = open.open().await;
    append(&log, stream, &numbered(0)).await;
    assert_eq!(frames(&read_first(&log, stream, 1).await), [numbered(0)]);
}

async fn read_anywhere(open: &dyn Open<Log>) {
    let log = open.open().await;
    let (stream, sent) = (made(&log).await, numbered_up_to(30));
    for answer in submit(&log, stream, &sent) {
        within("an append", answer).await;
    }
    let all = read_first(&log, stream, sent.len()).await;
    for begin in [0, 1, 14, 28, 29] {
        let records = read(&log, stream, all[begin].offset, all.len() - begin).await;
        assert_eq!(records, all[begin..], "a read begins with the record at the offset asked for");
    }
}

async fn read_at_end(open: &dyn Open<Log>) {
    let log = open.open().await;
    let stream = made(&log).await;
    append(&log, stream, &numbered(0)).await;
    let last = read_first(&log, stream, 1).await[0].offset;
    let mut reader = within("reading at the end", log.read(stream, last + 1)).await;
    let sent = numbered(1);
    let (record, ()) = tokio::join!(next(&mut reader), append(&log, stream, &sent));
    assert_eq!(record.frame, sent);
    assert!(record.offset > last, "offsets rise");
}

async fn read_beyond_end(open: &dyn Open<Log>) {
    let log = open.open().await;
    let (stream, sent) = (made(&log).await, numbered_up_to(6));
    append(&log, stream, &sent[0]).await;
    let asked = read_first(&log, stream, 1).await[0].offset + 3;
    let mut reader = within("reading beyond the end", log.read(stream, asked)).await;
    let waited = async {
        for frame in &sent[1..] {
            append(&log, stream, frame).await;
        }
    };
    let (record, ()) = tokio::join!(next(&mut reader), waited);
    let all = read_first(&log, stream, sent.len()).await;
    let due = all.iter().find(|record| record.offset >= asked);
    assert_eq!(Some(&record), due, "the first record that is not before the offset asked for");
}

async fn earliest(open: &dyn Open<Log>) {
    let log = open.open().await;
    let (stream, sent) = (made(&log).await, numbered_up_to(3));
    for frame in &sent {
        append(&log, stream, frame).await;
        let first = within("asking for the start", log.earliest(stream)).await;
        let record = read(&log, stream, first, 1).await.remove(0);
        assert_eq!(record.frame, sent[0]);
        assert_eq!(
            record.offset, first,
            "while nothing has been dropped, the start is the first record"
        );
    }
}

async fn follows_live(open: &dyn Open<Log>) {
    let log = open.open().await;
    let (stream, sent) = (made(&log).await, numbered_up_to(100));
    append(&log, stream, &sent[0]).await;
    let mut reader = reader_at_first(&log, stream).await;
    assert_eq!(next(&mut reader).await.frame, sent[0]);
    for frame in &sent[1..] {
        let (record, ()) = tokio::join!(next(&mut reader), append(&log, stream, frame));
        assert_eq!(record.frame, *frame);
    }
}

async fn two_readers(open: &dyn Open<Log>) {
    let log = open.open().await;
    let (stream, sent) = (made(&log).await, numbered_up_to(40));
    for answer in submit(&log, stream, &sent) {
        within("an append", answer).await;
    }
    let mut ahead = reader_at_first(&log, stream).await;
    let mut behind = reader_at_first(&log, stream).await;
    for (place, frame) in sent.iter().enumerate() {
        assert_eq!(next(&mut ahead).await.frame, *frame);
        if place % 2 == 1 {
            assert_eq!(next(&mut behind).await.frame, sent[place / 2]);
        }
    }
    drop(ahead);
    for frame in &sent[20..] {
        assert_eq!(next(&mut behind).await.frame, *frame, "the other reader's end changes nothing");
    }
}

async fn streams_apart(open: &dyn Open<Log>) {
    let log = open.open().await;
    let first = made(&log).await;
    let second = Stream { partition: 1, ..first };
    within("creating the second stream", log.create(second, RETENTION)).await;
    let (odd, even): (Vec<usize>, Vec<usize>) = (0..40).partition(|number| number % 2 == 1);
    let answers = (0..40).map(|n| log.append(if n % 2 == 1 { first } else { second }, numbered(n)));
    for answer in answers.collect::<Vec<Append>>() {
        within("an append", answer).await;
    }
    for (stream, numbers) in [(first, odd), (second, even)] {
        let sent: Vec<Frame> = numbers.into_iter().map(numbered).collect();
        assert_eq!(frames(&read_first(&log, stream, sent.len()).await), sent);
    }
}

async fn big_frames(open: &dyn Open<Log>) {
    let log = open.open().await;
    let stream = made(&log).await;
    let many = (0..Frame::ENTRIES_MAX).map(|n| Bytes::from(vec![b'x'; n * 16])).collect();
    let sent = [
        sized(Frame::BYTES_SOFT_MAX, 1),
        Frame::new(many),
        numbered(0),
        sized(Frame::BYTES_SOFT_MAX, 2),
    ];
    for answer in submit(&log, stream, &sent) {
        within("a big append", answer).await;
    }
    assert_eq!(frames(&read_first(&log, stream, sent.len()).await), sent);
}

async fn long_history(open: &dyn Open<Log>) {
    const PIPELINED: usize = 16;
    let log = open.open().await;
    let stream = made(&log).await;
    let sent: Vec<Frame> = (0_u8..=255).map(|seed| sized(16 << 10, seed)).collect();
    for some in sent.chunks(PIPELINED) {
        for answer in submit(&log, stream, some) {
            within("an append", answer).await;
        }
    }
    assert_eq!(frames(&read_first(&log, stream, sent.len()).await), sent);
}

async fn unknown_stream(open: &dyn Open<Log>) {
    let log = open.open().await;
    let stream = fresh_stream();
    let tells = |answer: Option<Error>| matches!(answer, Some(Error::NoStream(_)));
    let answer = within("an answer to the append", answered(log.append(stream, numbered(0)))).await;
    assert!(tells(answer.err()), "an append says that there is no such stream");
    let answer = within("an answer to earliest", answered(log.earliest(stream))).await;
    assert!(tells(answer.err()), "earliest says that there is no such stream");
    let answer = within("an answer to the read", answered(log.read(stream, 0))).await;
    assert!(tells(answer.err()), "a read says that there is no such stream");
}

async fn deleted(open: &dyn Open<Log>) {
    let log = open.open().await;
    let (stream, kept) = (made(&log).await, made(&log).await);
    let sent = numbered_up_to(40);
    for frame in &sent {
        append(&log, stream, frame).await;
    }
    append(&log, kept, &sent[0]).await;
    within("deleting the stream", log.delete(stream)).await;
    within("deleting it again", log.delete(stream)).await;
    within("deleting one that never was", log.delete(fresh_stream())).await;
    let tells = |answer: Result<Offset, Error>| matches!(answer, Err(Error::NoStream(_)));
    let answer = within("an answer to earliest", answered(log.earliest(stream))).await;
    assert!(tells(answer), "a deleted stream is not there");
    drop(log);

    let log = open.open().await;
    let answer = within("an answer to earliest", answered(log.earliest(stream))).await;
    assert!(tells(answer), "a deleted stream does not come back");
    within("making it anew", log.create(stream, RETENTION)).await;
    append(&log, stream, &sent[7]).await;
    assert_eq!(frames(&read_first(&log, stream, 1).await), [sent[7].clone()], "it begins empty");
    assert_eq!(frames(&read_first(&log, kept, 1).await), [sent[0].clone()], "others stay");
}

async fn cancelled_next(open: &dyn Open<Log>) {
    let log = open.open().await;
    let (stream, sent) = (made(&log).await, numbered_up_to(100));
    append(&log, stream, &sent[0]).await;
    let mut reader = reader_at_first(&log, stream).await;
    let impatient = async {
        let mut seen = Vec::new();
        while seen.len() < sent.len() {
            tokio::select! {
                biased;
                record = reader.next() => seen.push(record?.frame),
                () = tokio::task::yield_now() => {}
            }
        }
        Ok::<_, Error>(seen)
    };
    let appending = async {
        for frame in &sent[1..] {
            append(&log, stream, frame).await;
        }
    };
    let (seen, ()) = tokio::join!(within("reading with dropped calls", impatient), appending);
    assert_eq!(seen, sent);
}

/// Any answer at all, good or bad.
async fn answered<T>(
    call: impl Future<Output = Result<T, Error>>,
) -> Result<Result<T, Error>, Error> {
    Ok(call.await)
}

async fn made(log: &Arc<Log>) -> Stream {
    let stream = fresh_stream();
    within("creating a stream", log.create(stream, RETENTION)).await;
    stream
}

async fn append(log: &Arc<Log>, stream: Stream, frame: &Frame) {
    within("an append", log.append(stream, frame.clone())).await;
}

/// Calls for all of them before any has an answer.
fn submit(log: &Arc<Log>, stream: Stream, frames: &[Frame]) -> Vec<Append> {
    frames.iter().map(|frame| log.append(stream, frame.clone())).collect()
}

async fn reader_at_first(log: &Arc<Log>, stream: Stream) -> Box<dyn Reader> {
    let first = within("asking for the start", log.earliest(stream)).await;
    within("reading", log.read(stream, first)).await
}

async fn next(reader: &mut Box<dyn Reader>) -> Record {
    within("the next record", reader.next()).await
}

/// The first `count` records of a stream that has as many.
async fn read_first(log: &Arc<Log>, stream: Stream, count: usize) -> Vec<Record> {
    let first = within("asking for the start", log.earliest(stream)).await;
    read(log, stream, first, count).await
}

/// The records of a stream up to the first that holds this frame.
async fn read_up_to(log: &Arc<Log>, stream: Stream, last: &Frame) -> Vec<Record> {
    let mut reader = reader_at_first(log, stream).await;
    let mut records: Vec<Record> = Vec::new();
    while records.last().is_none_or(|record| record.frame != *last) {
        records.push(next(&mut reader).await);
    }
    records
}

async fn read(log: &Arc<Log>, stream: Stream, from: Offset, count: usize) -> Vec<Record> {
    let mut reader = within("reading", log.read(stream, from)).await;
    let mut records: Vec<Record> = Vec::with_capacity(count);
    while records.len() < count {
        let record = next(&mut reader).await;
        let rises = records.last().is_none_or(|last| last.offset < record.offset);
        assert!(rises && record.offset >= from, "offsets rise from the one asked for");
        records.push(record);
    }
    records
}

fn frames(records: &[Record]) -> Vec<Frame> {
    records.iter().map(|record| record.frame.clone()).collect()
}
