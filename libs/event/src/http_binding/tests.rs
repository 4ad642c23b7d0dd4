use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{Error, Event};

const REQUIRED: [(&str, &[u8]); 4] =
    [("ce-specversion", b"1.0"), ("ce-id", b"1"), ("ce-source", b"/s"), ("ce-type", b"t")];

fn read(more: &[(&str, &[u8])], body: &[u8]) -> Result<Value, Vec<String>> {
    match Event::from_http(REQUIRED.iter().chain(more).copied(), body) {
        Ok(event) => Ok(serde_json::from_slice(event.json()).unwrap()),
        Err(Error::Invalid(faults)) => Err(faults
            .into_iter()
            .map(|fault| format!("{} {}", fault.pointer, fault.code))
            .collect()),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn data_becomes_what_its_content_type_says() {
    let typed = |content_type: &str, body: &[u8]| {
        let event = read(&[("Content-Type", content_type.as_bytes())], body).unwrap();
        assert_eq!(event["datacontenttype"], content_type, "kept as it came");
        (event["data"].clone(), event["data_base64"].clone())
    };
    assert_eq!(typed("application/json", b" {\"a\": [1]}\n"), (json!({"a": [1]}), Value::Null));
    assert_eq!(typed("Application/Vnd.X+JSON; charset=utf-8", b"\"x\""), (json!("x"), Value::Null));
    assert_eq!(typed("text/plain", "hä?".as_bytes()), (json!("hä?"), Value::Null));
    assert_eq!(typed("text/plain", b"\xff"), (Value::Null, json!("/w==")));
    assert_eq!(typed("text/plain;charset=iso-8859-1", b"a"), (Value::Null, json!("YQ==")));
    assert_eq!(typed("image/png", b"\x89PNG"), (Value::Null, json!("iVBORw==")));
    assert_eq!(typed("application/json", b""), (Value::Null, Value::Null));
    assert_eq!(read(&[], b"{}").unwrap()["data"], json!({}));
    assert_eq!(read(&[], b"{").unwrap()["data_base64"], json!("ew=="));
}

#[test]
fn the_same_request_makes_the_same_bytes_in_whatever_order_its_headers_come() {
    let json: &[u8] = b"application/json";
    let mut headers: Vec<_> = REQUIRED.into_iter().chain([("content-type", json)]).collect();
    let first = Event::from_http(headers.iter().copied(), b"1").unwrap();
    headers.reverse();
    assert_eq!(Event::from_http(headers, b"1").unwrap().json(), first.json());
}

#[test]
fn the_text_of_json_data_is_kept_as_it_came() {
    let headers = REQUIRED.into_iter().chain([("content-type", &b"application/json"[..])]);
    let event = Event::from_http(headers, br#"{"b": 1.50, "a": 1e2}"#).unwrap();
    let text = std::str::from_utf8(event.json()).unwrap();
    assert!(text.contains(r#""data":{"b": 1.50, "a": 1e2}"#), "{text}");
}

#[test]
fn header_values_are_unquoted_and_percent_decoded_once() {
    for (sent, meant) in [
        (&b"Euro%20%E2%82%AC%20%F0%9F%98%80"[..], "Euro € 😀"),
        (b"\"a \\\"b\\\" c\"", "a \"b\" c"),
        (b"100%2525", "100%25"),
        ("ü".as_bytes(), "ü"),
        (b" trimmed ", "trimmed"),
    ] {
        assert_eq!(read(&[("CE-Subject", sent)], b"").unwrap()["subject"], meant);
    }
    for bad in [&b"%"[..], b"%2", b"%zz", b"%ff", b"\xff", b"\"open", b"\"a\"b", b"\"\\", b"%0a"] {
        assert_eq!(
            read(&[("ce-subject", bad)], b""),
            Err(vec!["/subject invalid-attribute".to_owned()]),
            "{bad:?}"
        );
    }
}

#[test]
fn every_fault_is_told_at_once() {
    let faults = |headers: &[(&str, &[u8])], body: &[u8]| {
        let error = Event::from_http(headers.iter().copied(), body).unwrap_err();
        let Error::Invalid(faults) = error else { panic!("{error}") };
        let mut pointers: Vec<_> = faults.into_iter().map(|fault| fault.pointer).collect();
        pointers.sort();
        pointers
    };
    assert_eq!(
        faults(
            &[("ce-id", b"%"), ("ce-time", b"noon"), ("content-type", b"application/json")],
            b"{"
        ),
        ["/data", "/id", "/source", "/specversion", "/time", "/type"]
    );
    assert_eq!(read(&[("ce-data", b"x")], b""), Err(vec!["/data invalid-attribute".to_owned()]));
    assert_eq!(read(&[("ce-id", b"2")], b""), Err(vec!["/id duplicate-attribute".to_owned()]));
    assert_eq!(
        read(&[("content-type", b"a/b"), ("ce-datacontenttype", b"a/b")], b""),
        Err(vec!["/datacontenttype duplicate-attribute".to_owned()])
    );
    assert_eq!(
        read(&[("ce-under_score", b"x")], b""),
        Err(vec!["/under_score invalid-attribute-name".to_owned()])
    );
}

#[test]
fn only_ce_headers_make_a_request_binary() {
    assert!(Event::is_binary_mode(["host", "Ce-Id"]));
    assert!(!Event::is_binary_mode(["host", "ce", "cé-id", "cellar"]));
}

/// Encodes as section 3.1.3.2 asks of senders.
fn percent_encode(value: &str) -> Vec<u8> {
    let encode = |byte: u8| match byte {
        b'"' | b'%' | 0..=0x20 | 0x7f.. => format!("%{byte:02X}").into_bytes(),
        _ => vec![byte],
    };
    value.bytes().flat_map(encode).collect()
}

fn data() -> impl Strategy<Value = (&'static str, Value, Vec<u8>)> {
    let json =
        prop_oneof![any::<i32>().prop_map(Value::from), any::<String>().prop_map(Value::from)];
    let json = prop::collection::vec(json, 0..4).prop_map(|items| {
        let body = serde_json::to_vec(&items).unwrap();
        ("application/json", json!({"data": items}), body)
    });
    let text =
        "\\PC{1,20}".prop_map(|text| ("text/plain", json!({"data": text}), text.into_bytes()));
    let binary = prop::collection::vec(any::<u8>(), 1..40).prop_map(|bytes| {
        let base64 = data_encoding::BASE64.encode(&bytes);
        ("application/octet-stream", json!({"data_base64": base64}), bytes)
    });
    prop_oneof![json, text, binary]
}

proptest! {
    #[test]
    fn binary_and_structured_mode_bring_the_same_event(
        id in "\\PC{1,20}", subject in "\\PC{1,20}", extension in "[ -~]{1,20}", (content_type, data, body) in data(),
    ) {
        let mut structured = json!({
            "specversion": "1.0", "id": id, "source": "/s", "type": "t", "subject": subject,
            "myext": extension, "datacontenttype": content_type,
        });
        structured.as_object_mut().unwrap().extend(data.as_object().unwrap().clone());
        let expected = Event::from_json(structured.to_string().into()).unwrap();

        let (id, subject, extension) = (percent_encode(&id), percent_encode(&subject), percent_encode(&extension));
        let headers = [
            ("ce-specversion", &b"1.0"[..]), ("ce-id", &id), ("ce-source", b"/s"), ("ce-type", b"t"),
            ("ce-subject", &subject), ("ce-myext", &extension), ("content-type", content_type.as_bytes()),
        ];
        let event = Event::from_http(headers, &body).unwrap();
        prop_assert_eq!(event.identity(), expected.identity());
        let tree = |event: &Event| serde_json::from_slice::<Value>(event.json()).unwrap();
        prop_assert_eq!(tree(&event), tree(&expected));
    }

    #[test]
    fn nothing_in_headers_or_body_panics(
        headers in prop::collection::vec(("(ce-)?[a-zA-Z_-]{0,8}", prop::collection::vec(any::<u8>(), 0..16)), 0..80),
        body in prop::collection::vec(any::<u8>(), 0..16),
    ) {
        let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
        let _ = Event::from_http(headers, &body);
    }
}
