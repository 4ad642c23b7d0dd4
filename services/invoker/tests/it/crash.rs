//! Nothing is lost, and nothing done twice that need not be, whenever the process dies.

use tripline_bus::{Lane, WorkQueue as _};
use tripline_contracts::pb::TriggerState;
use tripline_event::Frame;
use tripline_testkit::{Answer, wait_until};

use crate::stack::{DEADLINE, Stack, entry};

#[tokio::test]
async fn a_frame_that_comes_again_runs_nothing_again() {
    let stack = Stack::start().await;
    let way = stack.way("f");
    stack.hand_over(&way, &["e1", "e2"]).await;
    stack.wait_for_states(&way, &["succeeded"; 2]).await;
    // As after a crash between the commit and the acknowledgement; and with a copy inside the frame.
    stack.hand_over(&way, &["e1", "e3", "e2", "e3"]).await;
    stack.wait_for_states(&way, &["succeeded"; 3]).await;
    stack.wait_until_settled(3).await;
    assert_eq!(stack.receiver.count(), 3);
    assert_eq!(stack.metric("tripline_invocations_duplicate_total"), 2);
}

#[tokio::test]
async fn a_crash_at_any_moment_of_admission_loses_nothing() {
    let mut stack = Stack::start().await;
    let way = stack.way("f");
    let ids: Vec<_> = (0..200).map(|number| format!("e{number}")).collect();
    for (round, ids) in ids.chunks(20).enumerate() {
        let entries = ids.iter().map(|id| entry(&way, id).encode()).collect();
        let mut publish = stack.queue.publish(Lane(0), Frame::new(entries));
        // The publisher, as the router, publishes again what was not confirmed.
        if round % 2 == 0 {
            stack.crash().await;
            stack.start_invoker().await;
        }
        while publish.as_mut().await.is_err() {
            let entries = ids.iter().map(|id| entry(&way, id).encode()).collect();
            publish = stack.queue.publish(Lane(0), Frame::new(entries));
        }
        // It dies right after the acknowledgement: calls are under way, records not written.
        stack.crash().await;
        stack.start_invoker().await;
    }
    stack.wait_for_states(&way, &vec!["succeeded"; 200]).await;
    stack.wait_until_settled(200).await;
    let mut seen: Vec<_> = stack
        .receiver
        .requests()
        .iter()
        .map(|request| request.header("webhook-id").unwrap().to_owned())
        .collect();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 200);
}

#[tokio::test]
async fn a_retry_and_its_count_survive_a_crash() {
    let mut stack = Stack::start().await;
    let way = stack.way("f");
    stack.receiver.script(&way.path, [Answer::status(429).retry_after(1), Answer::status(500)]);
    stack.hand_over(&way, &["e1"]).await;
    stack.wait_for_states(&way, &["pending"]).await;
    stack.crash().await;
    assert_eq!(stack.receiver.count(), 1);
    stack.start_invoker().await;
    let invocations = stack.wait_for_states(&way, &["succeeded"]).await;
    let requests = stack.receiver.requests();
    let numbers: Vec<_> =
        requests.iter().map(|request| request.header("tripline-attempt").unwrap()).collect();
    assert_eq!(numbers, ["1", "2", "3"]);
    assert!((requests[1].arrived - requests[0].arrived).as_millis() >= 900, "still held");
    assert_eq!(invocations[0].attempts.len(), 3);
}

#[tokio::test]
async fn what_was_being_called_at_the_crash_is_called_again_under_the_same_id() {
    let mut stack = Stack::start().await;
    let way = stack.way("f");
    stack.receiver.script(&way.path, [Answer::hang()]);
    stack.hand_over(&way, &["e1"]).await;
    stack.receiver.wait_for(1, DEADLINE).await.unwrap();
    stack.crash().await;
    stack.start_invoker().await;
    stack.wait_for_states(&way, &["succeeded"]).await;
    let ids: Vec<_> = stack
        .receiver
        .requests()
        .iter()
        .map(|request| request.header("webhook-id").unwrap().to_owned())
        .collect();
    assert_eq!(ids[0], ids[1]);
    stack.wait_until_settled(1).await;
}

#[tokio::test]
async fn a_stop_lets_calls_end_records_them_and_gives_the_rest_back() {
    let mut stack = Stack::start().await;
    let (slow, hanging) = (stack.way("slow"), stack.way("hanging"));
    let delay = std::time::Duration::from_millis(300);
    stack.receiver.script(&slow.path, [Answer::ok().after(delay)]);
    stack.receiver.script(&hanging.path, [Answer::hang()]);
    stack.hand_over(&slow, &["e1"]).await;
    stack.hand_over(&hanging, &["e1"]).await;
    stack.receiver.wait_for(2, DEADLINE).await.unwrap();
    stack.stop().await;
    assert_eq!(stack.receiver.count(), 2);
    stack.start_invoker().await;
    stack.wait_for_states(&slow, &["succeeded"]).await;
    stack.wait_for_states(&hanging, &["succeeded"]).await;
    stack.wait_until_settled(2).await;
    assert_eq!(stack.receiver.count_to(&slow.path), 1, "the slow one had ended and was recorded");
    assert_eq!(stack.receiver.count_to(&hanging.path), 2);
}

#[tokio::test]
async fn a_trigger_resumed_or_deleted_while_the_process_was_down_takes_its_rows_along() {
    let mut stack = Stack::start().await;
    let (resumed, deleted) = (stack.way("resumed"), stack.way("deleted"));
    for way in [&resumed, &deleted] {
        let uid = way.trigger.to_string();
        stack.registry.set_state(&uid, TriggerState::Paused);
        wait_until(DEADLINE, async || {
            stack.hand_over(way, &["probe"]).await;
            stack.invocations(way).await[0].reason == "trigger-paused"
                || stack.receiver.count_to(&way.path) > 0
        })
        .await
        .unwrap();
        stack.hand_over(way, &["e1"]).await;
        wait_until(DEADLINE, async || {
            stack.invocations(way).await.iter().any(|item| item.reason == "trigger-paused")
        })
        .await
        .unwrap();
    }
    stack.stop().await;
    stack.registry.set_state(&resumed.trigger.to_string(), TriggerState::Active);
    stack.registry.set_state(&deleted.trigger.to_string(), TriggerState::Deleting);
    stack.start_invoker().await;
    stack.wait_until_settled(4).await;
    let ended = stack.invocations(&deleted).await;
    assert!(ended.iter().any(|item| item.reason == "trigger-gone"), "{ended:#?}");
    assert!(stack.invocations(&resumed).await.iter().all(|item| item.state == "succeeded"));
}
