//! `tripline pattern test`: whether events match patterns. Needs no server: it is the same matcher.

mod bench;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tripline_pattern::{Explanation, Pattern};

use crate::offline::{EXIT_INVALID, cases, faults, text_of, write_line};
use crate::output::plain;

/// The event does not match the pattern.
const EXIT_NO_MATCH: u8 = 1;

/// What patterns match, without a server.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct PatternArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum Command {
    Test(TestArgs),
    Bench(bench::BenchArgs),
}

/// Say whether an event matches a pattern, and why: exit with 0 if it does, 1 if not, 2 if one of them is not valid.
#[derive(Clone, Debug, clap::Args)]
struct TestArgs {
    /// A file that holds a pattern.
    #[arg(long, value_name = "FILE", required_unless_present = "batch")]
    pattern: Option<PathBuf>,
    /// A file that holds an event, as JSON.
    #[arg(long, value_name = "FILE", required_unless_present = "batch")]
    event: Option<PathBuf>,
    /// A file of many cases instead, one a line: `{"id", "pattern_raw", "event_raw"}`. Writes a line for each, in the same
    /// order: `{"id", "verdict": "match" | "nomatch" | "invalid", "error"?}`.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["pattern", "event"])]
    batch: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Case {
    id: Value,
    pattern_raw: String,
    event_raw: String,
}

#[derive(Serialize)]
struct Told {
    id: Value,
    verdict: Verdict,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Match,
    NoMatch,
    Invalid,
}

/// The exit code to end with. Standard error says what is wrong.
#[allow(clippy::print_stderr, reason = "a command says why to whoever gave it")]
pub(crate) fn run(args: &PatternArgs) -> ExitCode {
    let out = &mut io::stdout().lock();
    let done = match &args.command {
        Command::Test(args) => test(args, out),
        Command::Bench(args) => bench::run(args, out),
    };
    match done {
        Ok(code) => code,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::from(EXIT_INVALID)
        }
    }
}

fn test(args: &TestArgs, out: &mut impl Write) -> Result<ExitCode, String> {
    match (&args.batch, &args.pattern, &args.event) {
        (Some(cases), ..) => batch(cases, out),
        (None, Some(pattern), Some(event)) => one(pattern, event, out),
        (None, ..) => unreachable!("the parser asks for both, or for a batch"),
    }
}

fn one(pattern: &Path, event: &Path, out: &mut impl Write) -> Result<ExitCode, String> {
    let (pattern, event) = (text_of(pattern)?, text_of(event)?);
    let pattern = Pattern::parse(&pattern).map_err(|error| faults(&error))?;
    let explanation = pattern.explain(event.as_bytes()).map_err(|error| error.to_string())?;
    let told = told(&explanation);
    out.write_all(told.as_bytes()).map_err(|error| error.to_string())?;
    Ok(if explanation.matches { ExitCode::SUCCESS } else { ExitCode::from(EXIT_NO_MATCH) })
}

/// The explanation for people: a line for each field of each way.
fn told(explanation: &Explanation) -> String {
    let mut told = String::new();
    let several = explanation.ways.len() > 1;
    for (number, way) in (1..).zip(&explanation.ways) {
        if several {
            told += &format!(
                "way {number}: {}\n",
                if way.matches { "matches" } else { "does not match" }
            );
        }
        for field in &way.fields {
            let mark = if field.met { "+" } else { "-" };
            told += &format!("{mark} {}: {}\n", plain(&field.path), plain(&field.why));
        }
        if way.apart {
            told += "- each field is met, but not all in the same element of an array\n";
        }
    }
    if explanation.ways_left_out > 0 {
        told += &format!("and {} more ways\n", explanation.ways_left_out);
    }
    told + if explanation.matches { "match\n" } else { "no match\n" }
}

fn batch(file: &Path, out: &mut impl Write) -> Result<ExitCode, String> {
    let mut out = io::BufWriter::new(out);
    cases(file, |case: Result<Case, String>| {
        let case = case?;
        let (verdict, error) = judge(&case.pattern_raw, &case.event_raw);
        write_line(&mut out, &Told { id: case.id, verdict, error })
    })?;
    out.flush().map_err(|error| error.to_string())?;
    Ok(ExitCode::SUCCESS)
}

/// What the language says of these texts, as they are, and why where they are not valid.
fn judge(pattern: &str, event: &str) -> (Verdict, Option<String>) {
    let pattern = match Pattern::parse(pattern) {
        Ok(pattern) => pattern,
        Err(error) => return (Verdict::Invalid, Some(faults(&error))),
    };
    match pattern.is_match(event.as_bytes()) {
        Ok(true) => (Verdict::Match, None),
        Ok(false) => (Verdict::NoMatch, None),
        Err(error) => (Verdict::Invalid, Some(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use std::process::ExitCode;

    use super::{EXIT_NO_MATCH, batch, one};

    #[test]
    fn a_batch_is_answered_line_by_line_in_its_order() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("cases.jsonl");
        // A key that stands twice in an event: both values count.
        let cases = concat!(
            r#"{"id": "a", "pattern_raw": "{\"n\": [3.0e2]}", "event_raw": "{\"n\": 1, \"n\": 300}"}"#,
            "\n\n",
            r#"{"id": 2, "pattern_raw": "{\"n\": [{\"numeric\": [\">\", 5]}]}", "event_raw": "{\"n\": 5.0}"}"#,
            "\n",
            r#"{"id": "c", "pattern_raw": "{\"n\": 1}", "event_raw": "{}"}"#,
            "\n",
            r#"{"id": "d", "pattern_raw": "{\"n\": [1]}", "event_raw": "[]"}"#,
        );
        std::fs::write(&file, cases).unwrap();
        let mut out = Vec::new();
        assert_eq!(batch(&file, &mut out), Ok(ExitCode::SUCCESS));
        let lines: Vec<serde_json::Value> = String::from_utf8(out)
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let verdicts: Vec<_> = lines.iter().map(|line| line["verdict"].as_str().unwrap()).collect();
        assert_eq!(verdicts, ["match", "nomatch", "invalid", "invalid"]);
        assert_eq!((&lines[0]["id"], &lines[1]["id"]), (&"a".into(), &2.into()));
        assert!(lines[0].get("error").is_none());
        assert!(lines[2]["error"].as_str().unwrap().starts_with("/n: a field holds an array"));
        std::fs::write(&file, "{}\n").unwrap();
        assert!(batch(&file, &mut Vec::new()).unwrap_err().contains("line 1"));
    }

    #[test]
    fn one_event_is_told_by_the_exit_code() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let file = dir.path().join(name);
            std::fs::write(&file, text).unwrap();
            file
        };
        let pattern = file("pattern", r#"{"type": [{"wildcard": "a*c"}]}"#);
        let event = file("event", r#"{"type": "abc"}"#);
        let mut told = Vec::new();
        assert_eq!(one(&pattern, &event, &mut told), Ok(ExitCode::SUCCESS));
        assert_eq!(
            String::from_utf8(told).unwrap(),
            "+ type: \"abc\" matches {\"wildcard\": \"a*c\"}\nmatch\n"
        );
        let other = file("other", r#"{"type": "ab"}"#);
        let mut told = Vec::new();
        assert_eq!(one(&pattern, &other, &mut told), Ok(ExitCode::from(EXIT_NO_MATCH)));
        assert!(told.starts_with(b"- type: \"ab\": no alternative matches"));
        let wrong = file("wrong", r#"{"type": [{"wildcard": "a**"}]}"#);
        let mut out = Vec::new();
        assert!(one(&wrong, &event, &mut out).unwrap_err().contains("two stars"));
        let absent = dir.path().join("absent");
        assert!(one(&absent, &event, &mut out).unwrap_err().contains("cannot be read"));
    }
}
