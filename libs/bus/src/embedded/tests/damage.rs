//! Torn tails are cut; damage is told, never skipped.

use super::super::segment::SegmentHeader;
use super::*;

/// A disk with one stream of so many frames, each confirmed before the next.
async fn written(count: usize) -> (LossyDisk, Stream, Vec<String>) {
    let disk = LossyDisk::new();
    let log = open(&disk).unwrap();
    let stream = made(&log).await;
    for number in 0..count {
        append(&log, stream, &[frame(number)]).await;
    }
    drop(log);
    let names = disk.list().unwrap();
    (disk, stream, names)
}

fn is_corrupt(opened: &Result<Log, OpenError>) -> bool {
    matches!(opened, Err(OpenError::Corrupt { .. }))
}

#[tokio::test]
async fn a_tail_cut_at_any_byte_leaves_the_frames_before_it_and_the_log_goes_on() {
    const FRAMES: usize = 3;
    let (disk, stream, names) = written(FRAMES).await;
    let mut most = 0;
    for bytes in SegmentHeader::BYTES..=disk.content(&names[0]).len() {
        let disk = disk.copy();
        disk.tamper(&names[0], |content| content.truncate(bytes));
        let log = open(&disk).unwrap();
        let found = all_frames(&log, stream).await.unwrap();
        assert_eq!(found, frames(0..found.len()), "cut at {bytes}");
        assert!(found.len() >= most, "a longer file has no fewer frames");
        most = found.len();
        drop(log);
        let again = all(&open(&disk).unwrap(), stream).await.unwrap();
        assert_eq!(again.len(), found.len() + 1, "what was appended behind the cut is there");
    }
    assert_eq!(most, FRAMES);
}

#[tokio::test]
async fn a_stream_whose_making_was_cut_off_is_not_there() {
    let (disk, stream, names) = written(0).await;
    for bytes in 0..SegmentHeader::BYTES {
        let disk = disk.copy();
        disk.tamper(&names[0], |content| content.truncate(bytes));
        let log = open(&disk).unwrap();
        assert!(matches!(log.earliest(stream).await, Err(Error::NoStream(_))), "cut at {bytes}");
        soon(log.create(stream, RETENTION)).await.unwrap();
        append(&log, stream, &[frame(0)]).await;
    }
}

#[tokio::test]
async fn a_segment_whose_making_was_cut_off_is_made_again() {
    let (disk, stream, names) = written(60).await;
    let before: Vec<Frame> = {
        let log = open(&disk.copy()).unwrap();
        all_frames(&log, stream).await.unwrap()
    };
    let last = names.last().unwrap();
    let (_, base) = super::super::segment::parse_name(last).unwrap();
    for bytes in [0, 1, SegmentHeader::BYTES - 1] {
        let disk = disk.copy();
        disk.tamper(last, |content| content.truncate(bytes));
        let log = open(&disk).unwrap();
        let found = all_frames(&log, stream).await.unwrap();
        assert_eq!(found, before[..usize::try_from(base).unwrap()]);
    }
}

#[tokio::test]
async fn a_flipped_byte_anywhere_is_told_or_costs_no_frame() {
    const FRAMES: usize = 3;
    let (disk, stream, names) = written(FRAMES).await;
    let size = disk.content(&names[0]).len();
    let mut told = 0;
    for byte in 0..size {
        let disk = disk.copy();
        disk.tamper(&names[0], |content| content[byte] ^= 0x40);
        match open(&disk) {
            Ok(log) => {
                let found = all_frames(&log, stream).await.unwrap();
                assert_eq!(found, frames(0..FRAMES), "byte {byte}");
            }
            opened => {
                assert!(is_corrupt(&opened), "byte {byte}");
                told += 1;
            }
        }
    }
    assert!(told > size * 3 / 4, "only the mark at the end may be lost: {told} of {size}");
}

#[tokio::test]
async fn damage_in_an_earlier_segment_is_told_at_open_and_nothing_is_changed() {
    let (disk, _, names) = written(60).await;
    assert!(names.len() > 2);
    let size = disk.content(&names[1]).len();
    for byte in (0..size).step_by(7) {
        let disk = disk.copy();
        disk.tamper(&names[1], |content| content[byte] ^= 1);
        let damaged = disk.content(&names[1]);
        assert!(is_corrupt(&open(&disk)), "byte {byte}");
        assert_eq!(disk.content(&names[1]), damaged);
        assert_eq!(disk.list().unwrap(), names);
    }
    let cut = disk.copy();
    cut.tamper(&names[1], |content| content.truncate(size / 2));
    assert!(is_corrupt(&open(&cut)), "an earlier segment that is too short");
    let missing = disk.copy();
    missing.remove(&names[1]).unwrap();
    assert!(is_corrupt(&open(&missing)), "a segment that is missing");
}

#[tokio::test]
async fn damage_that_comes_after_open_is_told_to_the_reader_that_meets_it() {
    let (disk, stream, names) = written(60).await;
    let log = open(&disk).unwrap();
    disk.tamper(&names[1], |content| {
        let middle = content.len() / 2;
        content[middle] ^= 1;
    });
    let mut reader = log.read(stream, 0).await.unwrap();
    let mut read = Vec::new();
    let told = loop {
        match soon(reader.next()).await {
            Ok(record) => read.push(record.frame),
            Err(error) => break error,
        }
    };
    assert!(matches!(told, Error::Corrupt(_)), "{told}");
    assert_eq!(read, frames(0..read.len()), "what came before it was right");
    assert!(matches!(soon(reader.next()).await, Err(Error::Corrupt(_))), "and it stays so");
}

#[tokio::test]
async fn records_that_were_never_synced_are_a_torn_tail_in_any_order() {
    let (disk, stream, names) = written(2).await;
    let confirmed = disk.content(&names[0]).len();
    let log = open(&disk).unwrap();
    let faults = Faults { failing: Some(super::super::SyncPoint::Records), ..Default::default() };
    disk.set_faults(faults);
    for answer in submit(&log, stream, &frames(2..10)) {
        assert!(soon(answer).await.is_err());
    }
    drop(log);
    let disk = disk.killed();
    // The first of them is lost, some behind it are not: legal for a disk, and nobody was promised any of it.
    disk.tamper(&names[0], |content| content[confirmed..confirmed + 50].fill(0));
    let log = open(&disk).unwrap();
    assert_eq!(all_frames(&log, stream).await.unwrap(), frames(0..2));
}
