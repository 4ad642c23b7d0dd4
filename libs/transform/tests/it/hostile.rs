//! Transforms and events that are made to hurt.

use std::time::{Duration, Instant};

use serde_json::json;
use tripline_kernel::Classify as _;
use tripline_transform::{Transform, limits};

use crate::output;

#[test]
fn an_output_grows_to_its_limit_and_no_further() {
    let template = format!("[{}<x>]", "<x>,".repeat(2000));
    let transform = json!({"input_paths": {"x": "$.data"}, "template": template}).to_string();
    let event = |len: usize| format!(r#"{{"data": "{}"}}"#, "x".repeat(len));
    let error = output(&transform, &event(1 << 20)).unwrap_err();
    assert_eq!(error.code(), "transform-limit");
    let part = json!({"part": "$.data"}).to_string();
    let longest = output(&part, &event(limits::OUTPUT_BYTES_MAX - 2)).unwrap();
    assert_eq!(longest.len(), limits::OUTPUT_BYTES_MAX);
    let error = output(&part, &event(limits::OUTPUT_BYTES_MAX - 1)).unwrap_err();
    assert_eq!(error.code(), "transform-limit");
}

#[test]
fn nesting_of_any_depth_overflows_no_stack() {
    let depth = 200_000;
    let event = format!("{{\"data\": {}1{}}}", "[".repeat(depth), "]".repeat(depth));
    for (template, len) in [("<x>", 2 * depth + 1), ("\"<x>\"", 2 * depth + 3)] {
        let transform = json!({"input_paths": {"x": "$.data"}, "template": template});
        assert_eq!(output(&transform.to_string(), &event).unwrap().len(), len);
    }
    let deep = format!("{}1{}", "[".repeat(4000), "]".repeat(4000));
    let transform = json!({"template": deep}).to_string();
    assert_eq!(output(&transform, "{}").unwrap(), deep);
}

#[test]
fn many_paths_cost_one_pass() {
    let paths: serde_json::Map<_, _> =
        (0..100).map(|n| (format!("n{n}"), format!("$.data.items[{n}].k{n}").into())).collect();
    let transform = json!({"input_paths": paths, "template": "[<n0>, <n99>]"}).to_string();
    let items: Vec<_> =
        (0..100).map(|n| format!(r#"{{"pad": "{}", "k{n}": {n}}}"#, "x".repeat(10_000))).collect();
    let event = format!(r#"{{"data": {{"items": [{}]}}}}"#, items.join(","));
    let started = Instant::now();
    assert_eq!(output(&transform, &event).unwrap(), "[0, 99]");
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_transform_that_is_wrong_in_many_ways_is_refused_at_once() {
    let paths: serde_json::Map<_, _> =
        (0..100).map(|n| (format!("{}{n:03}", "a".repeat(60)), "$".into())).collect();
    let wrong = format!("<{}>", "b".repeat(62)).repeat(127);
    let transform = json!({"input_paths": paths, "template": format!("\"{wrong}\"")}).to_string();
    let started = Instant::now();
    let error = Transform::parse(&transform).expect_err("it names none of its paths");
    assert_eq!(error.faults().len(), 64);
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}
