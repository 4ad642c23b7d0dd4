use tripline_bus::{Error, Lane, WorkQueue as _};
use tripline_bus_rabbitmq::Options;

use super::{frame, number, queue, shared, within};

#[tokio::test]
async fn a_full_lane_refuses_until_it_is_consumed() {
    let options = Options { lane_frames_max: 4, ..shared().await };
    let (queue, lane) = (queue(&options).await, Lane(0));
    let mut taken = 0;
    let refused = loop {
        match within(queue.publish(lane, frame(taken, 10))).await {
            // The broker counts a little behind.
            Ok(()) if taken < 100 => taken += 1,
            other => break other,
        }
    };
    assert!(matches!(refused, Err(Error::Unavailable(_))) && taken >= 4, "{taken}: {refused:?}");
    let mut consumer = within(queue.consume(lane)).await.unwrap();
    for due in 0..taken {
        let delivery = within(consumer.next()).await.unwrap();
        assert_eq!(number(&delivery.frame), due);
        within(consumer.ack(delivery.id)).await.unwrap();
    }
    while within(queue.publish(lane, frame(taken, 10))).await.is_err() {}
    assert_eq!(number(&within(consumer.next()).await.unwrap().frame), taken);
}

#[tokio::test]
async fn consumers_of_other_processes_take_over_in_order() {
    let (options, lane) = (shared().await, Lane(3));
    let (one, other) = (queue(&options).await, queue(&options).await);
    let mut active = within(one.consume(lane)).await.unwrap();
    let mut waiting = within(other.consume(lane)).await.unwrap();
    for n in 0..100 {
        within(one.publish(lane, frame(n, 10))).await.unwrap();
    }
    let mut last = 0;
    for due in 0..50 {
        let delivery = within(active.next()).await.unwrap();
        assert_eq!(number(&delivery.frame), due);
        last = delivery.id;
    }
    within(active.ack(last - 40)).await.unwrap();
    // The whole process goes: its connections close.
    drop((active, one));
    let mut seen = Vec::new();
    while seen.last() != Some(&99) {
        let delivery = within(waiting.next()).await.unwrap();
        seen.push(number(&delivery.frame));
        within(waiting.ack(delivery.id)).await.unwrap();
    }
    assert_eq!(seen, (10..100).collect::<Vec<_>>(), "what was not acknowledged, in order");
}
