//! Full disks, retention, and frames that are too large.

use super::super::FRAME_BYTES_MAX;
use super::*;

/// As the options of these tests have it.
const RESERVE_BYTES: u64 = 1 << 20;

/// Where the stream begins, once retention has done what it has to do now.
async fn earliest(log: &Log, stream: Stream, retention: Retention) -> u64 {
    // The writer comes to this only when it is done with everything before.
    soon(log.create(stream, retention)).await.unwrap();
    log.earliest(stream).await.unwrap()
}

#[tokio::test]
async fn a_full_disk_refuses_before_the_reserve_is_used_and_goes_on_when_there_is_room() {
    let disk = LossyDisk::new();
    let log = open(&disk).unwrap();
    let stream = made(&log).await;
    disk.set_free_bytes(RESERVE_BYTES + (256 << 10));
    let large = Frame::new(vec![Bytes::from(vec![7; 16 << 10])]);
    let mut taken = 0;
    let refused = loop {
        match soon(log.append(stream, large.clone())).await {
            Ok(()) => taken += 1,
            Err(error) => break error,
        }
        assert!(disk.free_bytes().unwrap() >= RESERVE_BYTES, "the reserve is not touched");
    };
    assert!(matches!(refused, Error::Unavailable(_)) && taken > 4, "{refused}, {taken}");
    disk.set_free_bytes(RESERVE_BYTES);
    assert!(matches!(
        soon(log.create(fresh_stream(), RETENTION)).await,
        Err(Error::Unavailable(_))
    ));
    assert!(!log.failed().is_cancelled(), "a full disk is not a broken one");

    disk.set_free_bytes(RESERVE_BYTES * 2);
    soon(log.append(stream, frame(0))).await.unwrap();
    let found = all_frames(&log, stream).await.unwrap();
    assert_eq!(found.len(), taken + 1);
    assert_eq!(found.last(), Some(&frame(0)));
}

#[tokio::test]
async fn a_frame_that_is_too_large_is_refused_and_the_largest_is_taken() {
    let log = open(&LossyDisk::new()).unwrap();
    let stream = made(&log).await;
    let sized = |bytes| Frame::new(vec![Bytes::from(vec![1; bytes])]);
    let refused = soon(log.append(stream, sized(FRAME_BYTES_MAX))).await;
    assert!(matches!(refused, Err(Error::TooLarge { .. })), "its length counts too");
    let largest = sized(FRAME_BYTES_MAX - 4);
    soon(log.append(stream, largest.clone())).await.unwrap();
    assert_eq!(all_frames(&log, stream).await.unwrap(), [largest]);
}

#[tokio::test]
async fn retention_by_bytes_drops_whole_segments_and_readers_are_told_of_the_gap() {
    let disk = LossyDisk::new();
    let log = open(&disk).unwrap();
    let stream = fresh_stream();
    let retention = Retention { bytes: 4 * SEGMENT_BYTES, ..RETENTION };
    soon(log.create(stream, retention)).await.unwrap();
    append(&log, stream, &frames(0..10)).await;
    let mut lagging = log.read(stream, 0).await.unwrap();
    for number in 10..300 {
        append(&log, stream, &[frame(number)]).await;
    }
    let first = earliest(&log, stream, retention).await;
    assert!(matches!(
        log.read(stream, 0).await.map(drop),
        Err(Error::Gap { asked: 0, first: told }) if told == first
    ));
    assert!(matches!(soon(lagging.next()).await, Err(Error::Gap { asked: 0, .. })));
    let left = all_frames(&log, stream).await.unwrap();
    assert!(!left.is_empty());
    assert_eq!(left, frames(300 - left.len()..300), "all from the first on is there");
    let bytes: usize = disk.list().unwrap().iter().map(|name| disk.content(name).len()).sum();
    assert!(bytes as u64 <= retention.bytes + 2 * SEGMENT_BYTES, "{bytes} bytes are left");
    drop(log);
    let first_again = open(&disk).unwrap().earliest(stream).await.unwrap();
    assert!(first_again >= first, "retention is known after a restart");
}

#[tokio::test]
async fn retention_by_time_drops_old_segments_even_of_a_stream_at_rest() {
    let (disk, clock) = (LossyDisk::new(), TestClock::new());
    let open = || {
        let clock: Arc<TestClock> = Arc::clone(&clock);
        Log::open(&options(), Arc::new(disk.clone()), clock).unwrap()
    };
    let log = open();
    let stream = made(&log).await;
    append(&log, stream, &frames(0..100)).await;
    clock.advance(RETENTION.time / 2);
    append(&log, stream, &frames(100..200)).await;
    assert_eq!(log.earliest(stream).await.unwrap(), 0, "nothing is old yet");
    drop(log);

    clock.advance(RETENTION.time / 2 + Duration::from_secs(1));
    let log = open();
    let first = earliest(&log, stream, RETENTION).await;
    let whole = soon(async { all_frames(&log, stream).await.unwrap() }).await;
    assert!(whole.len() >= 100 && whole.ends_with(&frames(100..200)), "the newer half is kept");
    assert!((1..=100).contains(&first), "the older half is not");
    drop(log);

    clock.advance(RETENTION.time * 2);
    let log = open();
    assert_eq!(earliest(&log, stream, RETENTION).await, 201, "all 200, and the one `all` appended");
    assert_eq!(all(&log, stream).await.unwrap(), []);
}

#[tokio::test]
async fn a_stream_takes_over_another_retention_durably() {
    let disk = LossyDisk::new();
    let log = open(&disk).unwrap();
    let stream = made(&log).await;
    append(&log, stream, &frames(0..200)).await;
    let smaller = Retention { bytes: 2 * SEGMENT_BYTES, ..RETENTION };
    soon(log.create(stream, smaller)).await.unwrap();
    drop(log);
    let log = open(&disk.power_lost(PowerLoss::Whole)).unwrap();
    assert!(earliest(&log, stream, smaller).await > 100);
}
