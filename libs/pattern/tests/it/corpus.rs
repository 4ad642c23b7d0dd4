//! The recorded answers of the real EventBridge, where they are at hand, else the cases of this crate.

use std::path::Path;

use tripline_kernel::Classify as _;
use tripline_pattern::{Matcher, Pattern};

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

/// The answer, or `None` where the pattern uses an operator that is not supported yet.
fn verdict(case: &Case) -> Option<Verdict> {
    let pattern = match Pattern::parse(&case.pattern_raw) {
        Ok(pattern) => pattern,
        Err(error) => {
            let unsupported = error.faults().iter().any(|f| f.code == "unsupported-operator");
            return (!unsupported).then_some(Verdict::Invalid);
        }
    };
    let mut matcher = Matcher::new();
    matcher.install((), pattern);
    let mut out = Vec::new();
    Some(match matcher.matches(case.event_raw.as_bytes(), &mut out) {
        Err(_) => Verdict::Invalid,
        Ok(()) if out.is_empty() => Verdict::Nomatch,
        Ok(()) => Verdict::Match,
    })
}

/// Runs the cases of a file, and says how it went.
fn run(path: &Path) -> String {
    let text = std::fs::read_to_string(path).expect("the cases are readable");
    let (mut agreed, mut unsupported, mut wrong) = (0, 0, Vec::new());
    for line in text.lines() {
        let case: Case = serde_json::from_str(line).expect("a case");
        match verdict(&case) {
            None => unsupported += 1,
            Some(verdict) if verdict == case.expect => agreed += 1,
            Some(verdict) => wrong.push(format!("{}: {verdict:?}, not {:?}", case.id, case.expect)),
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(agreed > 0, "no case was decided");
    format!("{}: {agreed} agree, {unsupported} use operators to come", path.display())
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
