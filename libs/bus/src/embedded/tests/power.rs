//! Power losses, killed processes and syncs that do not sync.

use super::super::SyncPoint;
use super::super::lossy_disk::Faults;
use super::*;
use crate::conformance::broken_log_rules;

/// How many frames one process appends at once in the tests that cut the power.
const FRAMES_AT_ONCE: usize = 12;

/// What a durability rule found: nothing, or what was lost.
type Verdict = Result<(), String>;

/// The rules of durability that only this log has, next to those of the port.
async fn broken_own_rules(ignored: Option<SyncPoint>) -> Vec<String> {
    let verdicts = [
        found_records_stay(ignored).await,
        found_streams_stay(ignored).await,
        dropped_segments_stay_away(ignored).await,
    ];
    verdicts.into_iter().filter_map(Result::err).collect()
}

/// Records of a process that was killed before its sync may be read by the next one; then they must not vanish.
async fn found_records_stay(ignored: Option<SyncPoint>) -> Verdict {
    let disk = LossyDisk::new();
    disk.set_faults(Faults { ignored, ..Faults::default() });
    let log = open(&disk).map_err(|error| error.to_string())?;
    let stream = made(&log).await;
    let failing = Some(SyncPoint::Records);
    disk.set_faults(Faults { ignored, failing, ..Faults::default() });
    assert!(soon(log.append(stream, frame(0))).await.is_err(), "its sync fails");
    drop(log);

    let disk = disk.killed();
    let log = open(&disk).map_err(|error| error.to_string())?;
    let mut reader = log.read(stream, 0).await.map_err(|error| error.to_string())?;
    let seen = soon(reader.next()).await.map_err(|error| error.to_string())?;
    drop(log);

    let log = open(&disk.power_lost(PowerLoss::Whole)).map_err(|error| error.to_string())?;
    let records = all(&log, stream).await.map_err(|error| error.to_string())?;
    if records == [seen] { Ok(()) } else { Err("a record that was read has vanished".to_owned()) }
}

/// A stream of a process that was killed before it was durable may be used by the next one; then it must stay.
async fn found_streams_stay(ignored: Option<SyncPoint>) -> Verdict {
    let disk = LossyDisk::new();
    let failing = Some(SyncPoint::SegmentEntry);
    disk.set_faults(Faults { ignored, failing, ..Faults::default() });
    let log = open(&disk).map_err(|error| error.to_string())?;
    let stream = fresh_stream();
    assert!(soon(log.create(stream, RETENTION)).await.is_err(), "its sync fails");
    drop(log);

    let disk = disk.killed();
    let log = open(&disk).map_err(|error| error.to_string())?;
    soon(log.create(stream, RETENTION)).await.map_err(|error| error.to_string())?;
    append(&log, stream, &[frame(0)]).await;
    drop(log);

    let log = open(&disk.power_lost(PowerLoss::Whole)).map_err(|error| error.to_string())?;
    let found = all_frames(&log, stream).await.map_err(|error| error.to_string())?;
    if found == [frame(0)] { Ok(()) } else { Err("a confirmed record is lost".to_owned()) }
}

/// What a reader was told is gone must not come back in part.
async fn dropped_segments_stay_away(ignored: Option<SyncPoint>) -> Verdict {
    let disk = LossyDisk::new();
    disk.set_faults(Faults { ignored, ..Faults::default() });
    let log = open(&disk).map_err(|error| error.to_string())?;
    let stream = fresh_stream();
    let retention = Retention { bytes: 4 * SEGMENT_BYTES, ..RETENTION };
    soon(log.create(stream, retention)).await.map_err(|error| error.to_string())?;
    append(&log, stream, &frames(0..200)).await;
    drop(log);
    let first = oldest_segment(&disk);
    assert!(first > Some(0), "retention has dropped something");
    // Looked at by hand: an open log would drop them again.
    let oldest = oldest_segment(&disk.power_lost(PowerLoss::Whole));
    if oldest == first { Ok(()) } else { Err(format!("{oldest:?} came back before {first:?}")) }
}

/// The offset with which the oldest segment on the disk begins.
fn oldest_segment(disk: &LossyDisk) -> Option<u64> {
    let names = disk.list().unwrap();
    names.iter().filter_map(|name| Some(super::super::segment::parse_name(name)?.1)).min()
}

#[tokio::test]
async fn nothing_is_lost_while_every_sync_works_and_each_is_asked_for() {
    let disk = LossyDisk::new();
    let broken = broken_log_rules(async || {
        Arc::new(open(&disk.power_lost(PowerLoss::Whole)).unwrap()) as Arc<dyn EventLog>
    });
    assert!(broken.await.is_empty());
    assert_eq!(broken_own_rules(None).await, Vec::<String>::new());
}

#[tokio::test]
async fn each_sync_that_is_taken_out_loses_something_and_the_suite_sees_it() {
    for point in SyncPoint::ALL {
        let disk = LossyDisk::new();
        disk.set_faults(Faults { ignored: Some(point), ..Faults::default() });
        let broken = broken_log_rules(async || {
            Arc::new(open(&disk.power_lost(PowerLoss::Whole)).unwrap()) as Arc<dyn EventLog>
        });
        let (port, own) = (broken.await, broken_own_rules(Some(point)).await);
        assert!(!(port.is_empty() && own.is_empty()), "nobody misses {point:?}");
    }
}

/// Cuts the power after every single operation on the disk, in the middle of pipelined appends over several segments,
/// and leaves the sectors and names that were not synced as chance will have it.
#[tokio::test]
async fn a_power_loss_at_any_moment_loses_nothing_confirmed_and_never_looks_like_damage() {
    const SEEDS: u64 = 4;
    for seed in 0..SEEDS {
        let mut operations = 0;
        while !power_cut_after(operations, seed).await {
            operations += 1;
        }
        assert!(operations > 10, "the power was cut at many moments: {operations}");
    }
}

/// Whether the work was done before the power went.
async fn power_cut_after(operations: usize, seed: u64) -> bool {
    let disk = LossyDisk::new();
    let log = open(&disk).unwrap();
    let stream = made(&log).await;
    append(&log, stream, &frames(0..4)).await;
    disk.set_faults(Faults { operations_left: Some(operations), ..Faults::default() });
    let sent = frames(0..4 + 3 * FRAMES_AT_ONCE);
    let mut confirmed = 4;
    for some in sent[4..].chunks(FRAMES_AT_ONCE) {
        for answer in submit(&log, stream, some) {
            confirmed += usize::from(soon(answer).await.is_ok());
        }
    }
    drop(log);
    let done = confirmed == sent.len();

    let disk = disk.power_lost(PowerLoss::Torn(seed.wrapping_add(operations as u64) << 20));
    let log =
        open(&disk).unwrap_or_else(|error| panic!("cut after {operations}, seed {seed}: {error}"));
    let found = all_frames(&log, stream).await.unwrap();
    assert!(
        found.len() >= confirmed,
        "cut after {operations}, seed {seed}: confirmed frames are lost"
    );
    assert_eq!(found, sent[..found.len()], "cut after {operations}, seed {seed}");
    done
}

#[tokio::test]
async fn a_failed_sync_stops_the_log_for_good_and_a_restart_mends_it() {
    let disk = LossyDisk::new();
    let log = open(&disk).unwrap();
    let stream = made(&log).await;
    append(&log, stream, &[frame(0)]).await;
    let failed = log.failed();
    assert!(!failed.is_cancelled());
    disk.set_faults(Faults { failing: Some(SyncPoint::Records), ..Faults::default() });
    assert!(matches!(soon(log.append(stream, frame(1))).await, Err(Error::Unavailable(_))));
    soon(failed.cancelled()).await;

    disk.set_faults(Faults::default());
    let syncs = disk.syncs();
    for number in 2..5 {
        assert!(matches!(
            soon(log.append(stream, frame(number))).await,
            Err(Error::Unavailable(_))
        ));
    }
    assert!(matches!(
        soon(log.create(fresh_stream(), RETENTION)).await,
        Err(Error::Unavailable(_))
    ));
    assert_eq!(disk.syncs(), syncs, "a failed sync is never tried again");
    drop(log);

    let log = open(&disk.power_lost(PowerLoss::Whole)).unwrap();
    assert_eq!(all_frames(&log, stream).await.unwrap(), [frame(0)]);
}
