//! What is not known yet waits; what is known to be gone ends; nobody else's lane is held.

use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use tripline_bus::{Lane, WorkQueue as _};
use tripline_contracts::pb::TriggerState;
use tripline_contracts::pb::change::Resource;
use tripline_event::Frame;
use tripline_testkit::wait_until;

use crate::stack::{DEADLINE, Stack, entry, rule, trigger};

#[tokio::test]
async fn an_unknown_function_waits_until_it_is_known() {
    let stack = Stack::start().await;
    let way = stack.unknown_way("late");
    stack.registry.put(Resource::Trigger(trigger(&way, TriggerState::Active)));
    stack.auth.put(rule(&way));
    stack.hand_over(&way, &["e1"]).await;
    let waiting = stack.wait_for_states(&way, &["pending"]).await;
    assert_eq!(waiting[0].reason, "function-unknown");
    stack.put_function(&way, 4);
    let ended = stack.wait_for_states(&way, &["succeeded"]).await;
    assert_eq!(ended[0].attempts.len(), 1, "waiting is no attempt");
}

#[tokio::test]
async fn a_trigger_that_the_stream_has_not_shown_is_asked_for_and_an_unknown_one_is_gone() {
    let stack = Stack::start().await;
    let (known, gone) = (stack.unknown_way("known"), stack.unknown_way("gone"));
    for way in [&known, &gone] {
        stack.put_function(way, 4);
        stack.auth.put(rule(way));
    }
    stack.registry.hide(trigger(&known, TriggerState::Active));
    stack.hand_over(&known, &["e1"]).await;
    stack.hand_over(&gone, &["e1"]).await;
    stack.wait_for_states(&known, &["succeeded"]).await;
    let ended = stack.wait_for_states(&gone, &["cancelled"]).await;
    assert_eq!(ended[0].reason, "trigger-gone");
    assert_eq!(stack.receiver.count_to(&gone.path), 0);
    stack.wait_until_settled(2).await;
}

#[tokio::test]
async fn the_policy_of_the_revision_that_matched_applies() {
    let stack = Stack::start().await;
    let way = stack.way("f");
    let mut edited = trigger(&way, TriggerState::Active);
    edited.definition_revision = 2;
    edited.delivery.as_mut().unwrap().max_attempts = 1;
    stack.registry.put(Resource::Trigger(edited));
    stack.receiver.always(&way.path, tripline_testkit::Answer::status(500));
    let mut newer = entry(&way, "new");
    newer.revision = 2;
    let older = entry(&way, "old");
    let frame = Frame::new(vec![older.encode(), newer.encode()]);
    stack.queue.publish(Lane(1), frame).await.unwrap();
    let ended = stack.wait_for_states(&way, &["dead", "dead"]).await;
    assert_eq!([ended[0].attempts.len(), ended[1].attempts.len()], [3, 1]);
}

#[tokio::test]
async fn a_rule_that_the_stream_has_not_shown_is_asked_for_and_only_auth_can_say_no() {
    let stack = Stack::start().await;
    let (allowed, denied) = (stack.unknown_way("allowed"), stack.unknown_way("denied"));
    for way in [&allowed, &denied] {
        stack.put_function(way, 4);
        stack.registry.put(Resource::Trigger(trigger(way, TriggerState::Active)));
    }
    stack.auth.away.store(true, Ordering::SeqCst);
    stack.auth.hidden.lock().unwrap().push(rule(&allowed));
    stack.hand_over(&allowed, &["e1", "e2"]).await;
    stack.hand_over(&denied, &["e1"]).await;
    let waiting = stack.wait_for_states(&allowed, &["pending"; 2]).await;
    assert_eq!(waiting[0].reason, "rule-unknown");
    stack.wait_for_states(&denied, &["pending"]).await;

    stack.auth.away.store(false, Ordering::SeqCst);
    stack.wait_for_states(&allowed, &["succeeded"; 2]).await;
    let ended = stack.wait_for_states(&denied, &["dead"]).await;
    assert_eq!((ended[0].reason.as_str(), ended[0].attempts.len()), ("forbidden", 0));
    assert_eq!(stack.receiver.count_to(&denied.path), 0);
    stack.wait_until_settled(3).await;
}

#[tokio::test]
async fn a_deleted_trigger_takes_its_waiting_rows_along() {
    let stack = Stack::start().await;
    let way = stack.way("f");
    let uid = way.trigger.to_string();
    stack.receiver.script(&way.path, [tripline_testkit::Answer::status(410)]);
    stack.hand_over(&way, &["e1"]).await;
    stack.hand_over(&way, &["e2"]).await;
    wait_until(DEADLINE, async || stack.registry.pauses.load(Ordering::SeqCst) > 0).await.unwrap();
    stack.registry.delete(Resource::Trigger(stack.registry.trigger(&uid).unwrap()));
    wait_until(DEADLINE, async || {
        stack.invocations(&way).await.iter().all(|item| item.state != "pending")
    })
    .await
    .unwrap();
    stack.wait_until_settled(2).await;
}

#[tokio::test]
async fn a_deleted_function_takes_its_waiting_rows_along() {
    let stack = Stack::start().await;
    let way = stack.unknown_way("f");
    stack.registry.put(Resource::Trigger(trigger(&way, TriggerState::Active)));
    stack.auth.put(rule(&way));
    stack.hand_over(&way, &["e1"]).await;
    stack.wait_for_states(&way, &["pending"]).await;
    let function = tripline_contracts::pb::Function {
        meta: Some(crate::stack::meta("f", way.function)),
        ..tripline_contracts::pb::Function::default()
    };
    stack.registry.delete(Resource::Function(function));
    let ended = stack.wait_for_states(&way, &["cancelled"]).await;
    assert_eq!(ended[0].reason, "function-gone");
}

#[tokio::test]
async fn an_attempt_under_way_when_its_function_is_deleted_leaves_nothing_to_be_retried() {
    let stack = Stack::start().await;
    let way = stack.unknown_way("f");
    stack.put_function(&way, 4);
    stack.auth.put(rule(&way));
    let mut patient = trigger(&way, TriggerState::Active);
    patient.delivery.as_mut().unwrap().backoff_base_ms = 600_000;
    patient.delivery.as_mut().unwrap().backoff_max_ms = 600_000;
    stack.registry.put(Resource::Trigger(patient));
    let failing = tripline_testkit::Answer::status(503).after(Duration::from_millis(300));
    stack.receiver.always(&way.path, failing);
    stack.hand_over(&way, &["e1"]).await;
    stack.receiver.wait_for(1, DEADLINE).await.unwrap();
    let function = tripline_contracts::pb::Function {
        meta: Some(crate::stack::meta("f", way.function)),
        ..tripline_contracts::pb::Function::default()
    };
    stack.registry.delete(Resource::Function(function));
    let ended = stack.wait_for_states(&way, &["cancelled"]).await;
    assert_eq!((ended[0].reason.as_str(), ended[0].attempts.len()), ("function-gone", 1));
    stack.wait_until_settled(1).await;
}

#[tokio::test]
async fn an_entry_that_cannot_be_read_is_counted_and_holds_up_nothing() {
    let stack = Stack::start().await;
    let way = stack.way("f");
    let frame = Frame::new(vec![Bytes::from_static(b"nonsense"), entry(&way, "e1").encode()]);
    stack.queue.publish(Lane(0), frame).await.unwrap();
    stack.wait_for_states(&way, &["succeeded"]).await;
    assert_eq!(stack.metric("tripline_lane_entries_unreadable_total"), 1);
}
