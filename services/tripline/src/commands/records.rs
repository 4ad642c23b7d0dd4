//! `tripline invocations` and `tripline dead-letters`: what ran, runs and failed.

use serde_json::Value;

use super::Session;
use crate::failure::Failure;
use crate::output::{Format, cell, write_fields, write_json, write_table};

/// Most records that are listed.
const LISTED_MAX: u32 = 100_000;

/// List what ran and runs, or show one invocation with all its attempts.
#[derive(Debug, clap::Args)]
pub(crate) struct InvocationsArgs {
    /// The invocation to show.
    #[arg(conflicts_with_all = ["trigger", "function", "state", "event_id", "event_source"])]
    id: Option<String>,
    #[command(flatten)]
    whose: Whose,
    /// Only those in this state.
    #[arg(long, value_parser = ["pending", "running", "succeeded", "dead", "cancelled"])]
    state: Option<String>,
    /// Only those of events with this id.
    #[arg(long, value_name = "ID")]
    event_id: Option<String>,
    /// Only those of events from here.
    #[arg(long, value_name = "URI")]
    event_source: Option<String>,
}

/// List what failed for good, or show one of them with its payload.
#[derive(Debug, clap::Args)]
pub(crate) struct DeadLettersArgs {
    /// The dead letter to show: the id of its invocation.
    #[arg(conflicts_with_all = ["trigger", "function"])]
    id: Option<String>,
    #[command(flatten)]
    whose: Whose,
}

#[derive(Debug, clap::Args)]
struct Whose {
    /// Only those of this trigger: its name, or its uid when it is gone.
    #[arg(long, value_name = "NAME")]
    trigger: Option<String>,
    /// Only those of this function: its name, or its uid when it is gone.
    #[arg(long, value_name = "NAME")]
    function: Option<String>,
    /// Most to list.
    #[arg(long, value_name = "COUNT", default_value_t = 50,
          value_parser = clap::value_parser!(u32).range(1..=i64::from(LISTED_MAX)))]
    limit: u32,
}

type Filter<'a> = (&'static str, &'a Option<String>);

/// The filters that were given.
fn given<'a>(filters: &[Filter<'a>]) -> Vec<(&'static str, &'a str)> {
    filters.iter().filter_map(|(name, value)| Some((*name, value.as_deref()?))).collect()
}

pub(crate) async fn invocations(
    session: &mut Session<'_>,
    args: &InvocationsArgs,
) -> Result<(), Failure> {
    if let Some(id) = &args.id {
        return one(session, "invocations", id).await;
    }
    let filters = given(&[
        ("trigger", &args.whose.trigger),
        ("function", &args.whose.function),
        ("state", &args.state),
        ("event_id", &args.event_id),
        ("event_source", &args.event_source),
    ]);
    let items = session.all(&["invocations"], &filters, args.whose.limit as usize).await?;
    if session.format == Format::Json {
        return Ok(write_json(session.out, &Value::Array(items))?);
    }
    let columns = ["/id", "/state", "/trigger", "/function", "/event/id", "/created_at"];
    let rows: Vec<_> = items
        .iter()
        .map(|item| {
            let [id, state, trigger, function, event, created] = columns.map(|at| cell(item, at));
            [id, state, trigger, function, event, attempts(item), created]
        })
        .collect();
    let headers = ["ID", "STATE", "TRIGGER", "FUNCTION", "EVENT", "ATTEMPTS", "CREATED"];
    Ok(write_table(session.out, headers, &rows)?)
}

pub(crate) async fn dead_letters(
    session: &mut Session<'_>,
    args: &DeadLettersArgs,
) -> Result<(), Failure> {
    if let Some(id) = &args.id {
        return one(session, "dead-letters", id).await;
    }
    let filters = given(&[("trigger", &args.whose.trigger), ("function", &args.whose.function)]);
    let items = session.all(&["dead-letters"], &filters, args.whose.limit as usize).await?;
    if session.format == Format::Json {
        return Ok(write_json(session.out, &Value::Array(items))?);
    }
    let columns = ["/id", "/trigger", "/function", "/event/id", "/reason", "/finished_at"];
    let rows: Vec<_> = items
        .iter()
        .map(|item| {
            let [id, trigger, function, event, reason, finished] = columns.map(|at| cell(item, at));
            [id, trigger, function, event, reason, attempts(item), finished]
        })
        .collect();
    let headers = ["ID", "TRIGGER", "FUNCTION", "EVENT", "REASON", "ATTEMPTS", "DIED"];
    Ok(write_table(session.out, headers, &rows)?)
}

fn attempts(item: &Value) -> String {
    item["attempts"].as_array().map_or(0, Vec::len).to_string()
}

/// Shows one record, and its attempts as a table of their own.
async fn one(session: &mut Session<'_>, path: &str, id: &str) -> Result<(), Failure> {
    let mut record = session.client.get(&[path, id], &[]).await?;
    if session.format == Format::Json {
        return Ok(write_json(session.out, &record)?);
    }
    let attempts = record["attempts"].take();
    if let Value::Object(fields) = &mut record {
        fields.remove("attempts");
    }
    write_fields(session.out, &record)?;
    let columns =
        ["/generation", "/number", "/started_at", "/duration_ms", "/status_code", "/error"];
    let attempts = attempts.as_array().map(Vec::as_slice).unwrap_or_default();
    if attempts.is_empty() {
        return Ok(());
    }
    let rows: Vec<_> =
        attempts.iter().map(|attempt| columns.map(|column| cell(attempt, column))).collect();
    let headers = ["GENERATION", "ATTEMPT", "STARTED", "DURATION MS", "STATUS", "ERROR"];
    writeln!(session.out)?;
    Ok(write_table(session.out, headers, &rows)?)
}
