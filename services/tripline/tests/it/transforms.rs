//! `tripline transform test`, and that no program of a stranger does harm.

use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::{Said, tripline};

/// Runs `tripline transform test` with these files, each given as its flag and what it holds.
fn test<const N: usize>(files: [(&str, &str); N]) -> Said {
    let dir = tempfile::tempdir().expect("a folder");
    let mut args = vec!["transform".to_owned(), "test".to_owned()];
    for (flag, text) in files {
        let file = dir.path().join(flag.trim_start_matches('-'));
        std::fs::write(&file, text).expect("a file");
        args.extend([flag.to_owned(), file.display().to_string()]);
    }
    tripline(&[], &args.iter().map(String::as_str).collect::<Vec<_>>(), "")
}

fn one(transform: &str, event: &str) -> Said {
    test([("--transform", transform), ("--event", event)])
}

fn batch(lines: &str) -> Vec<Value> {
    let said = test([("--batch", lines)]);
    assert_eq!((said.code, &*said.err), (0, ""));
    said.out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn one_event_is_told_by_the_exit_code() {
    let event = r#"{"type": "t", "data": {"n": 1.50}}"#;
    for (transform, code, told) in [
        (r#"{"part": "$.data.n"}"#, 0, "1.50\n"),
        (
            r#"{"input_paths": {"n": "$.data.n"}, "template": "\"<n>\"\n\"2\""}"#,
            0,
            "\"1.50\"\n\"2\"\n",
        ),
        (r#"{"jq": ".data.n"}"#, 0, "1.50\n"),
        (r#"{"jsonata": "data.n + 1"}"#, 0, "2.5\n"),
        (r#"{"part": "$.no"}"#, 1, "the event has nothing where"),
        (r#"{"jq": "def f: f; f"}"#, 1, "a program "),
        (r#"{"jq": ".a |"}"#, 2, "/jq: term expected (line 1, column 5)"),
        (r#"{"prat": 1}"#, 2, "did you mean 'part'?"),
    ] {
        let said = one(transform, event);
        assert_eq!(said.code, code, "{transform}: {}{}", said.out, said.err);
        let text = if code == 0 { &said.out } else { &said.err };
        assert!(text.contains(told), "{transform}: {text}");
    }
    for event in ["[1]", "{", ""] {
        assert_eq!(one(r#"{"constant": 1}"#, event).code, 2, "{event}");
    }
    let absent = ["transform", "test", "--transform", "/absent", "--event", "/absent"];
    assert_eq!(tripline(&[], &absent, "").code, 2);
}

#[test]
fn a_batch_goes_on_after_a_bad_case() {
    let lines = concat!(
        r#"{"id": "a", "transform": {"part": "$.data.n"}, "event": {"data": {"n": 12345678901234567890.10}}}"#,
        "\n\n",
        r#"{"id": 2, "transform": "{\"jq\": \".data\"}", "event": "{\"data\": [1, 1.0]}"}"#,
        "\n",
        r#"{"id": "c", "transform": {"part": 1}, "event": {}}"#,
        "\nnot JSON\n",
        r#"{"id": "e", "transform": {"constant": 1}}"#,
        "\n",
        r#"{"id": "f", "transform": {"template": "\"a\"\n\"b\""}, "event": {}}"#,
        "\n",
        r#"{"id": "g", "transform": {"template": "{\n  \"a\": 1\n}"}, "event": {}}"#,
    );
    let told = batch(lines);
    let ids: Vec<_> = told.iter().map(|line| &line["id"]).collect();
    assert_eq!(
        ids,
        [&json!("a"), &json!(2), &json!("c"), &Value::Null, &json!("e"), &json!("f"), &json!("g")]
    );
    assert_eq!(told[1]["output"], json!([1, 1.0]));
    assert_eq!(told[5]["output"], "\"a\"\n\"b\"");
    assert_eq!(told[6]["output"], json!({"a": 1}));
    for (at, error) in [(2, "/part: "), (3, "line 5: "), (4, "'event' is missing")] {
        assert!(told[at]["error"].as_str().unwrap().contains(error), "{}", told[at]);
        assert!(told[at].get("output").is_none());
    }
}

/// Programs that would never end, fill the memory or overflow the stack if they could, and what they are told.
const HOSTILE: [(&str, &str, &str); 23] = [
    ("jq", "def f: f; f", "at most"),
    ("jq", "def f: (f)?; f", "at most"),
    ("jq", "def f: 1 + f; f", "at most"),
    ("jq", "def f: [f]; f", "at most"),
    ("jq", "path(def f: f; f)", "at most"),
    ("jq", "[range(1e12)]", "at most"),
    ("jq", "last(range(1e12))", "ms"),
    ("jq", "def f: (., .) | f; f", "at most"),
    ("jq", "\"x\" * 1000000000", "MiB"),
    ("jq", "reduce range(50) as $i (\"x\"; . + .) | length", "MiB"),
    ("jq", "[limit(1e9; repeat(\"x\" * 1000000))]", "MiB"),
    ("jq", "def d: reduce range(60) as $i (1; [., .]); d as $a | d as $b | $a == $b", "at most"),
    ("jq", "reduce range(60) as $i (1; [., .]) | tojson", "at most"),
    ("jq", "[range(900000)]", "at most"),
    ("jq", "[range(100000)] | combinations(9)", "at most"),
    ("jsonata", "($f := function($x) {$f($x + 1)}; $f(1))", "ms"),
    ("jsonata", "($f := function($x) {1 + $f($x)}; $f(1))", "at most"),
    ("jsonata", "$pad('x', 2000000000)", "at most"),
    ("jsonata", "[1..10000000]", "at most"),
    (
        "jsonata",
        "($f := function($s, $n) {$n = 0 ? $s : $f($s & $s, $n - 1)}; $length($f('x', 50)))",
        "at most",
    ),
    ("jsonata", "$reduce([1..100000], function($a, $b) {$a & 'xxxxxxxxxxxxxxxxxxxx'})", "at most"),
    ("jsonata", "$eval('($f := function($x) {$f($x)}; $f(1))')", "at most"),
    ("jsonata", "[1..5000].([1..5000].([1..5000].($)))", "at most"),
];

#[test]
fn hostile_programs_end_and_others_go_on() {
    let mut lines = String::new();
    for (id, (language, program, _)) in HOSTILE.iter().enumerate() {
        lines += &json!({"id": id, "transform": {*language: program}, "event": {}}).to_string();
        lines += "\n";
        lines += &json!({"id": "ok", "transform": {"jq": ".a"}, "event": {"a": id}}).to_string();
        lines += "\n";
    }
    let started = Instant::now();
    let told = batch(&lines);
    let took = started.elapsed();
    assert_eq!(told.len(), 2 * HOSTILE.len());
    let mut wrong = Vec::new();
    for (id, (pair, (_, program, why))) in told.chunks(2).zip(HOSTILE).enumerate() {
        let error = pair[0]["error"].as_str().unwrap_or_default();
        if !error.contains(why) || pair[1]["output"] != id {
            wrong.push(format!("{program}: {} {}", pair[0], pair[1]));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let each = Duration::from_secs(4);
    assert!(took < each * u32::try_from(HOSTILE.len()).unwrap(), "{took:?}");
}

#[test]
fn what_nests_deep_or_takes_much_ends_one_way_or_the_other() {
    let deep = |open: &str, close: &str| format!("{}1{}", open.repeat(5_000), close.repeat(5_000));
    let event = json!({"data": format!("{}b", "a".repeat(5_000))}).to_string();
    let deep_event = format!(r#"{{"data": {}}}"#, deep("[", "]"));
    let mut lines = String::new();
    for (language, program, event) in [
        ("jq", deep("(", ")"), &event),
        ("jq", format!("{} | 1", deep("[", "]")), &event),
        ("jq", deep("-", ""), &event),
        ("jq", ".data | test(\"^(a+)+$\")".to_owned(), &event),
        ("jq", ".data | [match(\"(a*)*c\"; \"g\")] | length".to_owned(), &event),
        ("jq", ".data | tojson | length".to_owned(), &deep_event),
        ("jq", "reduce range(150000) as $i (0; [.]) | 1".to_owned(), &event),
        ("jq", "[range(200000) | tostring] | length".to_owned(), &event),
        ("jsonata", deep("(", ")"), &event),
        ("jsonata", format!("({}; 1)", deep("[", "]")), &event),
        ("jsonata", "$contains(data, /^(a+)+$/)".to_owned(), &event),
        ("jsonata", "data".to_owned(), &deep_event),
    ] {
        lines += &json!({"id": 1, "transform": {language: program}, "event": event}).to_string();
        lines += "\n";
        lines += r#"{"id": "ok", "transform": {"jq": "1"}, "event": {}}"#;
        lines += "\n";
    }
    let told = batch(&lines);
    assert_eq!(told.len(), 2 * 12);
    for pair in told.chunks(2) {
        assert_eq!(pair[1], json!({"id": "ok", "output": 1}), "after {}", pair[0]);
    }
}

#[test]
fn the_recorded_answers_of_eventbridge_hold_by_the_command_too() {
    let Some(folder) = std::env::var_os("TRIPLINE_VECTORS_DIR") else {
        println!("TRIPLINE_VECTORS_DIR is not set: the recorded answers are not asked for");
        return;
    };
    let path = std::path::Path::new(&folder).join("input_transforms_aws.jsonl");
    let cases: Vec<Value> = std::fs::read_to_string(path)
        .expect("the cases are readable")
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let mut lines = String::new();
    for case in &cases {
        let transform = match case.get("input_path") {
            Some(path) => json!({"part": path}),
            None => json!({"input_paths": case["input_paths"], "template": case["template"]}),
        };
        lines +=
            &json!({"id": case["id"], "transform": transform, "event": case["event"]}).to_string();
        lines += "\n";
    }
    for (case, told) in cases.iter().zip(batch(&lines)) {
        let body = &case["expect"]["body"];
        let output = told.get("output");
        // A text was recorded with its quotes.
        let holds = match output {
            Some(output) => output == body || body.as_str() == Some(&output.to_string()),
            None => case["expect"]["dropped"] == true,
        };
        assert!(holds, "{case}: {told}");
    }
}

#[test]
fn a_worker_that_nobody_ends_ends_itself() {
    let mut worker = Command::new(env!("CARGO_BIN_EXE_tripline"))
        .arg(tripline_sandbox::WORKER)
        .env("MALLOC_ARENA_MAX", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the command line is built and starts");
    let mut requests = worker.stdin.take().expect("a pipe");
    // jq, to be run; compares two values that are without end, in what is one step.
    let program = "def d: reduce range(60) as $i (1; [., .]); d as $a | d as $b | $a == $b";
    let lengths =
        [program.len(), 2].map(|length| u32::try_from(length).expect("short").to_le_bytes());
    let request = [&[1, 1], &lengths.concat()[..], program.as_bytes(), b"{}"].concat();
    requests.write_all(&request).expect("it reads");
    // The pipe stays open, as if whoever asked were stuck.
    let mut told = Vec::new();
    let mut answers = worker.stdout.take().expect("a pipe");
    answers.read_to_end(&mut told).expect("it ends");
    assert_eq!(told, [b'R', 4, 0, 0, 0, 0, b'E'], "ready, out of time, ends");
    assert!(worker.wait().expect("it has ended").success());
    drop(requests);
}
