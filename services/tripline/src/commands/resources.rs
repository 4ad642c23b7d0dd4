//! `tripline get`, `list` and `delete`.

use serde_json::Value;

use super::Session;
use crate::failure::Failure;
use crate::output::{Format, cell, text, write_fields, write_json, write_table};

/// Most resources of one kind that are listed.
const LISTED_MAX: usize = 100_000;

/// What there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Kind {
    #[value(alias = "buses")]
    Bus,
    #[value(alias = "functions")]
    Function,
    #[value(alias = "sources")]
    Source,
    #[value(alias = "triggers")]
    Trigger,
}

impl Kind {
    fn path(self) -> &'static str {
        match self {
            Self::Bus => "buses",
            Self::Function => "functions",
            Self::Source => "sources",
            Self::Trigger => "triggers",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Bus => "bus",
            Self::Function => "function",
            Self::Source => "source",
            Self::Trigger => "trigger",
        }
    }

    /// The columns of its table besides the name, each with a pointer into the document.
    fn columns(self) -> [(&'static str, &'static str); 4] {
        match self {
            Self::Bus => [
                ("PARTITIONS", "/partitions"),
                ("RETENTION S", "/retention_seconds"),
                ("RETENTION BYTES", "/retention_bytes"),
                ("REVISION", "/revision"),
            ],
            Self::Function => [
                ("TARGET", "/target/kind"),
                ("URL", "/target/url"),
                ("TIMEOUT MS", "/timeout_ms"),
                ("CONCURRENCY", "/concurrency"),
            ],
            Self::Source => [
                ("KIND", "/kind"),
                ("BUS", "/bus"),
                ("REVISION", "/revision"),
                ("UPDATED", "/updated_at"),
            ],
            Self::Trigger => [
                ("STATE", "/state"),
                ("BUS", "/bus"),
                ("SOURCE", "/source"),
                ("FUNCTION", "/function"),
            ],
        }
    }
}

/// Show one bus, function, source or trigger.
#[derive(Debug, clap::Args)]
pub(crate) struct GetArgs {
    /// What it is.
    kind: Kind,
    /// What it is called.
    name: String,
}

/// List all buses, functions, sources or triggers.
#[derive(Debug, clap::Args)]
pub(crate) struct ListArgs {
    /// What to list.
    kind: Kind,
}

/// Delete a function, source or trigger. A function takes its triggers with it.
#[derive(Debug, clap::Args)]
pub(crate) struct DeleteArgs {
    /// What it is.
    kind: Kind,
    /// What it is called.
    name: String,
}

pub(crate) async fn get(session: &mut Session<'_>, args: &GetArgs) -> Result<(), Failure> {
    let document = session.client.get(&[args.kind.path(), &args.name], &[]).await?;
    match session.format {
        Format::Json => write_json(session.out, &document)?,
        Format::Table => write_fields(session.out, &document)?,
    }
    Ok(())
}

pub(crate) async fn list(session: &mut Session<'_>, args: &ListArgs) -> Result<(), Failure> {
    let items = session.all(&[args.kind.path()], &[], LISTED_MAX).await?;
    if session.format == Format::Json {
        return Ok(write_json(session.out, &Value::Array(items))?);
    }
    let [a, b, c, d] = args.kind.columns();
    let rows: Vec<_> = items
        .iter()
        .map(|item| ["/name", a.1, b.1, c.1, d.1].map(|pointer| cell(item, pointer)))
        .collect();
    Ok(write_table(session.out, ["NAME", a.0, b.0, c.0, d.0], &rows)?)
}

pub(crate) async fn delete(session: &mut Session<'_>, args: &DeleteArgs) -> Result<(), Failure> {
    let deleted = session.client.delete(&[args.kind.path(), &args.name]).await?;
    if session.format == Format::Json {
        if !deleted.is_null() {
            write_json(session.out, &deleted)?;
        }
        return Ok(());
    }
    writeln!(session.out, "{}/{} deleted", args.kind.name(), args.name)?;
    for gone in deleted["deleted"].as_array().into_iter().flatten() {
        let (kind, name) = (text(&gone["kind"]), text(&gone["name"]));
        if (kind.as_str(), name.as_str()) != (args.kind.name(), args.name.as_str()) {
            writeln!(session.out, "{kind}/{name} deleted with it")?;
        }
    }
    Ok(())
}
