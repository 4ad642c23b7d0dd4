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
        (r#"{"a": [{"exists": 1}]}"#, "/a/0/exists", "wrong-operand"),
        (r#"{"a": [{"equals-ignore-case": ["x"]}]}"#, "/a/0/equals-ignore-case", "wrong-operand"),
        (r#"{"a": [{"prefix": {"suffix": "x"}}]}"#, "/a/0/prefix/suffix", "unknown-operator"),
        (
            r#"{"a": [{"prefix": {"equals-ignore-case": 1}}]}"#,
            "/a/0/prefix/equals-ignore-case",
            "wrong-operand",
        ),
        (r#"{"a": [{"wildcard": "a**"}]}"#, "/a/0/wildcard", "invalid-wildcard"),
        (r#"{"a": [{"wildcard": "a\\x"}]}"#, "/a/0/wildcard", "invalid-wildcard"),
        (r#"{"a": [{"cidr": "10.0.0.1/32"}]}"#, "/a/0/cidr", "invalid-network"),
        (r#"{"a": [{"cidr": ["10.0.0.0/8"]}]}"#, "/a/0/cidr", "wrong-operand"),
        (r#"{"a": [{"numeric": 1}]}"#, "/a/0/numeric", "wrong-operand"),
        (r#"{"a": [{"numeric": []}]}"#, "/a/0/numeric", "invalid-interval"),
        (r#"{"a": [{"numeric": [">", 0, ">", 1]}]}"#, "/a/0/numeric", "invalid-interval"),
        (r#"{"a": [{"numeric": ["<", 1, ">", 0]}]}"#, "/a/0/numeric", "invalid-interval"),
        (r#"{"a": [{"numeric": [">", 1, "<", 1.0]}]}"#, "/a/0/numeric", "invalid-interval"),
        (r#"{"a": [{"numeric": ["=", 1, "<", 2]}]}"#, "/a/0/numeric", "invalid-interval"),
        (r#"{"a": [{"numeric": [">", 0, "<", 1, 2]}]}"#, "/a/0/numeric", "invalid-interval"),
        (r#"{"a": [{"numeric": [[">", 0]]}]}"#, "/a/0/numeric", "invalid-interval"),
        (r#"{"a": [{"anything-but": null}]}"#, "/a/0/anything-but", "wrong-operand"),
        (r#"{"a": [{"anything-but": []}]}"#, "/a/0/anything-but", "empty-array"),
        (r#"{"a": [{"anything-but": ["x", 1]}]}"#, "/a/0/anything-but", "wrong-operand"),
        (r#"{"a": [{"anything-but": ["x", null]}]}"#, "/a/0/anything-but/1", "wrong-operand"),
        (
            r#"{"a": [{"anything-but": {"prefix": ""}}]}"#,
            "/a/0/anything-but/prefix",
            "wrong-operand",
        ),
        (
            r#"{"a": [{"anything-but": {"wildcard": ["a", 1]}}]}"#,
            "/a/0/anything-but/wildcard/1",
            "wrong-operand",
        ),
        (
            r#"{"a": [{"anything-but": {"cidr": "10.0.0.0/8"}}]}"#,
            "/a/0/anything-but/cidr",
            "unknown-operator",
        ),
        (r#"{"$or": {"a": 1}}"#, "/$or", "not-an-array"),
        (r#"{"$or": [{"a": [1]}]}"#, "/$or", "too-few-branches"),
        (
            r#"{"$or": [{"b.c": {"prefix": [1]}}, {"a": [1]}]}"#,
            "/$or/0/b.c/prefix",
            "reserved-name",
        ),
        (r#"{"a": [{"exactly": 1}]}"#, "/a/0/exactly", "wrong-operand"),
        (r#"{"$or": [{"a": [1]}, {}]}"#, "/$or/1", "empty-object"),
        (r#"{"$or": [{"a": [1]}, [1]]}"#, "/$or/1", "not-an-object"),
        (r#"{"a/b~c": 1}"#, "/a~1b~0c", "not-an-array"),
        (r#"{"a": [1e99999999999999999999]}"#, "/a/0", "immeasurable-number"),
    ] {
        assert_eq!(faults(pattern), one(pointer, code), "{pattern}");
    }
}

#[test]
fn each_fault_beyond_eventbridge_has_its_code_and_place() {
    for (pattern, pointer, code) in [
        (r#"{"a": [{"regex": 1}]}"#, "/a/0/regex", "wrong-operand"),
        (r#"{"a": [{"regex": "a("}]}"#, "/a/0/regex", "invalid-regex"),
        (r#"{"a": [{"regex": "(?=a)"}]}"#, "/a/0/regex", "invalid-regex"),
        (r#"{"a": [{"regex": "(a)\\1"}]}"#, "/a/0/regex", "invalid-regex"),
        (r#"{"a": [{"regex": "\\p{L}"}]}"#, "/a/0/regex", "invalid-regex"),
        (r#"{"a": [{"regex": "(((a{1000}){1000}){1000})"}]}"#, "/a/0/regex", "too-costly"),
        (r#"{"a": [{"contains": ["x"]}]}"#, "/a/0/contains", "wrong-operand"),
        (r#"{"a": [{"contains": {"prefix": "x"}}]}"#, "/a/0/contains/prefix", "unknown-operator"),
        (
            r#"{"a": [{"contains": {"equals-ignore-case": 1}}]}"#,
            "/a/0/contains/equals-ignore-case",
            "wrong-operand",
        ),
        (r#"{"a": [{"not": []}]}"#, "/a/0/not", "empty-array"),
        (r#"{"a": [{"not": {}}]}"#, "/a/0/not", "empty-object"),
        (r#"{"a": [{"not": [[1]]}]}"#, "/a/0/not/0", "not-an-alternative"),
        (r#"{"a": [{"not": [1, {"exists": true}]}]}"#, "/a/0/not/1/exists", "unknown-operator"),
        (r#"{"a": [{"not": {"every": 1}}]}"#, "/a/0/not/every", "unknown-operator"),
        (r#"{"a": [{"not": {"field": ["=", "b"]}}]}"#, "/a/0/not/field", "unknown-operator"),
        (r#"{"a": [{"every": {"none": 1}}]}"#, "/a/0/every/none", "unknown-operator"),
        (r#"{"a": [{"some": {"exists": false}}]}"#, "/a/0/some/exists", "unknown-operator"),
        (r#"{"a": [{"none": []}]}"#, "/a/0/none", "empty-array"),
        (r#"{"a": [{"none": {"prefix": 1}}]}"#, "/a/0/none/prefix", "wrong-operand"),
        (r#"{"a": [{"field": "b"}]}"#, "/a/0/field", "wrong-operand"),
        (r#"{"a": [{"field": []}]}"#, "/a/0/field", "invalid-comparison"),
        (r#"{"a": [{"field": ["==", "b"]}]}"#, "/a/0/field", "invalid-comparison"),
        (r#"{"a": [{"field": ["=", 1]}]}"#, "/a/0/field", "invalid-comparison"),
        (r#"{"a": [{"field": ["=", "b", "c"]}]}"#, "/a/0/field", "invalid-comparison"),
        (r#"{"a": [{"field": ["=", "b", [1]]}]}"#, "/a/0/field", "invalid-comparison"),
        // What stands after such an alternative may again be asked of the field.
        (r#"{"a": [{"not": 1}, {"exists": true}, {"x": 1}]}"#, "/a/2/x", "unknown-operator"),
    ] {
        assert_eq!(faults(pattern), one(pointer, code), "{pattern}");
    }
}

#[test]
fn the_limits_beyond_eventbridge_hold_at_their_edges() {
    let nested = |depth: usize| {
        format!(r#"{{"a": [{}1{}]}}"#, r#"{"not": "#.repeat(depth), "}".repeat(depth))
    };
    assert!(Pattern::parse(&nested(limits::NOT_DEPTH_MAX)).is_ok());
    assert_eq!(faults(&nested(limits::NOT_DEPTH_MAX + 1))[0].1, "too-deep");

    let regex = |text: &str| format!(r#"{{"a": [{{"regex": "{text}"}}]}}"#);
    assert!(Pattern::parse(&regex(&"^".repeat(limits::REGEX_BYTES_MAX))).is_ok());
    let longer = "^".repeat(limits::REGEX_BYTES_MAX + 1);
    assert_eq!(faults(&regex(&longer)), one("/a/0/regex", "too-costly"));
    let grouped = |depth: usize| regex(&format!("{}a{}", "(".repeat(depth), ")".repeat(depth)));
    let depth = usize::try_from(limits::REGEX_DEPTH_MAX).unwrap();
    assert!(Pattern::parse(&grouped(depth)).is_ok());
    assert_eq!(faults(&grouped(depth + 1)), one("/a/0/regex", "invalid-regex"));

    let compared =
        |names: usize| format!(r#"{{"a": [{{"field": ["=", "a{}"]}}]}}"#, ".a".repeat(names - 1));
    assert!(Pattern::parse(&compared(limits::PATH_SEGMENTS_MAX)).is_ok());
    let deeper = compared(limits::PATH_SEGMENTS_MAX + 1);
    assert_eq!(faults(&deeper), one("/a/0/field", "too-deep"));

    // A field that others are compared with is a field as well, and counts once.
    let wide = |fields: usize| {
        let named: Vec<_> = (3..fields).map(|n| format!(r#""f{n}": [1]"#)).collect();
        let compared = r#""f1": [{"field": ["=", "f0"]}], "f2": [{"field": ["=", "f0"]}]"#;
        format!("{{{}, {compared}}}", named.join(","))
    };
    assert!(Pattern::parse(&wide(limits::FIELDS_MAX)).is_ok());
    assert_eq!(faults(&wide(limits::FIELDS_MAX + 1)), one("", "too-many-fields"));
}

#[test]
fn what_each_operator_costs_is_counted() {
    let cost = |alternative: &str| {
        let copies = |count: usize| vec![alternative; count].join(",");
        let fits =
            |count: &usize| Pattern::parse(&format!(r#"{{"a": [{}]}}"#, copies(*count))).is_err();
        let refused = (1..=limits::COST_MAX + 1).find(fits).unwrap();
        limits::COST_MAX / (refused - 1)
    };
    for (alternative, expected) in [
        (r#"{"contains": "x"}"#, limits::OPERATOR_COST + limits::WILDCARD_PIECE_COST),
        (
            r#"{"regex": "x"}"#,
            limits::OPERATOR_COST + limits::WILDCARD_PIECE_COST + limits::AUTOMATON_KIB_COST,
        ),
        (r#"{"not": {"prefix": "x"}}"#, 2 * limits::OPERATOR_COST),
        (r#"{"every": {"prefix": "x"}}"#, 2 * limits::OPERATOR_COST),
        (r#"{"none": [1, 2]}"#, limits::OPERATOR_COST + 2),
        (r#"{"some": {"prefix": "x"}}"#, limits::OPERATOR_COST),
        (r#"{"field": ["=", "b"]}"#, limits::COMPARISON_COST),
    ] {
        assert_eq!(cost(alternative), expected, "{alternative}");
    }
}

#[test]
fn many_costly_expressions_are_refused_soon() {
    let expressions: Vec<_> =
        (0..200).map(|n| format!(r#"{{"regex": "(?i){n}.{{0,100}}timeout"}}"#)).collect();
    let started = std::time::Instant::now();
    let faults = faults(&format!(r#"{{"a": [{}]}}"#, expressions.join(",")));
    assert!(faults.iter().all(|(_, code)| code == "too-costly") && faults.len() > 1, "{faults:?}");
    assert!(started.elapsed() < std::time::Duration::from_secs(5), "{:?}", started.elapsed());
}

#[test]
fn all_faults_are_told_at_once_with_line_and_column() {
    let error = Pattern::parse("{\"a\": [],\n \"é\": 1, \"c\": [{\"cidr\": \"x\"}]}").unwrap_err();
    let told: Vec<_> = error.faults().iter().map(|fault| fault.detail.as_str()).collect();
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told[0].ends_with("(line 1, column 7)"), "{}", told[0]);
    assert!(told[1].ends_with("(line 2, column 7)"), "{}", told[1]);
    assert!(told[2].contains("'cidr' takes a network such as 10.0.0.0/24"), "{}", told[2]);
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

    let chosen = |depth: usize| {
        let (open, close) = (r#"{"$or": [{"b": [1]}, "#, "]}");
        format!(r#"{}{{"a": [1]}}{}"#, open.repeat(depth), close.repeat(depth))
    };
    assert!(Pattern::parse(&chosen(limits::OR_DEPTH_MAX)).is_ok());
    assert!(faults(&chosen(limits::OR_DEPTH_MAX + 1)).iter().any(|(_, code)| code == "too-deep"));
    // Each choice doubles what stands before it: 2 to the power of 40 ways are counted, not made.
    let choice = |n: usize| format!(r#""x{n}": {{"$or": [{{"a": [1]}}, {{"b": [1]}}]}}"#);
    let choices: Vec<_> = (0..40).map(choice).collect();
    assert_eq!(faults(&format!("{{{}}}", choices.join(","))), one("", "too-costly"));
}
