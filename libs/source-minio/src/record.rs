//! From the server's records to events, and from what was found by listing to such records.

use serde::Deserialize;
use serde_json::json;
use serde_json::value::{RawValue, to_raw_value};
use tripline_event::{Builder, Event, limits};
use tripline_kernel::Timestamp;
use tripline_source::without_controls;

use crate::id::Id;
use crate::judge::Found;
use crate::place::Place;

/// What stands before the event name in an event's type.
const TYPE_PREFIX: &str = "com.amazonaws.s3.";
/// What the server calls itself in its records.
const EVENT_SOURCE: &str = "minio:s3";
/// Nanoseconds of a millisecond.
const NANOS: u64 = 1_000_000;

/// One line of the stream. A ping holds no records.
#[derive(Deserialize)]
struct Notification {
    #[serde(rename = "Records")]
    records: Option<Vec<Box<RawValue>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    event_source: String,
    #[serde(default)]
    aws_region: String,
    #[serde(default)]
    event_time: String,
    event_name: String,
    #[serde(default)]
    response_elements: Response,
    s3: S3,
}

#[derive(Default, Deserialize)]
struct Response {
    #[serde(rename = "x-amz-request-id", default)]
    request_id: String,
}

#[derive(Deserialize)]
struct S3 {
    bucket: Bucket,
    object: Object,
}

#[derive(Deserialize)]
struct Bucket {
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Object {
    key: String,
    #[serde(default)]
    version_id: String,
    #[serde(default)]
    e_tag: String,
    #[serde(default)]
    sequencer: String,
}

/// One record of the live stream.
pub(crate) struct Notice {
    raw: Box<RawValue>,
    record: Record,
}

/// What was received is not what it should look like. Says in what way.
#[derive(Debug)]
pub(crate) struct Incomprehensible(pub(crate) String);

/// The records of one line of the live stream. A line with nothing but white space holds none.
pub(crate) fn notices(line: &[u8]) -> Result<Vec<Notice>, Incomprehensible> {
    if line.iter().all(u8::is_ascii_whitespace) {
        return Ok(Vec::new());
    }
    let notification: Notification = serde_json::from_slice(line).map_err(incomprehensible)?;
    let notice = |raw: Box<RawValue>| {
        let record = serde_json::from_str(raw.get()).map_err(incomprehensible)?;
        Ok(Notice { raw, record })
    };
    notification.records.unwrap_or_default().into_iter().map(notice).collect()
}

fn incomprehensible(error: impl std::fmt::Display) -> Incomprehensible {
    Incomprehensible(error.to_string())
}

impl Notice {
    /// Such as `s3:ObjectCreated:Put`.
    pub(crate) fn event_name(&self) -> &str {
        &self.record.event_name
    }

    pub(crate) fn bucket(&self) -> &str {
        &self.record.s3.bucket.name
    }

    /// The key as the user knows it.
    pub(crate) fn key(&self) -> &str {
        &self.record.s3.object.key
    }

    /// The version; empty for the one without a version id.
    pub(crate) fn version(&self) -> &str {
        let version = self.record.s3.object.version_id.as_str();
        if version == "null" { "" } else { version }
    }

    pub(crate) fn etag(&self) -> &str {
        &self.record.s3.object.e_tag
    }

    /// The time of the change in nanoseconds, in hexadecimal digits.
    pub(crate) fn sequencer(&self) -> &str {
        &self.record.s3.object.sequencer
    }

    /// The time of the change in milliseconds since the epoch, as a listing tells it; 0 when it is not told.
    pub(crate) fn millis(&self) -> i64 {
        let nanos = u64::from_str_radix(self.sequencer(), 16).unwrap_or(0);
        i64::try_from(nanos / NANOS).unwrap_or(0)
    }

    pub(crate) fn request_id(&self) -> &str {
        &self.record.response_elements.request_id
    }

    /// Where it happened; `None` for keys that there cannot be.
    pub(crate) fn place(&self) -> Option<Place> {
        Place::new(self.key(), self.version())
    }

    /// The event under this id.
    pub(crate) fn event(&self, id: Id) -> Result<Event, Incomprehensible> {
        let Record { event_source, aws_region, event_time, event_name, s3, .. } = &self.record;
        let source = format!("{event_source}.{aws_region}.{}", s3.bucket.name);
        let draft = Draft { source, name: event_name, key: &s3.object.key };
        draft.event(id, event_time.parse().ok(), &self.raw)
    }
}

/// The event of a change that was found by listing at `now`, in the words of the server's own records.
pub(crate) fn found(
    found: &Found,
    name: &str,
    bucket: &str,
    now: Timestamp,
) -> Result<Event, Incomprehensible> {
    let (key, version) = (found.place.key(), found.place.version());
    let mut object = json!({ "key": key });
    if !version.is_empty() {
        object["versionId"] = version.into();
    }
    let mut time = now;
    if let Some(listed) = &found.listed {
        time = Timestamp::from_micros(listed.millis.saturating_mul(1_000));
        let nanos = u64::try_from(listed.millis).unwrap_or(0).saturating_mul(NANOS);
        object["sequencer"] = format!("{nanos:X}").into();
        if !listed.etag.is_empty() {
            object["eTag"] = listed.etag.as_str().into();
            object["size"] = listed.size.into();
        }
    }
    let record = json!({
        "eventVersion": "2.0",
        "eventSource": EVENT_SOURCE,
        "awsRegion": "",
        "eventTime": time,
        "eventName": name,
        "s3": {
            "s3SchemaVersion": "1.0",
            "bucket": {"name": bucket, "arn": format!("arn:aws:s3:::{bucket}")},
            "object": object,
        },
        "tripline": {"found": "listing"},
    });
    let raw = to_raw_value(&record).map_err(incomprehensible)?;
    let source = format!("{EVENT_SOURCE}..{bucket}");
    Draft { source, name, key }.event(found.id, Some(time), &raw)
}

/// What an event is made of.
struct Draft<'a> {
    source: String,
    /// Such as `s3:ObjectCreated:Put`.
    name: &'a str,
    key: &'a str,
}

impl Draft<'_> {
    fn event(
        self,
        id: Id,
        time: Option<Timestamp>,
        raw: &RawValue,
    ) -> Result<Event, Incomprehensible> {
        let id = id.to_string();
        let name = self.name.strip_prefix("s3:").unwrap_or(self.name);
        let key = without_controls(self.key);
        // A key of control characters can grow beyond what a partition key may have: then the id stands in for it.
        let fits = key.len() <= limits::ATTRIBUTE_BYTES_MAX;
        let partition_key = if fits { key.to_string() } else { id.clone() };
        let mut builder = Builder::new(id, self.source, format!("{TYPE_PREFIX}{name}"))
            .attribute("subject", key)
            .attribute("partitionkey", partition_key)
            .attribute("datacontenttype", "application/json")
            .json_data(raw);
        if let Some(time) = time {
            builder = builder.time(time);
        }
        builder.build().map_err(incomprehensible)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use tripline_event::Event;
    use tripline_kernel::Timestamp;

    use super::{found, notices};
    use crate::id::Id;
    use crate::judge::{Found, What};
    use crate::listing::{Listed, Sort};
    use crate::place::Place;

    fn events(line: &[u8]) -> Option<Vec<Event>> {
        let notices = notices(line).ok()?;
        let event = |notice: &super::Notice| {
            notice.event(Id::written(notice.bucket(), notice.key(), notice.millis(), notice.etag()))
        };
        Some(notices.iter().map(|notice| event(notice).unwrap()).collect())
    }

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
            assert!(events(bad).is_none());
        }
    }

    #[test]
    fn what_is_found_reads_like_what_the_server_tells() {
        let place = Place::new("in/a b+%.jpg", "").unwrap();
        let listed = Listed {
            place: place.clone(),
            sort: Sort::Object,
            millis: 1_795_235_236_010,
            etag: "e".to_owned(),
            size: 3,
        };
        let id = Id::written("photos", place.key(), listed.millis, &listed.etag);
        let change = Found { what: What::Created, place, id, listed: Some(listed) };
        let now = Timestamp::from_micros(0);
        let event = found(&change, "s3:ObjectCreated:Put", "photos", now).unwrap();
        let [told] = &events(&line("in/a b+%.jpg")).unwrap()[..] else { panic!("one event") };
        let found: Value = serde_json::from_slice(event.json()).unwrap();
        let told: Value = serde_json::from_slice(told.json()).unwrap();
        for attribute in ["id", "source", "type", "subject", "partitionkey", "time"] {
            assert_eq!(found[attribute], told[attribute], "{attribute}");
        }
        assert_eq!(found["data"]["eventName"], told["data"]["eventName"]);
        let (found, told) = (&found["data"]["s3"], &told["data"]["s3"]);
        assert_eq!(found["bucket"]["name"], told["bucket"]["name"]);
        assert_eq!(found["object"]["key"], told["object"]["key"]);
        assert_eq!(found["object"]["eTag"], told["object"]["eTag"]);
        assert_eq!(found["object"]["sequencer"], "18E9F4EF82A3FE80");
    }
}
