use std::sync::Arc;
use std::time::{Duration, Instant};

use lapin::options::QueueDeclareOptions;
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Connection, ConnectionProperties};
use tripline_bus::{Error, EventLog, Lane, Offset, Stream, WorkQueue as _};
use tripline_bus_rabbitmq::{CONFIRM_MAX, UNSENT_MAX};
use tripline_testkit::{RabbitMq, wait_until};

use super::{DEADLINE, RETENTION, frame, log, number, options, queue, stream, take, within};

/// What a busy machine may add to a time-out.
const SCHEDULING: Duration = Duration::from_millis(1500);

#[tokio::test]
async fn what_was_confirmed_is_there_in_order_after_the_broker_was_killed_in_the_middle() {
    let mut broker = RabbitMq::start().await.unwrap();
    let options = options(broker.url());
    let (log, lanes, lane) = (log(&options).await, queue(&options).await, Lane(1));
    let stream = stream(&log, RETENTION).await;
    within(log.append(stream, frame(0, 100))).await.unwrap();
    let mut reader = within(log.read(stream, 0)).await.unwrap();
    assert_eq!(number(&take(&mut reader, 1).await[0].frame), 0);
    for n in 0..10 {
        within(lanes.publish(lane, frame(n, 10))).await.unwrap();
    }
    let mut consumer = within(lanes.consume(lane)).await.unwrap();
    let held = within(consumer.next()).await.unwrap();

    let answers: Vec<_> = (1..2000).map(|n| log.append(stream, frame(n, 1000))).collect();
    let mut confirmed = vec![0];
    let collect = async {
        for (n, answer) in (1..2000).zip(answers) {
            if within(answer).await.is_ok() {
                confirmed.push(n);
            }
        }
    };
    let kill = async {
        tokio::task::yield_now().await;
        broker.kill().await.unwrap();
    };
    tokio::join!(collect, kill);
    refused_in_time(&log, stream, UNSENT_MAX).await;
    broker.restart().await.unwrap();

    wait_until(DEADLINE, async || log.append(stream, frame(9999, 10)).await.is_ok()).await.unwrap();
    confirmed.push(9999);
    // The reader that was there before goes on by itself.
    let (mut seen, mut last): (Vec<usize>, Offset) = (vec![0], 0);
    while seen.last() != Some(&9999) {
        let record = take(&mut reader, 1).await.remove(0);
        assert!(record.offset > last, "offsets rise over a restart");
        last = record.offset;
        seen.push(number(&record.frame));
    }
    let mut rest = seen.iter();
    for n in &confirmed {
        assert!(rest.any(|found| found == n), "{n} was confirmed and is not there in its place");
    }
    assert!(seen.is_sorted(), "pipelined frames keep the order of the calls");

    // The consumer gets what it had not acknowledged again, and an acknowledgement of before means nothing.
    let _ = within(consumer.ack(held.id)).await;
    let mut id = held.id;
    for due in 0..10 {
        let delivery = within(consumer.next()).await.unwrap();
        assert_eq!(number(&delivery.frame), due, "what was held comes again, and in order");
        assert!(delivery.id > id, "ids rise over a restart");
        id = delivery.id;
    }
    within(consumer.ack(id)).await.unwrap();
}

#[tokio::test]
async fn a_broker_that_blocks_or_hangs_is_said_to_be_unavailable_in_time() {
    let broker = RabbitMq::start().await.unwrap();
    let options = options(broker.url());
    let log = log(&options).await;
    let stream = stream(&log, RETENTION).await;
    within(log.append(stream, frame(0, 10))).await.unwrap();

    broker.ctl(&["set_vm_memory_high_watermark", "absolute", "1"]).await.unwrap();
    // The alarm rises within a moment; the broker says so at the next publish.
    wait_until(DEADLINE, async || {
        let begun = Instant::now();
        let refused = log.append(stream, frame(1, 10)).await.is_err();
        assert!(begun.elapsed() < UNSENT_MAX + SCHEDULING, "{:?}", begun.elapsed());
        refused
    })
    .await
    .unwrap();
    refused_in_time(&log, stream, UNSENT_MAX).await;
    broker.ctl(&["set_vm_memory_high_watermark", "0.4"]).await.unwrap();
    wait_until(DEADLINE, async || log.append(stream, frame(2, 10)).await.is_ok()).await.unwrap();

    broker.pause().unwrap();
    refused_in_time(&log, stream, CONFIRM_MAX).await;
    broker.resume().unwrap();
    wait_until(DEADLINE, async || log.append(stream, frame(3, 10)).await.is_ok()).await.unwrap();
}

async fn refused_in_time(log: &Arc<dyn EventLog>, stream: Stream, limit: Duration) {
    let begun = Instant::now();
    let answers: Vec<_> = (0..20).map(|n| log.append(stream, frame(10_000 + n, 10))).collect();
    for answer in answers {
        let refused = within(answer).await;
        assert!(matches!(refused, Err(Error::Unavailable(_))), "{refused:?}");
    }
    assert!(begun.elapsed() < limit + SCHEDULING, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_lane_that_was_half_made_when_the_broker_was_killed_is_made_anew() {
    let mut broker = RabbitMq::start().await.unwrap();
    let (options, lane) = (options(broker.url()), Lane(2));
    let properties = ConnectionProperties::default();
    let connection = Connection::connect(broker.url(), properties).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    let mut quorum = FieldTable::default();
    quorum.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    let name = format!("{}.lane.2", options.prefix);
    channel.queue_declare(name.as_str().into(), durable, quorum).await.unwrap();
    broker.restart().await.unwrap();

    let lanes = queue(&options).await;
    wait_until(DEADLINE, async || lanes.publish(lane, frame(5, 10)).await.is_ok()).await.unwrap();
    let mut consumer = within(lanes.consume(lane)).await.unwrap();
    assert_eq!(number(&within(consumer.next()).await.unwrap().frame), 5);
}
