//! `tripline pause`, `resume` and `test-source`.

use http::Method;
use serde_json::Value;

use super::Session;
use crate::client::{self, Call};
use crate::failure::Failure;
use crate::output::{Format, cell, plain, write_json};

/// What can be paused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Kind {
    Source,
    Trigger,
}

impl Kind {
    fn path(self) -> &'static str {
        match self {
            Self::Source => "sources",
            Self::Trigger => "triggers",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Trigger => "trigger",
        }
    }
}

/// Pause or resume a source or trigger.
#[derive(Debug, clap::Args)]
pub(crate) struct PauseArgs {
    /// What it is.
    kind: Kind,
    /// What it is called.
    name: String,
}

/// Find out whether a source would run, without running it.
#[derive(Debug, clap::Args)]
pub(crate) struct TestArgs {
    /// The source.
    source: String,
}

pub(crate) async fn pause(session: &mut Session<'_>, args: &PauseArgs) -> Result<(), Failure> {
    set(session, args, "pause", "paused").await
}

pub(crate) async fn resume(session: &mut Session<'_>, args: &PauseArgs) -> Result<(), Failure> {
    set(session, args, "resume", "resumed").await
}

async fn set(
    session: &mut Session<'_>,
    args: &PauseArgs,
    act: &str,
    done: &str,
) -> Result<(), Failure> {
    let stored = post(session, &[args.kind.path(), &args.name, act]).await?;
    match session.format {
        Format::Json => write_json(session.out, &stored)?,
        Format::Table => writeln!(session.out, "{}/{} {done}", args.kind.name(), args.name)?,
    }
    Ok(())
}

/// A source that would not run is a failure.
pub(crate) async fn test(session: &mut Session<'_>, args: &TestArgs) -> Result<(), Failure> {
    let tested = post(session, &["sources", &args.source, "test"]).await?;
    if session.format == Format::Json {
        write_json(session.out, &tested)?;
    }
    if tested["works"] != Value::Bool(true) {
        let reason = cell(&tested, "/reason");
        let (source, reason) = (&args.source, plain(&reason));
        return Err(Failure::Failed(format!("source/{source} does not work: {reason}")));
    }
    if session.format == Format::Table {
        writeln!(session.out, "source/{} works", args.source)?;
    }
    Ok(())
}

async fn post(session: &Session<'_>, path: &[&str]) -> Result<Value, Failure> {
    let call = Call { method: Method::POST, path, ..Call::default() };
    client::json(&session.client.done(call).await?)
}
