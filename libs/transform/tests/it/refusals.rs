//! What is no transform is told with all its faults, each at its place.

use tripline_kernel::Classify as _;
use tripline_transform::{Transform, limits};

fn faults(json: &str) -> Vec<String> {
    let error = Transform::parse(json).expect_err(json);
    assert_eq!(error.code(), "invalid-transform");
    error.faults().iter().map(|fault| format!("{} {}", fault.pointer, fault.code)).collect()
}

#[test]
fn every_fault_is_told_with_its_place() {
    for (json, expected) in [
        ("{", &[" malformed-json"][..]),
        ("[]", &[" wrong-type"]),
        ("{}", &[" one-kind"]),
        (r#"{"part": "$", "constant": 1}"#, &[" one-kind"]),
        (r#"{"part": "$", "part": "$"}"#, &["/part duplicate-field"]),
        (r#"{"prat": "$"}"#, &["/prat unknown-field", " one-kind"]),
        (r#"{"part": "data"}"#, &["/part invalid-path"]),
        (r#"{"part": 1}"#, &["/part wrong-type"]),
        (r#"{"part": "$", "input_paths": {}}"#, &["/input_paths unknown-field"]),
        (r#"{"input_paths": {}}"#, &["/template required"]),
        (
            r#"{"input_paths": [], "template": 1}"#,
            &["/input_paths wrong-type", "/template wrong-type"],
        ),
        (r#"{"jq": 1}"#, &["/jq wrong-type"]),
        (
            r#"{"input_paths": {"a b": "$", "c": "x", "d": "$", "d": "$"}, "template": "{\"<c>\": <c>, \"e\": <e>}"}"#,
            &[
                "/input_paths/a b invalid-name",
                "/input_paths/c invalid-path",
                "/input_paths/d duplicate-field",
                "/template invalid-template",
                "/template unknown-placeholder",
            ],
        ),
    ] {
        assert_eq!(faults(json), expected, "{json}");
    }
    let error = Transform::parse(r#"{"jsonatta": "x"}"#).unwrap_err();
    assert!(error.to_string().contains("did you mean 'jsonata'?"), "{error}");
}

#[test]
fn every_limit_has_two_sides() {
    let paths = |count: usize| {
        let paths: Vec<_> = (0..count).map(|n| format!("\"n{n}\": \"$\"")).collect();
        format!(r#"{{"input_paths": {{{}}}, "template": "1"}}"#, paths.join(","))
    };
    let name = |len: usize| {
        format!(r#"{{"input_paths": {{"{}": "$"}}, "template": "1"}}"#, "n".repeat(len))
    };
    let template = |len: usize| format!(r#"{{"template": "{}"}}"#, "1".repeat(len));
    let program = |len: usize| format!(r#"{{"jq": "{}"}}"#, ".".repeat(len));
    let constant = |len: usize| format!(r#"{{"constant":{}}}"#, "1".repeat(len - 13));
    for (make, max, fault) in [
        (&paths as &dyn Fn(usize) -> String, limits::PATHS_MAX, "/input_paths too-many-paths"),
        (&name, limits::NAME_CHARS_MAX, &format!("/input_paths/{} invalid-name", "n".repeat(257))),
        (&template, limits::TEMPLATE_CHARS_MAX, "/template too-large"),
        (&program, limits::PROGRAM_BYTES_MAX, "/jq too-large"),
        (&constant, limits::TRANSFORM_BYTES_MAX, " too-large"),
    ] {
        assert!(Transform::parse(&make(max)).is_ok(), "{fault}");
        assert_eq!(faults(&make(max + 1)), [fault]);
    }
}
