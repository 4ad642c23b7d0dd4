//! From the server's records to events.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;
use tripline_event::{Builder, Event, limits};
use tripline_kernel::Timestamp;
use tripline_source::without_controls;

use crate::id::Change;

/// What stands before the event name in an event's type.
const TYPE_PREFIX: &str = "com.amazonaws.s3.";

/// One line of the stream. A ping holds no records.
#[derive(Deserialize)]
struct Notification<'a> {
    #[serde(rename = "Records", borrow)]
    records: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record<'a> {
    #[serde(borrow)]
    event_source: Cow<'a, str>,
    #[serde(borrow, default)]
    aws_region: Cow<'a, str>,
    #[serde(borrow, default)]
    event_time: Cow<'a, str>,
    #[serde(borrow)]
    event_name: Cow<'a, str>,
    #[serde(borrow, default)]
    response_elements: Response<'a>,
    #[serde(borrow)]
    s3: S3<'a>,
}

#[derive(Default, Deserialize)]
struct Response<'a> {
    #[serde(rename = "x-amz-request-id", borrow, default)]
    request_id: Cow<'a, str>,
}

#[derive(Deserialize)]
struct S3<'a> {
    #[serde(borrow)]
    bucket: Bucket<'a>,
    #[serde(borrow)]
    object: Object<'a>,
}

#[derive(Deserialize)]
struct Bucket<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Object<'a> {
    #[serde(borrow)]
    key: Cow<'a, str>,
    #[serde(borrow, default)]
    version_id: Cow<'a, str>,
    #[serde(borrow, default)]
    e_tag: Cow<'a, str>,
    #[serde(borrow, default)]
    sequencer: Cow<'a, str>,
}

/// The line is not what a notification looks like. Says in what way.
#[derive(Debug)]
pub(crate) struct Incomprehensible(pub(crate) String);

/// The events of one line of the live stream. A line with nothing but white space holds none.
pub(crate) fn events(line: &[u8]) -> Result<Vec<Event>, Incomprehensible> {
    if line.iter().all(u8::is_ascii_whitespace) {
        return Ok(Vec::new());
    }
    let notification: Notification<'_> = serde_json::from_slice(line).map_err(incomprehensible)?;
    notification.records.unwrap_or_default().into_iter().map(event).collect()
}

fn incomprehensible(error: impl std::fmt::Display) -> Incomprehensible {
    Incomprehensible(error.to_string())
}

fn event(raw: &RawValue) -> Result<Event, Incomprehensible> {
    let record: Record<'_> = serde_json::from_str(raw.get()).map_err(incomprehensible)?;
    let object = &record.s3.object;
    let bucket = &*record.s3.bucket.name;
    let change = Change {
        event_name: &record.event_name,
        bucket,
        key: &object.key,
        version_id: &object.version_id,
        sequencer: &object.sequencer,
        etag: &object.e_tag,
        request_id: &record.response_elements.request_id,
    };
    let id = change.id();
    let name = record.event_name.strip_prefix("s3:").unwrap_or(&record.event_name);
    let source = format!("{}.{}.{bucket}", record.event_source, record.aws_region);
    let key = without_controls(&object.key);
    // A key of control characters can grow beyond what a partition key may have: then the id stands in for it.
    let fits = key.len() <= limits::ATTRIBUTE_BYTES_MAX;
    let partition_key = if fits { key.to_string() } else { id.clone() };
    let mut builder = Builder::new(id, source, format!("{TYPE_PREFIX}{name}"))
        .attribute("subject", key)
        .attribute("partitionkey", partition_key)
        .attribute("datacontenttype", "application/json")
        .json_data(raw);
    if let Ok(time) = record.event_time.parse::<Timestamp>() {
        builder = builder.time(time);
    }
    builder.build().map_err(incomprehensible)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::events;

    fn line(key: &str) -> Vec<u8> {
        json!({"Records": [{
            "eventVersion": "2.0", "eventSource": "minio:s3", "awsRegion": "",
            "eventTime": "2026-11-21T04:27:16.010Z", "eventName": "s3:ObjectCreated:Put",
            "responseElements": {"x-amz-request-id": "18E9F4EF829DD432"},
            "s3": {"bucket": {"name": "photos"},
                   "object": {"key": key, "eTag": "e", "sequencer": "18E9F4EF82A6F315"}},
        }]})
        .to_string()
        .into_bytes()
    }

    #[test]
    fn a_record_becomes_an_event_as_the_adapter_says() {
        let line = line("in/a b+%.jpg");
        let [event] = &events(&line).unwrap()[..] else { panic!("one event") };
        let event: Value = serde_json::from_slice(event.json()).unwrap();
        let record: Value = serde_json::from_slice(&line).unwrap();
        assert_eq!(event["source"], "minio:s3..photos");
        assert_eq!(event["type"], "com.amazonaws.s3.ObjectCreated:Put");
        assert_eq!(event["subject"], "in/a b+%.jpg");
        assert_eq!(event["partitionkey"], "in/a b+%.jpg");
        assert_eq!(event["time"], "2026-11-21T04:27:16.01Z");
        assert_eq!(event["datacontenttype"], "application/json");
        assert_eq!(event["data"], record["Records"][0]);
    }

    #[test]
    fn control_characters_are_encoded_in_attributes_only() {
        let [event] = &events(&line("a\u{1}\u{85}b%")).unwrap()[..] else { panic!("one event") };
        assert_eq!(event.partition_key(), Some("a%01%C2%85b%"));
        let event: Value = serde_json::from_slice(event.json()).unwrap();
        assert_eq!(event["subject"], "a%01%C2%85b%");
        assert_eq!(event["data"]["s3"]["object"]["key"], "a\u{1}\u{85}b%");
    }

    #[test]
    fn the_longest_key_of_control_characters_is_still_an_event() {
        let [event] = &events(&line(&"\u{85}".repeat(512))).unwrap()[..] else { panic!("one") };
        assert_eq!(event.partition_key(), Some(event.id()));
    }

    #[test]
    fn pings_hold_nothing_and_what_is_no_notification_is_told() {
        assert_eq!(events(b"{\"Records\":null}").unwrap().len(), 0);
        assert_eq!(events(b"  ").unwrap().len(), 0);
        for bad in [&b"x"[..], b"[]", b"{\"Records\":[{}]}", b"{\"Records\":[1]}", b"\xff"] {
            assert!(events(bad).is_err());
        }
    }
}
