//! The rules of the work queue.
//!
//! A confirm may be the consumer's acknowledgement, so every publish is under way while the rule consumes.

use std::sync::Arc;

use tokio::task::{JoinHandle, JoinSet};
use tripline_event::Frame;

use super::{Open, Rule, numbered, numbered_up_to, sized, within};
use crate::{Consumer, Delivery, Error, Lane, WorkQueue};

type Queue = dyn WorkQueue;

pub(super) const RULES: &[Rule<Queue>] = &[
    Rule { name: "a-frame-crosses-and-is-confirmed", check: |open| Box::pin(crosses(open)) },
    Rule { name: "a-lane-keeps-its-order", check: |open| Box::pin(keeps_order(open)) },
    Rule { name: "a-calm-run-delivers-each-frame-once", check: |open| Box::pin(each_once(open)) },
    Rule { name: "a-waiting-consumer-receives", check: |open| Box::pin(waiting_consumer(open)) },
    Rule {
        name: "unacknowledged-frames-come-again-first",
        check: |open| Box::pin(come_again(open)),
    },
    Rule { name: "an-ack-covers-all-before-it", check: |open| Box::pin(cumulative(open)) },
    Rule { name: "one-consumer-at-a-time-receives", check: |open| Box::pin(one_at_a_time(open)) },
    Rule {
        name: "an-idle-consumer-leaves-nothing-behind",
        check: |open| Box::pin(idle_consumer(open)),
    },
    Rule { name: "lanes-do-not-hold-each-other-up", check: |open| Box::pin(lanes_apart(open)) },
    Rule { name: "a-dropped-next-loses-nothing", check: |open| Box::pin(cancelled_next(open)) },
];

async fn crosses(open: &dyn Open<Queue>) {
    let (queue, lane) = (open.open().await, Lane(0));
    let sent = [numbered(0), sized(Frame::BYTES_SOFT_MAX, 3), numbered(1)];
    let mut consumer = consume(&queue, lane).await;
    for frame in &sent {
        let published = publish(&queue, lane, frame);
        let delivery = next(&mut consumer).await;
        assert_eq!(delivery.frame, *frame);
        ack(&mut consumer, &delivery).await;
        confirmed(published).await;
    }
}

async fn keeps_order(open: &dyn Open<Queue>) {
    let (queue, lane, sent) = (open.open().await, Lane(1), numbered_up_to(300));
    let publisher = tokio::spawn({
        let (queue, sent) = (Arc::clone(&queue), sent.clone());
        async move {
            for frame in sent {
                queue.publish(lane, frame).await?; // Order is promised to one unconfirmed frame at a time.
            }
            Ok(())
        }
    });
    let mut consumer = consume(&queue, lane).await;
    assert_eq!(take(&mut consumer, sent.len()).await, sent);
    confirmed(publisher).await;
}

async fn each_once(open: &dyn Open<Queue>) {
    const PUBLISHERS: usize = 4;
    const FRAMES_EACH: usize = 100;
    let (queue, lane) = (open.open().await, Lane(2));
    let mut publishers = JoinSet::new();
    for publisher in 0..PUBLISHERS {
        let queue = Arc::clone(&queue);
        publishers.spawn(async move {
            for number in 0..FRAMES_EACH {
                queue.publish(lane, numbered(publisher * FRAMES_EACH + number)).await?;
            }
            Ok::<_, Error>(())
        });
    }
    let mut consumer = consume(&queue, lane).await;
    let mut seen = take(&mut consumer, PUBLISHERS * FRAMES_EACH).await;
    for outcome in
        within("the publishers' ends", async { Ok::<_, Error>(publishers.join_all().await) }).await
    {
        outcome.expect("every frame is confirmed");
    }
    let mut sent = numbered_up_to(PUBLISHERS * FRAMES_EACH);
    sent.sort_by(|a, b| a.entries().cmp(b.entries()));
    seen.sort_by(|a, b| a.entries().cmp(b.entries()));
    assert_eq!(seen, sent, "none is missing and none came twice");
}

async fn waiting_consumer(open: &dyn Open<Queue>) {
    let (queue, lane) = (open.open().await, Lane(3));
    let mut consumer = consume(&queue, lane).await;
    for number in 0..20 {
        let consuming = async {
            let delivery = next(&mut consumer).await;
            ack(&mut consumer, &delivery).await;
            delivery.frame
        };
        let publishing = async { confirmed(publish(&queue, lane, &numbered(number))).await };
        let (frame, ()) = tokio::join!(consuming, publishing);
        assert_eq!(frame, numbered(number));
    }
}

async fn come_again(open: &dyn Open<Queue>) {
    let (queue, lane) = (open.open().await, Lane(4));
    let published: Vec<_> = (0..3).map(|number| publish(&queue, lane, &numbered(number))).collect();
    let mut first = consume(&queue, lane).await;
    let seen = receive(&mut first, 3).await;
    drop(first);
    let last = publish(&queue, lane, &numbered(3));
    let mut second = consume(&queue, lane).await;
    let again = take(&mut second, 4).await;
    assert_eq!(again[..3], frames(&seen), "in the order in which they came before");
    assert_eq!(again[3], numbered(3), "and before what was published later");
    for handle in published.into_iter().chain([last]) {
        confirmed(handle).await;
    }
}

async fn cumulative(open: &dyn Open<Queue>) {
    let (queue, lane) = (open.open().await, Lane(5));
    let mut published: Vec<_> = (0..3).map(|n| publish(&queue, lane, &numbered(n))).collect();
    let mut first = consume(&queue, lane).await;
    let seen = receive(&mut first, 3).await;
    assert!(seen.is_sorted_by(|a, b| a.id < b.id), "the ids of deliveries rise");
    ack(&mut first, &seen[1]).await;
    drop(first);
    published.push(publish(&queue, lane, &numbered(3)));
    let mut second = consume(&queue, lane).await;
    let rest = take(&mut second, 2).await;
    assert_eq!(
        rest,
        [seen[2].frame.clone(), numbered(3)],
        "what was acknowledged does not come again"
    );
    for handle in published {
        confirmed(handle).await;
    }
}

async fn one_at_a_time(open: &dyn Open<Queue>) {
    let (queue, lane) = (open.open().await, Lane(6));
    let mut active = consume(&queue, lane).await;
    let published = publish(&queue, lane, &numbered(0));
    assert_eq!(take(&mut active, 1).await, [numbered(0)]);
    confirmed(published).await;

    let mut waiting = consume(&queue, lane).await;
    for number in 1..=20 {
        let published = publish(&queue, lane, &numbered(number));
        let delivery = tokio::select! {
            delivery = next(&mut active) => delivery,
            _ = waiting.next() => panic!("a second consumer received while the first one lived"),
        };
        assert_eq!(delivery.frame, numbered(number));
        ack(&mut active, &delivery).await;
        confirmed(published).await;
    }

    let published = [publish(&queue, lane, &numbered(21)), publish(&queue, lane, &numbered(22))];
    let held = frames(&receive(&mut active, 2).await);
    drop(active);
    assert_eq!(
        take(&mut waiting, 2).await,
        held,
        "the next in line takes over what was not acknowledged"
    );
    for handle in published {
        confirmed(handle).await;
    }
}

async fn idle_consumer(open: &dyn Open<Queue>) {
    let (queue, lane) = (open.open().await, Lane(7));
    drop(consume(&queue, lane).await);
    let mut impatient = consume(&queue, lane).await;
    let nothing = tokio::select! {
        biased;
        delivery = impatient.next() => Some(delivery),
        () = tokio::task::yield_now() => None,
    };
    assert!(nothing.is_none(), "an empty lane gives nothing");
    drop(impatient);
    let published = publish(&queue, lane, &numbered(0));
    let mut consumer = consume(&queue, lane).await;
    assert_eq!(take(&mut consumer, 1).await, [numbered(0)]);
    confirmed(published).await;
}

async fn lanes_apart(open: &dyn Open<Queue>) {
    let (queue, held, free) = (open.open().await, Lane(8), Lane(9));
    let stuck = publish(&queue, held, &numbered(1_000));
    let mut slow = consume(&queue, held).await;
    let unacknowledged = next(&mut slow).await;
    let mut consumer = consume(&queue, free).await;
    for number in 0..50 {
        let published = publish(&queue, free, &numbered(number));
        assert_eq!(
            take(&mut consumer, 1).await,
            [numbered(number)],
            "each lane has its own frames"
        );
        confirmed(published).await;
    }
    assert_eq!(unacknowledged.frame, numbered(1_000));
    ack(&mut slow, &unacknowledged).await;
    confirmed(stuck).await;
}

async fn cancelled_next(open: &dyn Open<Queue>) {
    let (queue, lane, sent) = (open.open().await, Lane(10), numbered_up_to(100));
    let publisher = tokio::spawn({
        let (queue, sent) = (Arc::clone(&queue), sent.clone());
        async move {
            for frame in sent {
                queue.publish(lane, frame).await?;
            }
            Ok(())
        }
    });
    let mut consumer = consume(&queue, lane).await;
    let impatient = async {
        let mut seen = Vec::new();
        while seen.len() < sent.len() {
            let delivery = tokio::select! {
                biased;
                delivery = consumer.next() => delivery?,
                () = tokio::task::yield_now() => continue,
            };
            consumer.ack(delivery.id).await?;
            seen.push(delivery.frame);
        }
        Ok::<_, Error>(seen)
    };
    assert_eq!(within("consuming with dropped calls", impatient).await, sent);
    confirmed(publisher).await;
}

async fn consume(queue: &Arc<Queue>, lane: Lane) -> Box<dyn Consumer> {
    within("consuming a lane", queue.consume(lane)).await
}

/// A publish that is under way on its own.
fn publish(queue: &Arc<Queue>, lane: Lane, frame: &Frame) -> JoinHandle<Result<(), Error>> {
    tokio::spawn(queue.publish(lane, frame.clone()))
}

async fn confirmed(publish: JoinHandle<Result<(), Error>>) {
    within("the end of a publish", publish)
        .await
        .expect("a frame that was acknowledged is confirmed");
}

async fn next(consumer: &mut Box<dyn Consumer>) -> Delivery {
    within("the next delivery", consumer.next()).await
}

async fn ack(consumer: &mut Box<dyn Consumer>, delivery: &Delivery) {
    within("an acknowledgement", consumer.ack(delivery.id)).await;
}

/// The next deliveries, none of them acknowledged.
async fn receive(consumer: &mut Box<dyn Consumer>, count: usize) -> Vec<Delivery> {
    let mut deliveries = Vec::with_capacity(count);
    while deliveries.len() < count {
        deliveries.push(next(consumer).await);
    }
    deliveries
}

/// The next frames, each acknowledged before the next one is asked for.
async fn take(consumer: &mut Box<dyn Consumer>, count: usize) -> Vec<Frame> {
    let mut frames = Vec::with_capacity(count);
    while frames.len() < count {
        let delivery = next(consumer).await;
        ack(consumer, &delivery).await;
        frames.push(delivery.frame);
    }
    frames
}

fn frames(deliveries: &[Delivery]) -> Vec<Frame> {
    deliveries.iter().map(|delivery| delivery.frame.clone()).collect()
}
