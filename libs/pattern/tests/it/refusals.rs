//! What is refused, and what is said about it.

use tripline_kernel::{Classify as _, ErrorKind};
use tripline_pattern::{Pattern, limits};

fn faults(pattern: &str) -> Vec<(String, String)> {
    let error = Pattern::parse(pattern).expect_err(pattern);
    assert_eq!((error.kind(), error.code().as_ref()), (ErrorKind::Invalid, "invalid-pattern"));
    error.faults().iter().map(|fault| (fault.pointer.clone(), fault.code.to_string())).collect()
}

fn one(pointer: &str, code: &str) -> Vec<(String, String)> {
    vec![(pointer.to_owned(), code.to_owned())]
}

#[test]
fn each_fault_has_its_code_and_place() {
    for (pattern, pointer, code) in [
        ("", "", "malformed-json"),
        ("{\"a\": [\"\\x\"]}", "", "malformed-json"),
        ("{\"a\": [1]} x", "", "malformed-json"),
        ("[]", "", "not-an-object"),
        ("{}", "", "empty-object"),
        (r#"{"a": {}}"#, "/a", "empty-object"),
        (r#"{"a": []}"#, "/a", "empty-array"),
        (r#"{"a": 1}"#, "/a", "not-an-array"),
        (r#"{"a": [[1, [2]]]}"#, "/a/0", "not-an-alternative"),
        (r#"{"a": [1, {}]}"#, "/a/1", "empty-object"),
        (r#"{"a": [{"prefix": "x", "suffix": "y"}]}"#, "/a/0", "several-operators"),
        (r#"{"a": [{"prefix": 1}]}"#, "/a/0/prefix", "wrong-operand"),
        (r#"{"a": [{"suffix": ["x"]}]}"#, "/a/0/suffix", "wrong-operand"),
        (r#"{"a": [{"exists": {"x": 1}}]}"#, "/a/0/exists", "wrong-operand"),
        (r#"{"a": [{"EXISTS": true}]}"#, "/a/0/EXISTS", "unknown-operator"),
        (r#"{"a": [{"numeric": [">", 0]}]}"#, "/a/0/numeric", "unsupported-operator"),
        (r#"{"$or": [{"a": [1]}, {"b": [1]}]}"#, "/$or", "unsupported-operator"),
        (r#"{"a/b~c": 1}"#, "/a~1b~0c", "not-an-array"),
        (r#"{"a": [1e99999999999999999999]}"#, "/a/0", "immeasurable-number"),
    ] {
        assert_eq!(faults(pattern), one(pointer, code), "{pattern}");
    }
}

#[test]
fn all_faults_are_told_at_once_with_line_and_column() {
    let error = Pattern::parse("{\"a\": [],\n \"é\": 1, \"c\": [{\"cidr\": \"x\"}]}").unwrap_err();
    let told: Vec<_> = error.faults().iter().map(|fault| fault.detail.as_str()).collect();
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told[0].ends_with("(line 1, column 7)"), "{}", told[0]);
    assert!(told[1].ends_with("(line 2, column 7)"), "{}", told[1]);
    assert!(told[2].contains("'cidr' is not supported; supported are exact values, 'prefix'"));
}

#[test]
fn the_limits_hold_at_their_edges() {
    let long = |bytes: usize| format!(r#"{{"a": ["{}"]}}"#, "x".repeat(bytes - 11));
    assert!(Pattern::parse(&long(limits::PATTERN_BYTES_MAX)).is_ok());
    assert_eq!(faults(&long(limits::PATTERN_BYTES_MAX + 1)), one("", "pattern-too-large"));

    let deep = |names: usize| format!(r#"{{"a{}": [1]}}"#, ".a".repeat(names - 1));
    assert!(Pattern::parse(&deep(limits::PATH_SEGMENTS_MAX)).is_ok());
    assert_eq!(faults(&deep(limits::PATH_SEGMENTS_MAX + 1))[0].1, "too-deep");
    let nested = "{\"a\":".repeat(3_000) + "[1]" + &"}".repeat(3_000);
    assert!(
        faults(&nested).iter().any(|(_, code)| code == "too-deep" || code == "pattern-too-large")
    );

    let wide = |fields: usize| {
        let fields: Vec<_> = (0..fields).map(|n| format!(r#""f{n}": [1]"#)).collect();
        format!("{{{}}}", fields.join(","))
    };
    assert!(Pattern::parse(&wide(limits::FIELDS_MAX)).is_ok());
    assert_eq!(faults(&wide(limits::FIELDS_MAX + 1)), one("", "too-many-fields"));

    let costly = |alternatives: usize| {
        let alternatives: Vec<_> = (0..alternatives).map(|n| n.to_string()).collect();
        format!(r#"{{"a": [{}]}}"#, alternatives.join(","))
    };
    assert!(Pattern::parse(&costly(limits::COST_MAX)).is_ok());
    assert_eq!(faults(&costly(limits::COST_MAX + 1)), one("", "too-costly"));
}
