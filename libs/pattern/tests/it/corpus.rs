//! The recorded answers of the real EventBridge, where they are at hand, else the cases of this crate.

use std::path::Path;

use tripline_pattern::Pattern;

#[derive(serde::Deserialize)]
struct Case {
    id: String,
    pattern_raw: String,
    event_raw: String,
    expect: Verdict,
}

#[derive(Debug, PartialEq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Match,
    Nomatch,
    Invalid,
}

fn verdict(case: &Case) -> Verdict {
    let Ok(pattern) = Pattern::parse(&case.pattern_raw) else { return Verdict::Invalid };
    match pattern.is_match(case.event_raw.as_bytes()) {
        Err(_) => Verdict::Invalid,
        Ok(false) => Verdict::Nomatch,
        Ok(true) => Verdict::Match,
    }
}

/// A cap of EventBridge's own on how many stars a wildcard has: ours is one on the cost of the whole pattern.
const OTHER_LIMITS: [&str; 1] = ["ls:content_wildcard_complex_EXC"];

/// Runs the cases of a file, and says how it went.
fn run(path: &Path) -> String {
    let text = std::fs::read_to_string(path).expect("the cases are readable");
    let (mut agreed, mut wrong) = (0, Vec::new());
    for line in text.lines() {
        let case: Case = serde_json::from_str(line).expect("a case");
        let verdict = verdict(&case);
        if verdict == case.expect || OTHER_LIMITS.contains(&&*case.id) {
            agreed += 1;
        } else {
            wrong.push(format!("{}: {verdict:?}, not {:?}", case.id, case.expect));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(agreed > 0, "no case was decided");
    format!("{}: {agreed} agree", path.display())
}

#[test]
fn the_recorded_answers_hold() {
    let summary = match std::env::var_os("TRIPLINE_VECTORS_DIR") {
        Some(folder) => run(&Path::new(&folder).join("event_patterns_aws.jsonl")),
        None => "TRIPLINE_VECTORS_DIR is not set: only the cases of this crate are run".to_owned(),
    };
    println!("{summary}");
}

#[test]
fn the_cases_of_this_crate_hold() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    println!("{}", run(&folder.join("corpus/patterns.jsonl")));
}

#[test]
fn what_the_documentation_shows_is_valid() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/patterns.md");
    let text = std::fs::read_to_string(path).expect("the page of the language");
    let patterns = text.split("```json").skip(1).filter_map(|rest| rest.split("```").next());
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `{")?.split(" | ").next());
    let alternatives =
        rows.flat_map(|row| row.split('`').map(|part| format!("{{{part}")).step_by(2));
    let alternatives: Vec<_> = alternatives
        .map(|alternative| alternative.replacen("{{", "{", 1))
        .map(|alternative| format!(r#"{{"a": [{alternative}]}}"#))
        .collect();
    let mut count = 0;
    for pattern in patterns.chain(alternatives.iter().map(String::as_str)) {
        Pattern::parse(pattern).expect(pattern);
        count += 1;
    }
    assert!(count > 15, "the page shows patterns and alternatives");
}
