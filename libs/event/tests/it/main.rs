//! What is a CloudEvent and what is not, case by case; and that events cross every format unchanged.

use bytes::Bytes;
use proptest::prelude::*;
use tripline_event::{
    Accepted, Builder, Error, Event, InvocationId, LaneEntry, LogEntry, Marker, Origin, Subject,
    TriggerDefinition, limits, parse_batch,
};
use tripline_kernel::{Classify as _, ErrorKind, Timestamp, Uid};

#[derive(serde::Deserialize)]
struct Case {
    name: String,
    text: String,
    #[serde(default)]
    faults: Vec<String>,
    #[serde(default)]
    malformed: bool,
}

#[test]
fn the_corpus_of_structured_events_is_judged_as_it_says() {
    let corpus = include_str!("../../corpus/structured.jsonl");
    for line in corpus.lines() {
        let case: Case = serde_json::from_str(line).unwrap();
        match Event::from_json(Bytes::from(case.text.clone())) {
            Ok(event) => {
                assert!(!case.malformed && case.faults.is_empty(), "{}: was accepted", case.name);
                assert_eq!(event.json(), case.text.as_bytes(), "{}: the text is kept", case.name);
            }
            Err(Error::Malformed(_)) => {
                assert!(case.malformed, "{}: was called malformed", case.name);
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Invalid, "{}", case.name);
                let found: Vec<_> =
                    error.faults().iter().map(|f| format!("{} {}", f.pointer, f.code)).collect();
                assert_eq!(found, case.faults, "{}", case.name);
            }
        }
    }
}

#[test]
fn a_bad_entry_is_refused_and_not_the_batch() {
    let batch = r#"[ {"specversion":"1.0","id":"1","source":"/s","type":"t"}, 5, {} ,
        {"specversion":"1.0","id":"2","source":"/s","type":"t"} ]"#;
    let entries = parse_batch(&Bytes::from(batch)).unwrap();
    let ids: Vec<_> = entries.iter().map(|entry| entry.as_ref().ok().map(Event::id)).collect();
    assert_eq!(ids, [Some("1"), None, None, Some("2")]);
    assert_eq!(
        entries[3].as_ref().unwrap().json()[0],
        b'{',
        "without the white space between entries"
    );
    assert!(matches!(parse_batch(&Bytes::from("{}")), Err(Error::Invalid(_))));
    assert!(matches!(parse_batch(&Bytes::from("[1,")), Err(Error::Malformed(_))));
    let most = format!("[{}]", vec!["0"; limits::BATCH_EVENTS_MAX + 1].join(","));
    assert!(matches!(parse_batch(&Bytes::from(most)), Err(Error::TooLarge(_))));
}

#[test]
fn limits_hold_at_their_edges() {
    let event = |id: &str, source: &str| Builder::new(id, source, "t").build();
    let (id, source) = ("i".repeat(limits::ID_BYTES_MAX), "s".repeat(limits::ATTRIBUTE_BYTES_MAX));
    assert!(event(&id, &source).is_ok());
    assert!(event(&format!("{id}i"), &source).is_err());
    assert!(event(&id, &format!("{source}s")).is_err());
    let with_extensions = |count: usize| {
        let names: Vec<_> = (0..count).map(|n| format!("x{n}")).collect();
        names
            .iter()
            .fold(Builder::new("1", "/s", "t"), |builder, name| builder.attribute(name, "v"))
            .build()
    };
    assert!(with_extensions(limits::ATTRIBUTES_MAX - 4).is_ok());
    assert!(with_extensions(limits::ATTRIBUTES_MAX - 3).is_err());
}

#[test]
fn deep_nesting_in_data_is_no_danger() {
    let deep = 200_000;
    let data = format!("{}{}", "[".repeat(deep), "]".repeat(deep));
    let text =
        format!(r#"{{"specversion":"1.0","id":"1","source":"/s","type":"t","data":{data}}}"#);
    // Taken or refused, but answered.
    let _ = Event::from_json(Bytes::from(text));
}

/// The hash that spreads events is part of the stored format: a change would break order by key.
#[test]
fn the_partition_of_an_event_is_fixed() {
    // As the reference implementation of XXH3 computes them.
    const PLAIN_HASH: u64 = 7_319_614_712_888_413_769;
    const KEYED_HASH: u64 = 12_580_892_159_581_192_680;
    let plain = Builder::new("id-1", "/source", "t").build().unwrap();
    let keyed = Builder::new("id-2", "/source", "t")
        .attribute("partitionkey", "photos/a.jpg")
        .build()
        .unwrap();
    assert_eq!(plain.key_hash(), PLAIN_HASH);
    assert_eq!(keyed.key_hash(), KEYED_HASH);
    assert_eq!(keyed.partition(4), u16::try_from(KEYED_HASH % 4).unwrap());
}

fn any_uid() -> impl Strategy<Value = Uid> {
    any::<[u8; 16]>().prop_map(Uid::from_bytes)
}

prop_compose! {
    fn any_event()(
        id in "[^\\p{Cc}]{1,40}",
        source in "[a-z/:.%0-9]{1,40}",
        key in proptest::option::of("[^\\p{Cc}]{1,40}"),
        text in "\\PC{0,40}",
    ) -> Event {
        let mut builder = Builder::new(id, source, "dev.tripline.test").text_data(&text);
        if let Some(key) = key {
            builder = builder.attribute("partitionkey", key);
        }
        builder.build().expect("what is drawn is valid")
    }
}

prop_compose! {
    fn any_accepted()(
        event in any_event(),
        uid in any_uid(),
        by_source in any::<bool>(),
        micros in any::<i64>(),
        traceparent in proptest::option::of("[0-9a-f-]{55}"),
    ) -> Accepted {
        let origin = if by_source { Origin::Source(uid) } else { Origin::ApiKey(uid) };
        let accepted_at = Timestamp::from_micros(micros);
        Accepted { origin, accepted_at, traceparent: traceparent.map(Into::into), event }
    }
}

proptest! {
    #[test]
    fn a_built_event_reads_back_as_itself(event in any_event()) {
        prop_assert_eq!(Event::from_json(event.json().clone()).unwrap(), event);
    }

    #[test]
    fn log_entries_cross_bytes_unchanged(accepted in any_accepted()) {
        let entry = LogEntry::Event(accepted);
        prop_assert_eq!(LogEntry::decode(entry.encode()).unwrap(), entry);
    }

    #[test]
    fn lane_entries_cross_bytes_unchanged(
        accepted in any_accepted(),
        invocation in any::<[u8; 20]>(),
        uids in proptest::array::uniform5(any_uid()),
        revision in any::<u64>(),
        subject in 0..3_u8,
    ) {
        let [tenant, bus, trigger, function, uid] = uids;
        let subject = match subject {
            0 => Subject::Source(uid),
            1 => Subject::Bus(uid),
            _ => Subject::ApiKey(uid),
        };
        let invocation = InvocationId::from_bytes(invocation);
        let entry = LaneEntry { invocation, tenant, bus, trigger, revision, function, subject, accepted };
        prop_assert_eq!(LaneEntry::decode(entry.encode()).unwrap(), entry);
    }

    #[test]
    fn markers_cross_bytes_unchanged(trigger in any_uid(), revision in any::<u64>(), function in any_uid(), pattern in proptest::option::of("\\PC{0,20}")) {
        let definition = TriggerDefinition { source: Some(trigger), pattern: pattern.map(Into::into), function };
        for marker in [
            Marker::Begin,
            Marker::Trigger { trigger, revision, definition: Some(definition) },
            Marker::Trigger { trigger, revision, definition: None },
        ] {
            let entry = LogEntry::Marker(marker);
            prop_assert_eq!(LogEntry::decode(entry.encode()).unwrap(), entry);
        }
    }

    #[test]
    fn bytes_that_are_no_entry_are_refused_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = LogEntry::decode(Bytes::from(bytes.clone()));
        let _ = LaneEntry::decode(Bytes::from(bytes));
    }

    #[test]
    fn any_text_is_judged_without_panic(text in "\\PC{0,80}") {
        let _ = Event::from_json(Bytes::from(text.clone()));
        let _ = parse_batch(&Bytes::from(text));
    }
}

#[test]
fn the_trace_of_an_event_is_its_own_attribute_and_none_of_its_data() {
    let trace = |more: &str| {
        let json = format!(r#"{{"specversion":"1.0","id":"1","source":"/s","type":"t"{more}}}"#);
        Event::from_json(Bytes::from(json)).unwrap().traceparent()
    };
    assert_eq!(trace(r#","traceparent":"00-a-b-01""#).as_deref(), Some("00-a-b-01"));
    for none in
        ["", r#","data":{"traceparent":"x"}"#, r#","traceparent":null"#, r#","traceparent":7"#]
    {
        assert_eq!(trace(none), None, "{none}");
    }
}
