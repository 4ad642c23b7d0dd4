//! What happens in the bucket is told as it is.

use bytes::Bytes;
use http_body_util::Full;
use rusty_s3::{Credentials, S3Action as _, UrlStyle};
use serde_json::json;
use tripline_outbound::Bounds;
use tripline_testkit::{Bucket, minio};

use crate::{DEADLINE, Running, loopback_client, settings};

/// Keys that something on the way might encode, decode or cut.
fn odd_keys() -> Vec<String> {
    let segment = "n".repeat(249);
    let longest = format!("{segment}/{segment}/{segment}/{segment}");
    assert!(longest.len() >= 999);
    [
        "plain.jpg",
        "in/a b.jpg",
        "a+b%2Bc%.jpg",
        "é/🚀 日本.jpg",
        "a&b=c;d?e#f.jpg",
        "\"'<>.jpg",
        &longest,
    ]
    .map(str::to_owned)
    .into()
}

#[tokio::test]
async fn keys_of_all_sorts_arrive_raw() {
    let bucket = minio().await.bucket().await.unwrap();
    let mut source = Running::listening(&settings(&bucket, json!({}))).await;
    for key in odd_keys() {
        bucket.put(&key, "abc").await.unwrap();
        let event = source.next().await;
        assert_eq!(event["subject"], key);
        assert_eq!(event["partitionkey"], key);
        assert_eq!(event["type"], "com.amazonaws.s3.ObjectCreated:Put");
        assert_eq!(event["source"], format!("minio:s3..{}", bucket.name()));
        assert_eq!(event["datacontenttype"], "application/json");
        let data = &event["data"];
        assert_eq!(
            (&data["s3"]["object"]["key"], &data["s3"]["object"]["size"]),
            (&json!(key), &json!(3))
        );
        assert_eq!(data["s3"]["bucket"]["name"], bucket.name());
        let told = |time: &serde_json::Value| -> tripline_kernel::Timestamp {
            time.as_str().unwrap().parse().unwrap()
        };
        assert_eq!(told(&event["time"]), told(&data["eventTime"]));
    }
    source.stop.cancel();
    source.ended().await.unwrap();
}

#[tokio::test]
async fn removals_and_reads_are_told_where_they_are_asked_for() {
    let bucket = minio().await.bucket().await.unwrap();
    let all =
        json!({"events": ["s3:ObjectRemoved:*", "s3:ObjectAccessed:*", "s3:ObjectCreated:*"]});
    let mut source = Running::listening(&settings(&bucket, all)).await;
    let mut ids = Vec::new();
    for _ in 0..2 {
        bucket.put("a b", "abc").await.unwrap();
        get(&bucket, "a b").await.unwrap();
        get(&bucket, "a b").await.unwrap();
        bucket.remove("a b").await.unwrap();
    }
    for kind in [
        "ObjectCreated:Put",
        "ObjectAccessed:Get",
        "ObjectAccessed:Get",
        "ObjectRemoved:Delete",
        "ObjectCreated:Put",
        "ObjectAccessed:Get",
        "ObjectAccessed:Get",
        "ObjectRemoved:Delete",
    ] {
        let event = source.next().await;
        assert_eq!(event["type"], format!("com.amazonaws.s3.{kind}"));
        assert_eq!(event["subject"], "a b");
        ids.push(event["id"].as_str().unwrap().to_owned());
    }
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 8, "each change has an id of its own");
}

#[tokio::test]
async fn only_what_the_prefix_and_suffix_fit_is_told() {
    let bucket = minio().await.bucket().await.unwrap();
    let affixes = json!({"prefix": "in/ü ", "suffix": "+.jpg"});
    let mut source = Running::listening(&settings(&bucket, affixes)).await;
    for key in ["in/ü x.jpg", "out/ü +.jpg", "in/ü a+.jpg"] {
        bucket.put(key, "").await.unwrap();
    }
    assert_eq!(source.next().await["subject"], "in/ü a+.jpg");
}

#[tokio::test]
async fn two_listeners_give_a_change_the_same_id() {
    let bucket = minio().await.bucket().await.unwrap();
    let settings = settings(&bucket, json!({}));
    let (mut one, mut other) =
        (Running::listening(&settings).await, Running::listening(&settings).await);
    bucket.put("a", "1").await.unwrap();
    bucket.put("a", "2").await.unwrap();
    let (first, second) = (one.next().await, one.next().await);
    assert_eq!(
        (&other.next().await["id"], &other.next().await["id"]),
        (&first["id"], &second["id"])
    );
    assert_ne!(first["id"], second["id"]);
}

#[tokio::test]
async fn a_burst_arrives_whole_and_in_order() {
    let bucket = minio().await.bucket().await.unwrap();
    let mut source = Running::listening(&settings(&bucket, json!({}))).await;
    for n in 0..200 {
        bucket.put(&format!("n{n}"), "").await.unwrap();
    }
    for n in 0..200 {
        assert_eq!(source.next().await["subject"], format!("n{n}"));
    }
}

#[tokio::test]
async fn the_server_knows_every_event_that_the_settings_allow() {
    let bucket = minio().await.bucket().await.unwrap();
    let kinds = json!({"events": [
        "s3:ObjectCreated:Put", "s3:ObjectCreated:Post", "s3:ObjectCreated:Copy",
        "s3:ObjectCreated:CompleteMultipartUpload", "s3:ObjectCreated:PutTagging",
        "s3:ObjectCreated:DeleteTagging", "s3:ObjectCreated:PutRetention",
        "s3:ObjectCreated:PutLegalHold", "s3:ObjectRemoved:Delete",
        "s3:ObjectRemoved:DeleteMarkerCreated", "s3:ObjectRemoved:DeleteAllVersions",
        "s3:ObjectRemoved:NoOP", "s3:ObjectAccessed:Get", "s3:ObjectAccessed:Head",
        "s3:ObjectAccessed:Attributes", "s3:ObjectAccessed:GetRetention",
        "s3:ObjectAccessed:GetLegalHold",
    ]});
    let mut source = Running::listening(&settings(&bucket, kinds)).await;
    bucket.remove("never there").await.unwrap();
    assert_eq!(source.next().await["type"], "com.amazonaws.s3.ObjectRemoved:NoOP");
}

/// Reads an object, which [`Bucket`] has no verb for.
async fn get(bucket: &Bucket, key: &str) -> anyhow::Result<()> {
    let endpoint = bucket.endpoint().parse()?;
    let named =
        rusty_s3::Bucket::new(endpoint, UrlStyle::Path, bucket.name().to_owned(), "us-east-1")?;
    let credentials = Credentials::new(bucket.access_key(), bucket.secret_key());
    let url = named.get_object(Some(&credentials), key).sign(DEADLINE);
    let request = http::Request::get(url.as_str()).body(Full::<Bytes>::default())?;
    let bounds = Bounds { deadline: DEADLINE, body_bytes_max: 1024 };
    let status = loopback_client().fetch(request, bounds).await?.status;
    anyhow::ensure!(status == 200, "MinIO answers {status}");
    Ok(())
}
