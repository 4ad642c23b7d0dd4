use tripline_kernel::Fault;

use super::{Document, Fields};
use crate::refusal::Refusal;

fn read(text: &str) -> Result<(Option<String>, Option<u32>), Refusal> {
    let document = Document::parse(text.to_owned().into())?;
    let read = |fields: &mut Fields<'_>| {
        let target = fields.object("target", |target| {
            let kind = target.text("kind");
            target.rest();
            kind
        });
        let timeout = fields.optional_u32("timeout_ms", 1..=1000);
        fields.unsupported(&["transform"]);
        Some((target, timeout))
    };
    document.read("thumbs", read).map(|(read, _)| read)
}

fn faults(text: &str) -> Vec<Fault> {
    match read(text) {
        Err(Refusal::Document(faults)) => faults,
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn each_fault_is_told_with_its_place_and_name() {
    for (text, found) in [
        ("[]", " wrong-type"),
        ("{}", "/target missing-field"),
        (r#"{"target":null}"#, "/target missing-field"),
        (r#"{"target":[]}"#, "/target wrong-type"),
        (r#"{"target":{}}"#, "/target/kind missing-field"),
        (r#"{"target":{"kind":7}}"#, "/target/kind wrong-type"),
        (r#"{"target":{"kind":""}}"#, "/target/kind out-of-range"),
        (r#"{"target":{"kind":"k"},"timeout_ms":"1s"}"#, "/timeout_ms wrong-type"),
        (r#"{"target":{"kind":"k"},"timeout_ms":0}"#, "/timeout_ms out-of-range"),
        (r#"{"target":{"kind":"k"},"timeout_ms":1.5}"#, "/timeout_ms out-of-range"),
        (r#"{"target":{"kind":"k"},"timeout_ms":-1}"#, "/timeout_ms out-of-range"),
        (r#"{"target":{"kind":"k"},"timeout_ms":99999999999}"#, "/timeout_ms out-of-range"),
        (r#"{"target":{"kind":"k"},"timeout":1}"#, "/timeout unknown-field"),
        (r#"{"target":{"kind":"k"},"a/b~c":1}"#, "/a~1b~0c unknown-field"),
        (r#"{"target":{"kind":"k"},"transform":{}}"#, "/transform unsupported-field"),
        (r#"{"target":{"kind":"k"},"name":"other"}"#, "/name mismatch"),
        (r#"{"target":{"kind":"k","x":[{"y":1,"y":2}]}}"#, "/target/x/0/y duplicate-field"),
    ] {
        let told: Vec<_> =
            faults(text).iter().map(|f| format!("{} {}", f.pointer, f.code)).collect();
        assert_eq!(told, [found], "{text}");
    }
}

#[test]
fn all_faults_are_told_at_once_with_suggestions() {
    let found = faults(r#"{"targt":{},"timeout_ms":0,"timeout_ms":0,"zzz":1}"#);
    let told: Vec<_> = found.iter().map(|f| f.detail.as_str()).collect();
    assert_eq!(
        told,
        [
            "field 'timeout_ms' stands twice",
            "'target' is required",
            "'timeout_ms' must be a whole number from 1 to 1000",
            "unknown field 'targt'; did you mean 'target'?",
            "unknown field 'zzz'",
        ]
    );
    let many = format!("{{{}}}", vec![r#""a":1"#; 500].join(","));
    assert_eq!(faults(&many).len(), super::FAULTS_MAX);
}

#[test]
fn what_answers_hold_may_be_sent_back() {
    let text = r#"{"name":"thumbs","uid":"u","revision":1,"created_at":"x","updated_at":"x",
        "target":{"kind":"k","url":"u"},"timeout_ms":null,"transform":null}"#;
    assert_eq!(read(text).unwrap(), (Some("k".to_owned()), None));
}

#[test]
fn what_is_not_json_is_malformed_and_its_place_named() {
    let deep = format!("{{\"a\":{}1{}}}", "[".repeat(200), "]".repeat(200));
    for text in ["", "{", "{\"a\":}", "{} x", "{'a':1}", "{\"a\":NaN}", "{\"a\":1e999}", &deep] {
        match read(text) {
            Err(Refusal::MalformedJson(detail)) => {
                assert!(detail.contains("line 1 column"), "{detail}");
            }
            other => panic!("{text}: {other:?}"),
        }
    }
    let latin1 = Document::parse(b"{\"a\":\"\xff\"}".as_slice().into());
    assert!(matches!(latin1, Err(Refusal::MalformedJson(_))));
}

#[test]
fn the_text_of_a_field_is_kept_as_it_was_given() {
    let text = r#"{"pattern": {"b":[1.50], "a":[1e2]}}"#;
    let document = Document::parse(text.into()).unwrap();
    let (_, raw) = document.read("x", |fields| Some(fields.has_object("pattern"))).unwrap();
    assert_eq!(raw.field("pattern").as_deref(), Some(r#"{"b":[1.50], "a":[1e2]}"#));
    assert_eq!(raw.field("other"), None);
}
