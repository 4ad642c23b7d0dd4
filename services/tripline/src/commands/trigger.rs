//! `tripline trigger`: what is asked of one trigger.

use serde_json::{Value, json};

use super::Session;
use crate::failure::Failure;
use crate::output::{Format, cell, plain, text, write_fields, write_json, write_table};

/// Ask about one trigger.
#[derive(Debug, clap::Args)]
pub(crate) struct TriggerArgs {
    #[command(subcommand)]
    question: Question,
}

#[derive(Debug, clap::Subcommand)]
enum Question {
    Explain(ExplainArgs),
}

/// Why it runs, or does not: its state, its source, its rule, how far its bus is routed, its last match and refusals, its
/// function's health.
#[derive(Debug, clap::Args)]
struct ExplainArgs {
    /// What it is called.
    name: String,
}

pub(crate) async fn run(session: &mut Session<'_>, args: &TriggerArgs) -> Result<(), Failure> {
    let Question::Explain(ExplainArgs { name }) = &args.question;
    let told = session.client.get(&["triggers", name, "explain"], &[]).await?;
    if session.format == Format::Json {
        return Ok(write_json(session.out, &told)?);
    }
    let obstacles = texts(&told["obstacles"]);
    let unavailable = texts(&told["unavailable"]);
    if obstacles.is_empty() {
        let line = if unavailable.is_empty() {
            "Nothing stands between a matching event and its function."
        } else {
            "No obstacle is known."
        };
        writeln!(session.out, "{line}")?;
    }
    for obstacle in obstacles {
        writeln!(session.out, "Obstacle: {}", plain(&obstacle))?;
    }
    for service in unavailable {
        writeln!(session.out, "Could not be asked: {}", plain(&service))?;
    }
    writeln!(session.out)?;
    write_fields(session.out, &summary(&told))?;
    let partitions = told["partitions"].as_array().map(Vec::as_slice).unwrap_or_default();
    if !partitions.is_empty() {
        let columns = ["/partition", "/next_offset", "/accepted", "/deduplicated", "/in_force"];
        let headers = ["PARTITION", "NEXT FRAME", "EVENTS", "COPIES", "IN FORCE"];
        writeln!(session.out)?;
        write_table(session.out, headers, &rows(partitions, columns))?;
    }
    let refusals = told["last_refusals"].as_array().map(Vec::as_slice).unwrap_or_default();
    if !refusals.is_empty() {
        let columns = ["/id", "/event/id", "/reason", "/finished_at"];
        writeln!(session.out)?;
        write_table(session.out, ["REFUSED", "EVENT", "REASON", "DIED"], &rows(refusals, columns))?;
    }
    Ok(())
}

fn summary(told: &Value) -> Value {
    let last_match = match &told["last_match"] {
        Value::Null => Value::Null,
        last => json!(["/id", "/state", "/created_at"].map(|at| cell(last, at)).join(" ")),
    };
    let unknown = |value: Option<&Value>| match value {
        None | Some(Value::Null) => json!("unknown"),
        Some(known) => known.clone(),
    };
    let source = told.pointer("/source/source");
    json!({
        "allowed": unknown(told.get("allowed")),
        "source": source,
        "source_state": source.map(|_| unknown(told.pointer("/source/state"))),
        "state": told["state"],
        "state_reason": told["state_reason"],
        "last_match": last_match,
        "function": told.pointer("/target/function"),
        "function_state": unknown(told.pointer("/target/state")),
        "last_success": told.pointer("/target/last_success_at"),
        "last_failure": told.pointer("/target/last_failure_at"),
    })
}

fn texts(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().map(text).collect()
}

fn rows<const N: usize>(items: &[Value], columns: [&str; N]) -> Vec<[String; N]> {
    items.iter().map(|item| columns.map(|at| cell(item, at))).collect()
}
