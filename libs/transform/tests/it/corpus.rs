//! The recorded answers of the real EventBridge, where they are at hand, and the cases of this crate.

use std::path::Path;

use serde_json::{Value, json};
use tripline_transform::Transform;

use crate::output;

#[derive(serde::Deserialize)]
struct Recorded {
    id: String,
    input_paths: Option<Value>,
    template: Option<Value>,
    input_path: Option<Value>,
    event: Value,
    expect: Outcome,
}

/// What reached the target.
#[derive(serde::Deserialize)]
#[serde(rename_all = "lowercase")]
enum Outcome {
    /// This: a text as it came, or the JSON that it was.
    Body(Value),
    /// Nothing, since the output was no JSON.
    Dropped(bool),
}

fn agrees(case: &Recorded) -> bool {
    let transform = match &case.input_path {
        Some(path) => json!({"input_path": path}),
        None => json!({"input_paths": case.input_paths, "template": case.template}),
    };
    let output = output(&transform.to_string(), &case.event.to_string());
    match (&case.expect, output) {
        (Outcome::Body(Value::String(text)), Ok(output)) if *text == output => true,
        (Outcome::Body(body), Ok(output)) => {
            serde_json::from_str::<Value>(&output).is_ok_and(|output| output == *body)
        }
        (Outcome::Dropped(dropped), output) => *dropped && output.is_err(),
        (Outcome::Body(_), Err(_)) => false,
    }
}

#[test]
fn the_recorded_answers_hold() {
    let Some(folder) = std::env::var_os("TRIPLINE_VECTORS_DIR") else {
        println!("TRIPLINE_VECTORS_DIR is not set: only the cases of this crate are run");
        return;
    };
    let path = Path::new(&folder).join("input_transforms_aws.jsonl");
    let text = std::fs::read_to_string(&path).expect("the cases are readable");
    let cases: Vec<Recorded> =
        text.lines().map(|line| serde_json::from_str(line).expect("a case")).collect();
    let wrong: Vec<_> = cases.iter().filter(|case| !agrees(case)).map(|case| &case.id).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(!cases.is_empty(), "no case was decided");
    println!("{}: {} agree", path.display(), cases.len());
}

/// A case of this crate: texts as they are, since spelling counts.
#[derive(serde::Deserialize)]
struct Case {
    id: String,
    transform: String,
    event: String,
    /// The output, if there is one…
    output: Option<String>,
    /// …else what its error says, or the code of the fault in the transform.
    error: Option<String>,
}

#[test]
fn the_cases_of_this_crate_hold() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/transforms.jsonl");
    for line in std::fs::read_to_string(cases).expect("the cases are readable").lines() {
        let case: Case = serde_json::from_str(line).expect("a case");
        let told = match Transform::parse(&case.transform) {
            Err(error) => Err(error.to_string()),
            Ok(_) => output(&case.transform, &case.event).map_err(|error| error.to_string()),
        };
        match (told, case.output, case.error) {
            (Ok(told), Some(output), None) => assert_eq!(told, output, "{}", case.id),
            (Err(told), None, Some(error)) => {
                assert!(told.contains(&error), "{}: {told}", case.id);
            }
            (told, ..) => panic!("{}: {told:?}", case.id),
        }
    }
}
