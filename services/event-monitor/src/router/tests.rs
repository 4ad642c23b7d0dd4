//! What a router promises, against fakes of all that it meets. Time is virtual.

mod fakes;
mod model;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tripline_event::{Frame, LogEntry, Marker, Origin, TriggerDefinition};
use tripline_testkit::wait_until;

use super::host;
use super::routing::Limits;
use fakes::{NOW, PARTITION, World, event, everything, marker, uid};

const SOON: Duration = Duration::from_secs(60);

fn start(world: &World, epoch: u64) -> (JoinHandle<()>, CancellationToken) {
    let drain = CancellationToken::new();
    let routing = host(Arc::clone(&world.around), PARTITION, epoch, drain.clone());
    (tokio::spawn(routing), drain)
}

async fn until_at(world: &World, next: u64) {
    let there = async || world.checkpoints.state().checkpoint.next == next;
    wait_until(SOON, there).await.unwrap();
}

fn plain(id: u64) -> LogEntry {
    LogEntry::Event(event(id, Origin::ApiKey(uid(7)), NOW))
}

#[tokio::test(start_paused = true)]
async fn a_calm_stop_and_start_hands_nothing_over_twice() {
    let world = World::new(1, false);
    world.log.put(0, &[marker(uid(1), 1, Some(everything())), plain(1)]);
    let (routing, drain) = start(&world, 1);
    let handed_over = async || world.lanes.received().len() == 1;
    wait_until(SOON, handed_over).await.unwrap();
    drain.cancel();
    routing.await.unwrap();
    assert_eq!(world.checkpoints.state().checkpoint.next, 1, "written although it was not due");

    world.log.put(1, &[plain(1), plain(2)]);
    let (routing, drain) = start(&world, 2);
    until_at(&world, 2).await;
    drain.cancel();
    routing.await.unwrap();
    let ids: Vec<_> = world
        .lanes
        .received()
        .iter()
        .map(|(_, entry)| entry.accepted.event.id().to_owned())
        .collect();
    assert_eq!(ids, ["1", "2"], "the copy was recognised across the restart");
}

#[tokio::test(start_paused = true)]
async fn an_idle_router_writes_nothing() {
    let world = World::new(1, false);
    world.log.put(0, &[LogEntry::Marker(Marker::Begin)]);
    let (routing, drain) = start(&world, 1);
    until_at(&world, 1).await;
    tokio::time::sleep(Duration::from_secs(3600)).await;
    drain.cancel();
    routing.await.unwrap();
    assert_eq!(world.checkpoints.saves.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn a_router_whose_partition_was_taken_over_ends_without_writing() {
    let world = World::new(1, false);
    world.log.put(0, &[plain(1)]);
    let (old, _drain) = start(&world, 1);
    until_at(&world, 1).await;
    let (new, drain) = start(&world, 2);
    let claimed = async || world.checkpoints.state().epoch == 2;
    wait_until(SOON, claimed).await.unwrap();
    world.log.put(1, &[plain(2)]);
    old.await.unwrap();
    until_at(&world, 2).await;
    drain.cancel();
    new.await.unwrap();
    assert_eq!(world.checkpoints.state().checkpoint.accepted, 2);
}

#[tokio::test(start_paused = true)]
async fn a_lane_that_stands_still_stops_its_partition_and_the_log_holds_the_rest() {
    let world = World::new(1, false);
    world.lanes.blocked.send_replace(true);
    world.log.put(0, &[marker(uid(1), 1, Some(everything()))]);
    for offset in 1..100 {
        world.log.put(offset, &[plain(offset)]);
    }
    let (routing, drain) = start(&world, 1);
    until_at(&world, 1).await;
    tokio::time::sleep(SOON).await;
    let Limits { entries_max, .. } = world.around.limits;
    let read = world.log.given_out.load(Ordering::Relaxed);
    assert!(read <= entries_max as u64 + 1, "{read} frames were read");
    world.lanes.blocked.send_replace(false);
    until_at(&world, 100).await;
    drain.cancel();
    routing.await.unwrap();
    assert_eq!(world.lanes.received().len(), 99);
}

#[tokio::test(start_paused = true)]
async fn after_a_gap_the_triggers_are_paused_and_the_rest_is_routed() {
    let world = World::new(1, false);
    world.log.put(0, &[marker(uid(1), 1, Some(everything())), plain(1)]);
    let (routing, drain) = start(&world, 1);
    until_at(&world, 1).await;
    drain.cancel();
    routing.await.unwrap();

    // While nobody reads: trigger 1 is deleted, 2 is made, events come, and retention passes all of it.
    world.log.put(20, &[plain(20)]);
    world.log.lose_before(20);
    world.registry.away.store(true, Ordering::Relaxed);
    let definition = Arc::new(everything());
    world.registry.definitions.lock().unwrap().insert(uid(2), (5, definition));
    let (routing, drain) = start(&world, 2);
    let told = async || {
        let not_ready = world.health.not_ready();
        not_ready.iter().any(|part| part.reason.contains("offset 1 to 19 of partition 1"))
    };
    wait_until(SOON, told).await.unwrap();
    assert_eq!(world.checkpoints.state().checkpoint.next, 1, "no step without the registry");

    world.registry.away.store(false, Ordering::Relaxed);
    until_at(&world, 21).await;
    assert!(world.health.not_ready().is_empty());
    assert!(world.metrics.render().contains("\ntripline_router_gaps_total 1\n"));
    drain.cancel();
    routing.await.unwrap();
    let reason = "gap: events from offset 1 to 19 of partition 1 are lost".to_owned();
    assert_eq!(*world.registry.paused.lock().unwrap(), [(uid(2), reason)]);
    let handed: Vec<_> =
        world.lanes.received().iter().map(|(_, entry)| (entry.trigger, entry.revision)).collect();
    assert_eq!(handed, [(uid(1), 1), (uid(2), 5)]);
    assert!(!world.checkpoints.state().definitions.contains(&uid(1).to_string()));
}

#[tokio::test(start_paused = true)]
async fn losing_only_what_the_dedupe_window_needs_is_no_gap() {
    let world = World::new(1, false);
    world.log.put(0, &[plain(1)]);
    world.log.put(1, &[plain(2)]);
    let (routing, drain) = start(&world, 1);
    until_at(&world, 2).await;
    drain.cancel();
    routing.await.unwrap();
    world.log.lose_before(1);
    world.log.put(2, &[plain(2), plain(3)]);
    let (routing, drain) = start(&world, 2);
    until_at(&world, 3).await;
    drain.cancel();
    routing.await.unwrap();
    let checkpoint = world.checkpoints.state().checkpoint;
    assert_eq!((checkpoint.accepted, checkpoint.deduplicated), (3, 1));
    assert!(world.registry.paused.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_cannot_be_read_is_never_skipped() {
    let world = World::new(1, false);
    world.log.put(0, &[plain(1)]);
    world.log.put_frame(1, Frame::new(vec![Bytes::from_static(b"\xffof a newer version")]));
    world.log.put(2, &[plain(2)]);
    let (routing, drain) = start(&world, 1);
    let told = async || !world.health.not_ready().is_empty();
    wait_until(SOON, told).await.unwrap();
    assert!(world.health.not_ready()[0].reason.contains("offset 1"));
    world.log.put(1, &[plain(3)]);
    until_at(&world, 3).await;
    drain.cancel();
    routing.await.unwrap();
    assert_eq!(world.checkpoints.state().checkpoint.accepted, 3);
}

#[tokio::test(start_paused = true)]
async fn a_trigger_whose_pattern_cannot_be_read_holds_up_nobody() {
    let world = World::new(1, false);
    let newer = TriggerDefinition {
        pattern: Some(r#"{"type":[{"from-the-future":1}]}"#.into()),
        ..everything()
    };
    world.log.put(0, &[marker(uid(1), 1, Some(newer)), marker(uid(2), 1, Some(everything()))]);
    world.log.put(1, &[plain(1)]);
    let (routing, drain) = start(&world, 1);
    until_at(&world, 2).await;
    drain.cancel();
    routing.await.unwrap();
    let triggers: Vec<_> = world.lanes.received().iter().map(|(_, entry)| entry.trigger).collect();
    assert_eq!(triggers, [uid(2)]);
    assert!(world.checkpoints.state().definitions.contains(&uid(1).to_string()), "kept for later");
}
