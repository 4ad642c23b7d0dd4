use std::time::{Duration, Instant};

use lapin::options::QueueDeleteOptions;
use lapin::{Connection, ConnectionProperties};
use tripline_bus::{Error, Offset, Retention};
use tripline_bus_rabbitmq::FRAME_BYTES_MAX;
use tripline_testkit::wait_for;

use super::{DEADLINE, RETENTION, frame, log, number, options, shared, stream, take, within};

#[tokio::test]
async fn a_read_behind_retention_says_that_there_is_a_gap_and_where_the_log_begins() {
    let log = log(&shared().await).await;
    let retention = Retention { bytes: 1 << 20, ..RETENTION };
    let stream = stream(&log, retention).await;
    let (mut sent, mut early) = (0, None);
    let first = wait_for(DEADLINE, async || {
        for answer in
            (sent..sent + 64).map(|n| log.append(stream, frame(n, 8192))).collect::<Vec<_>>()
        {
            within(answer).await.unwrap();
        }
        sent += 64;
        if early.is_none() {
            early = Some(within(log.read(stream, 0)).await.unwrap());
        }
        let first = within(log.earliest(stream)).await.unwrap();
        (first > 64).then_some(first)
    })
    .await
    .unwrap();

    let gap = within(log.read(stream, 0)).await.err();
    let Some(Error::Gap { asked: 0, first: told }) = gap else { panic!("no gap: {gap:?}") };
    assert!(told >= first);

    // From the first record on, everything is there, over all the jumps at the ends of segments.
    let mut reader = within(log.read(stream, told)).await.unwrap();
    let begin = take(&mut reader, 1).await.remove(0);
    assert_eq!(begin.offset, told);
    let from = number(&begin.frame);
    for (due, record) in (from + 1..sent).zip(take(&mut reader, sent - from - 1).await) {
        assert_eq!(number(&record.frame), due);
    }

    // A reader that was open all the time and is overtaken by retention says so as well, and never skips in silence.
    let mut early = early.unwrap();
    let mut due = 0;
    let outcome = loop {
        match within(early.next()).await {
            Ok(record) if number(&record.frame) == due && due + 1 < sent => due += 1,
            other => break other,
        }
    };
    match outcome {
        Ok(record) => assert_eq!((number(&record.frame), due + 1), (due, sent), "all were read"),
        Err(Error::Gap { asked, first }) => assert!(asked < first && first >= told),
        Err(error) => panic!("{error:?}"),
    }
}

#[tokio::test]
async fn a_stream_that_is_gone_takes_no_append() {
    let options = shared().await;
    let log = log(&options).await;
    let stream = stream(&log, RETENTION).await;
    within(log.append(stream, frame(0, 10))).await.unwrap();
    let uri = secrecy::ExposeSecret::expose_secret(&options.uri).to_owned();
    let connection = Connection::connect(&uri, ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let name = format!("{}.log.{stream}", options.prefix);
    channel.queue_delete(name.as_str().into(), QueueDeleteOptions::default()).await.unwrap();
    for _ in 0..3 {
        // The first one is returned as unroutable, the others find no stream to begin with.
        let refused = within(log.append(stream, frame(1, 10))).await;
        assert!(matches!(refused, Err(Error::NoStream(_))), "{refused:?}");
    }
    within(log.create(stream, RETENTION)).await.unwrap();
    within(log.append(stream, frame(2, 10))).await.unwrap();
}

#[tokio::test]
async fn a_stream_keeps_its_retention_when_it_is_created_again_with_another() {
    let log = log(&shared().await).await;
    let stream = stream(&log, RETENTION).await;
    within(log.append(stream, frame(0, 10))).await.unwrap();
    let other = Retention { time: Duration::from_secs(60), bytes: 1 << 20 };
    within(log.create(stream, other)).await.unwrap();
    let mut reader = within(log.read(stream, 0)).await.unwrap();
    assert_eq!(number(&take(&mut reader, 1).await[0].frame), 0);
}

#[tokio::test]
async fn a_frame_over_the_limit_is_refused_and_harms_no_other() {
    let log = log(&shared().await).await;
    let stream = stream(&log, RETENTION).await;
    let before = log.append(stream, frame(0, 10));
    let refused = within(log.append(stream, frame(1, FRAME_BYTES_MAX))).await;
    assert!(matches!(refused, Err(Error::TooLarge { .. })), "{refused:?}");
    within(before).await.unwrap();
    within(log.append(stream, frame(2, 10))).await.unwrap();
}

#[tokio::test]
async fn an_empty_stream_begins_with_its_first_record() {
    let log = log(&shared().await).await;
    let stream = stream(&log, RETENTION).await;
    let begin: Offset = within(log.earliest(stream)).await.unwrap();
    let mut reader = within(log.read(stream, begin)).await.unwrap();
    within(log.append(stream, frame(7, 10))).await.unwrap();
    let first = take(&mut reader, 1).await.remove(0);
    assert_eq!((first.offset, number(&first.frame)), (begin, 7));
}

#[tokio::test]
async fn a_broker_that_is_not_there_is_waited_for() {
    let nowhere = options("amqp://127.0.0.1:1/%2f");
    let begun = Instant::now();
    let connecting = tokio::time::timeout(Duration::from_millis(300), log(&nowhere)).await;
    assert!(connecting.is_err() && begun.elapsed() >= Duration::from_millis(300));
}
