//! A slow function costs only itself.

use tripline_bus::{Lane, WorkQueue as _};
use tripline_event::Frame;
use tripline_testkit::Answer;

use crate::stack::{DEADLINE, Stack, entry};

#[tokio::test]
async fn a_hanging_function_holds_no_lane_and_delays_no_other() {
    let stack = Stack::start().await;
    let (hanging, quick) = (stack.way("hanging"), stack.way("quick"));
    stack.receiver.always(&hanging.path, Answer::hang());
    // More than fit into memory for one function: the rest must go to the store, through the same lane.
    let frames = 20;
    for frame in 0..frames {
        let one = |number: usize| entry(&hanging, &format!("h{frame}-{number}")).encode();
        let entries = (0..Frame::ENTRIES_MAX).map(one).collect();
        stack.queue.publish(Lane(0), Frame::new(entries)).await.unwrap();
    }
    stack.hand_over(&quick, &["q1", "q2", "q3"]).await;
    stack.wait_for_states(&quick, &["succeeded"; 3]).await;
    let running = stack.receiver.count_to(&hanging.path);
    assert!(running <= 64, "{running} calls at once");
    let matched = stack.metric("tripline_invocations_matched_total");
    assert_eq!(matched, i64::try_from(frames * Frame::ENTRIES_MAX).unwrap() + 3);
}

#[tokio::test]
async fn concurrency_is_kept_and_a_backlog_drains_to_the_last() {
    let stack = Stack::start().await;
    let way = stack.way("f");
    stack.put_function(&way, 3);
    let delay = std::time::Duration::from_millis(1);
    stack.receiver.always(&way.path, Answer::ok().after(delay));
    // The first may run before the function's concurrency is known here.
    stack.hand_over(&way, &["first"]).await;
    stack.wait_for_states(&way, &["succeeded"]).await;
    let frames = 20;
    for frame in 0..frames {
        let one = |number: usize| entry(&way, &format!("e{frame}-{number}")).encode();
        let entries = (0..Frame::ENTRIES_MAX).map(one).collect();
        stack.queue.publish(Lane(frame % 2), Frame::new(entries)).await.unwrap();
    }
    let count = u64::from(frames) * Frame::ENTRIES_MAX as u64 + 1;
    stack.receiver.wait_for(count, DEADLINE * 4).await.unwrap();
    stack.wait_until_settled(count.cast_signed()).await;
    assert_eq!(stack.receiver.count(), count, "each once");
    assert!(stack.receiver.concurrent_max(&way.path) <= 3);
}
