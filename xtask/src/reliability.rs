//! The tables of `docs/reliability.md`, from the files that the fault program wrote.

use std::fmt::Write as _;

use anyhow::{Context as _, ensure};
use serde_json::Value;

use crate::generated::Page;

const PAGE: Page = Page("reliability");

/// Writes the tables, or checks that they are what the result files say.
pub(crate) fn run(check: bool) -> anyhow::Result<()> {
    let (mut out, results) = (String::new(), PAGE.results()?);
    ensure!(
        !results.is_empty(),
        "there is no result in docs/reliability: just faults --out docs/reliability"
    );
    for (file, result) in results {
        section(&mut out, &result).with_context(|| file.display().to_string())?;
    }
    writeln!(out)?;
    PAGE.run(check, &out)
}

/// One fault in one edition.
fn section(out: &mut String, result: &Value) -> anyhow::Result<()> {
    let text = |key: &str| result[key].as_str().with_context(|| format!("no text '{key}'"));
    let number = |key: &str| result[key].as_f64().with_context(|| format!("no number '{key}'"));
    let list = |key: &str| result[key].as_array().with_context(|| format!("no list '{key}'"));
    writeln!(out, "\n### {}: {}\n\n{}\n", text("edition")?, text("fault")?, text("what")?)?;
    writeln!(
        out,
        "`{}`, at {:.0} events a second; commit `{}`, {:.0} cores, load average {:.2} before the run.\n",
        text("command")?,
        number("events_per_second")?,
        text("commit")?,
        number("cores")?,
        number("load_average_before")?
    )?;
    let columns = [
        ("accepted", "accepted"),
        ("delivered", "delivered"),
        ("dead letters", "dead"),
        ("lost", "lost"),
        ("phantom", "phantom"),
        ("both", "both"),
        ("duplicates", "duplicates"),
        ("unreconciled", "unreconciled"),
        ("refused", "refused"),
        ("slowest answer", "slowest_answer_ms"),
        ("slowest refusal", "slowest_refusal_ms"),
    ];
    let titles: Vec<_> = columns.iter().map(|(title, _)| *title).collect();
    writeln!(out, "| {} |\n|{}", titles.join(" | "), " ---: |".repeat(columns.len()))?;
    for (_, key) in columns {
        let unit = if key.ends_with("_ms") { " ms" } else { "" };
        write!(out, "| {:.0}{unit} ", number(key)?)?;
    }
    writeln!(out, "|")?;
    let steps = list("steps")?;
    if !steps.is_empty() {
        writeln!(
            out,
            "\n| what was done | lasted | all works again after |\n| --- | ---: | ---: |"
        )?;
    }
    for step in steps {
        let of = |key: &str| step[key].as_f64().with_context(|| format!("a step has no '{key}'"));
        let what = step["what"].as_str().context("a step has no 'what'")?;
        writeln!(out, "| {what} | {:.0} ms | {:.0} ms |", of("lasted_ms")?, of("works_after_ms")?)?;
    }
    for broken in list("broken_laws")? {
        writeln!(out, "\n**Broken:** {}", broken.as_str().unwrap_or_default())?;
    }
    Ok(())
}
