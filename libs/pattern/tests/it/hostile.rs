//! Events that are made to hurt.

use std::time::{Duration, Instant};

use tripline_pattern::limits;

use crate::matches;

#[test]
fn nesting_of_any_depth_overflows_no_stack() {
    let depth = 200_000;
    for (open, close) in [("[", "]"), ("{\"a\":", "}"), ("{\"a\":[", "]}")] {
        let event = format!("{{\"a\":{}1{}}}", open.repeat(depth), close.repeat(depth));
        assert!(!matches(r#"{"a": [1]}"#, &event), "too deep to be seen, or at another path");
        assert!(matches(r#"{"b": [{"exists": false}]}"#, &event));
    }
    let longest = format!("a{}", ".a".repeat(limits::PATH_SEGMENTS_MAX - 1));
    let event = format!("{{\"a\":{}1{}}}", "[{\"a\":".repeat(depth), "}]".repeat(depth));
    assert!(!matches(&format!("{{\"{longest}\": [2]}}"), &event));
}

#[test]
fn arrays_are_seen_through_up_to_the_limit() {
    let nested = |arrays: usize| format!("{{\"a\":{}1{}}}", "[".repeat(arrays), "]".repeat(arrays));
    assert!(matches(r#"{"a": [1]}"#, &nested(limits::EVENT_ARRAYS_MAX)));
    assert!(!matches(r#"{"a": [1]}"#, &nested(limits::EVENT_ARRAYS_MAX + 1)));
}

#[test]
fn independent_arrays_do_not_multiply() {
    let fields = 20;
    let pattern: Vec<_> =
        (0..fields).map(|n| format!(r#""a{n}": {{"x": [1], "y": [{}]}}"#, n % 2)).collect();
    let elements: Vec<_> = (0..200).map(|n| format!(r#"{{"x": 1, "y": {}}}"#, n % 2)).collect();
    let event: Vec<_> =
        (0..fields).map(|n| format!(r#""a{n}": [{}]"#, elements.join(","))).collect();
    let last = r#", "a0": [{"x": 1}], "z": [{"x": 2}]"#;
    let started = Instant::now();
    assert!(matches(&format!("{{{}}}", pattern.join(",")), &format!("{{{}}}", event.join(","))));
    assert!(!matches(
        &format!("{{{}, \"z\": {{\"x\": [2], \"y\": [2]}}}}", pattern.join(",")),
        &format!("{{{}{last}}}", event.join(","))
    ));
    assert!(started.elapsed() < Duration::from_secs(5), "trying all combinations would never end");
}

#[test]
fn an_event_that_is_entangled_on_purpose_ends_the_search() {
    // Ten keys twice each: 2 to the 10th choices, of which none fits.
    let once: Vec<_> = (0..10).map(|n| format!(r#"{{"k{n}": 1}}"#)).collect();
    let twice = format!(r#""a": [{0}], "a": [{0}]"#, once.join(","));
    let pattern: Vec<_> = (0..10).map(|n| format!(r#""k{n}": [1]"#)).collect();
    let event = format!("{{{twice}}}");
    let started = Instant::now();
    // Beyond the limit on such choices the answer is a match.
    assert!(matches(&format!(r#"{{"a": {{{}}}}}"#, pattern.join(",")), &event));
    assert!(!matches(&format!(r#"{{"a": {{{}}}}}"#, pattern[..5].join(",")), &event));
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[test]
fn comparisons_of_many_values_do_not_multiply() {
    // Every value of the one field beside every value of the other: a hundred million pairs.
    let count = 10_000;
    let list =
        |from: usize| (from..from + count).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
    let apart = format!(r#"{{"a": [{}], "b": [{}]}}"#, list(0), list(count));
    let elements: Vec<_> = (0..count).map(|n| format!(r#"{{"a": {n}, "b": {}}}"#, n + 1)).collect();
    let paired = format!(r#"{{"x": [{}]}}"#, elements.join(","));
    let started = Instant::now();
    for (operator, among_all, in_one_element) in [
        ("=", false, false),
        ("!=", true, true),
        ("<", true, true),
        ("<=", true, true),
        (">", false, false),
        (">=", false, false),
    ] {
        let pattern = format!(r#"{{"a": [{{"field": ["{operator}", "b"]}}]}}"#);
        assert_eq!(matches(&pattern, &apart), among_all, "{operator}");
        let pattern = format!(r#"{{"x": {{"a": [{{"field": ["{operator}", "x.b"]}}]}}}}"#);
        assert_eq!(matches(&pattern, &paired), in_one_element, "{operator}");
    }
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}

#[test]
fn an_expression_takes_one_step_a_byte() {
    let text = "a".repeat(1 << 20);
    let started = Instant::now();
    for expression in ["(a*)*b", "(a|aa)+$b", "(x+x+)+y", "a?a?a?a?a?a?aaaaaab", "(.*)(.*)(.*)b"] {
        let pattern = format!(r#"{{"a": [{{"regex": "{expression}"}}]}}"#);
        assert!(!matches(&pattern, &format!(r#"{{"a": "{text}"}}"#)), "{expression}");
    }
    let pattern =
        format!(r#"{{"a": [{{"contains": {{"equals-ignore-case": "{}b"}}}}]}}"#, "A".repeat(200));
    assert!(!matches(&pattern, &format!(r#"{{"a": "{text}"}}"#)));
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}
