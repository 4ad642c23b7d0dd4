//! How a source ends, and what it says then.

use serde_json::json;
use tripline_source::Error;
use tripline_testkit::{Answer, Bucket, Minio, Receiver, minio, unique, wait_for};

use crate::{DEADLINE, Running, settings};

/// A new bucket of a server that has only just started, and may not be ready for it yet.
async fn bucket_of(server: &Minio) -> Bucket {
    wait_for(DEADLINE, async || server.bucket().await.ok()).await.expect("it is ready soon")
}

#[tokio::test]
async fn wrong_credentials_are_refused_with_the_servers_reason() {
    let bucket = minio().await.bucket().await.unwrap();
    let wrong = settings(&bucket, json!({"secret_key": "wrong-secret"}));
    let Err(Error::Refused(why)) = Running::start(&wrong).ended().await else { panic!("refused") };
    assert!(
        why.starts_with("the secret key does not fit the access key: The request signature"),
        "{why}"
    );
    assert!(!why.contains("wrong-secret"));

    let unknown = settings(&bucket, json!({"access_key": "nobody"}));
    let Err(Error::Refused(why)) = Running::start(&unknown).ended().await else {
        panic!("refused")
    };
    assert!(why.starts_with("MinIO does not know the access key: "), "{why}");
}

#[tokio::test]
async fn a_missing_bucket_is_missing() {
    let bucket = minio().await.bucket().await.unwrap();
    let name = unique("absent");
    let absent = settings(&bucket, json!({"bucket": name}));
    let Err(Error::Missing(why)) = Running::start(&absent).ended().await else { panic!("missing") };
    assert!(why.starts_with(&format!("there is no bucket '{name}': ")), "{why}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unreachable() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let gone = json!({"endpoint": format!("http://127.0.0.1:{port}"), "bucket": "photos",
        "access_key": "a", "secret_key": "s"});
    let Err(Error::Unreachable(why)) = Running::start(&gone).ended().await else { panic!("gone") };
    assert!(why.starts_with("MinIO cannot be reached: cannot connect"), "{why}");
}

#[tokio::test]
async fn a_server_that_dies_ends_the_source_and_one_that_is_back_is_heard() {
    let mut server = Minio::start().await.unwrap();
    let bucket = bucket_of(&server).await;
    let settings = settings(&bucket, json!({}));
    let mut source = Running::listening(&settings).await;
    bucket.put("before", "").await.unwrap();
    assert_eq!(source.next().await["subject"], "before");
    server.kill().await.unwrap();
    assert!(matches!(source.ended().await, Err(Error::Unreachable(_))));

    server.restart().await.unwrap();
    // It answers 503 for a moment, as any server that comes back may; event-monitor tries again as well.
    let mut source =
        wait_for(DEADLINE, async || Running::start(&settings).connected().await).await.unwrap();
    bucket.put("after", "").await.unwrap();
    assert_eq!(source.next().await["subject"], "after");
}

#[tokio::test]
async fn a_server_that_hangs_ends_the_source_by_its_silence() {
    let server = Minio::start().await.unwrap();
    let bucket = bucket_of(&server).await;
    let source = Running::listening(&settings(&bucket, json!({}))).await;
    server.pause().unwrap();
    let Err(Error::Unreachable(why)) = source.ended().await else { panic!("unreachable") };
    assert_eq!(why, "MinIO has been silent for 10 s");
}

#[tokio::test]
async fn what_is_no_notification_ends_the_source() {
    let other = Receiver::start();
    let settings = json!({"endpoint": other.url(""), "bucket": "photos", "access_key": "a",
        "secret_key": "s"});
    other.otherwise(Answer::ok().body("<html>\n"));
    let Err(Error::Unreachable(why)) = Running::start(&settings).ended().await else { panic!() };
    assert!(why.starts_with("MinIO sent what is no notification: "), "{why}");
}

#[tokio::test]
async fn a_source_stops_while_it_waits_for_the_server() {
    let other = Receiver::start();
    other.otherwise(Answer::hang());
    let settings = json!({"endpoint": other.url(""), "bucket": "photos", "access_key": "a",
        "secret_key": "s"});
    let source = Running::start(&settings);
    other.wait_for(1, DEADLINE).await.unwrap();
    source.stop.cancel();
    source.ended().await.unwrap();
}
