//! Slots, room and backlog.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use tripline_event::{InvocationId, Subject};
use tripline_kernel::{Timestamp, Uid};

use super::{BYTES_MAX, Dispatcher, Job, Room, WAITING_HIGH, WAITING_LOW, WAITING_MAX};
use crate::invocation::{Invocation, Mode, Payload};
use crate::schedule::{Due, Schedule};

const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);
const SLOW: Uid = Uid::from_bytes([1; 16]);
const QUICK: Uid = Uid::from_bytes([2; 16]);
const LIMIT: u32 = 2;

fn job(function: Uid, seq: i64, bytes: usize) -> Job {
    let body = Bytes::from(vec![0; bytes]);
    let invocation = Invocation {
        seq,
        epoch: 1,
        id: InvocationId::from_bytes([0; 20]),
        tenant: Uid::NIL,
        mode: Mode::Event,
        bus: None,
        trigger: None,
        revision: 0,
        function,
        subject: Subject::Bus(Uid::NIL),
        event_source: "".into(),
        event_id: "".into(),
        payload: Payload { body, content_type: None, traceparent: None },
        key: None,
        accepted_at: NOW,
        attempts: 0,
        generation: 1,
    };
    Job { invocation: Box::new(invocation), reply: None }
}

fn dispatcher() -> (Dispatcher, Arc<Schedule>) {
    let schedule = Arc::new(Schedule::default());
    (Dispatcher::new(Arc::clone(&schedule)), schedule)
}

/// Fills the function's slots and waiting room.
fn fill(dispatcher: &Dispatcher, function: Uid) {
    let mut started = 0;
    for seq in 0.. {
        if !dispatcher.reserve(function, 1) {
            break;
        }
        started += u32::from(dispatcher.put(job(function, seq, 1), LIMIT, NOW).is_some());
    }
    assert_eq!(started, LIMIT);
}

#[test]
fn a_function_takes_its_slots_and_its_room_and_no_one_elses() {
    let (dispatcher, _) = dispatcher();
    fill(&dispatcher, SLOW);
    assert_eq!(dispatcher.load(), (WAITING_MAX, LIMIT as usize));
    assert!(dispatcher.reserve(QUICK, 1));
    assert!(
        dispatcher.put(job(QUICK, 1, 1), LIMIT, NOW).is_some(),
        "the slow one costs only itself"
    );
}

#[test]
fn jobs_leave_in_the_order_they_came_and_a_backlog_keeps_what_is_new_behind_it() {
    let (dispatcher, schedule) = dispatcher();
    fill(&dispatcher, SLOW);
    assert_eq!(dispatcher.room(SLOW, NOW), Room::None);
    for expected in (i64::from(LIMIT)..).take(WAITING_MAX - WAITING_LOW) {
        let next = dispatcher.next(SLOW, LIMIT, NOW).unwrap();
        assert_eq!(next.invocation.seq, expected);
        assert!(!dispatcher.reserve(SLOW, 1), "the stored ones come first");
    }
    assert_eq!(schedule.take(NOW), Ok(Due::Function(SLOW)), "there is room again");
    assert!(matches!(dispatcher.room(SLOW, NOW), Room::For(..)));
    dispatcher.fetched(SLOW, vec![job(SLOW, 9_999, 1)], false);
    assert!(dispatcher.reserve(SLOW, 1), "the backlog has gone");
}

#[test]
fn bytes_are_bounded_over_all_functions_and_those_who_starved_are_called_back() {
    let (dispatcher, schedule) = dispatcher();
    assert!(dispatcher.reserve(SLOW, BYTES_MAX));
    assert!(!dispatcher.reserve(QUICK, 1));
    assert_eq!(dispatcher.room(QUICK, NOW), Room::None);
    dispatcher.release(SLOW, BYTES_MAX, NOW);
    assert_eq!(schedule.take(NOW), Ok(Due::Function(QUICK)));
    assert_eq!(dispatcher.room(QUICK, NOW), Room::For(WAITING_MAX, BYTES_MAX));
}

#[test]
fn a_held_function_is_not_called_before_its_time() {
    let (dispatcher, schedule) = dispatcher();
    let until = NOW.after(Duration::from_secs(5));
    dispatcher.hold(SLOW, until);
    assert!(dispatcher.reserve(SLOW, 1));
    assert!(dispatcher.put(job(SLOW, 1, 1), LIMIT, NOW).is_none());
    assert_eq!(dispatcher.room(SLOW, NOW), Room::HeldUntil(until));
    assert_eq!(schedule.take(NOW), Err(Some(until)));
    assert_eq!(dispatcher.held_until(SLOW, NOW), Some(until));
    assert!(dispatcher.take(SLOW, LIMIT, until).is_some());
    assert_eq!(dispatcher.held_until(SLOW, until), None);
}

#[test]
fn a_draining_dispatcher_starts_nothing() {
    let (dispatcher, _) = dispatcher();
    fill(&dispatcher, SLOW);
    dispatcher.drain();
    assert!(dispatcher.next(SLOW, LIMIT, NOW).is_none());
    assert!(!dispatcher.reserve(QUICK, 1));
    assert_eq!(dispatcher.load().0, 0);
}

#[test]
fn a_crowded_function_is_waited_for_until_it_thins_out_or_overflows() {
    let (dispatcher, _) = dispatcher();
    let crowd = |function| {
        for seq in 0..=WAITING_HIGH as i64 {
            assert!(dispatcher.reserve(function, 1));
            dispatcher.put(job(function, seq, 1), 1, NOW);
        }
    };
    crowd(SLOW);
    crowd(QUICK);
    let mut both = Box::pin(dispatcher.thins_out(&[SLOW, QUICK]));
    assert!((&mut both).now_or_never().is_none());
    assert!(dispatcher.next(QUICK, 1, NOW).is_some());
    assert!(dispatcher.thins_out(&[QUICK]).now_or_never().is_some(), "one left, it is not full");
    assert!((&mut both).now_or_never().is_none());
    dispatcher.overflow(&[SLOW, QUICK]);
    assert!(dispatcher.thins_out(&[SLOW]).now_or_never().is_some(), "it costs the wait once");
    assert!(!dispatcher.reserve(SLOW, 1), "what comes now is stored behind the others");
    assert!(dispatcher.reserve(QUICK, 1), "it kept up");
}
