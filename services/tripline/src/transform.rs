//! `tripline transform test`: what transforms make of events. Needs no server: it is the same library.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::runtime::Runtime;
use tripline_sandbox::{Error, Sandbox};
use tripline_transform::{ApplyError, as_json};

use crate::offline::{EXIT_INVALID, cases, faults, text_of, write_line};

/// The transform has no output for this event.
const EXIT_FAILED: u8 = 1;

/// What transforms make of events, without a server.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct TransformArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum Command {
    Test(TestArgs),
}

/// Write what a transform makes of an event: exit with 0 if it has an output, 1 if it has none for this event, 2 if one
/// of them is not valid.
#[derive(Clone, Debug, clap::Args)]
struct TestArgs {
    /// A file that holds a transform.
    #[arg(long, value_name = "FILE", required_unless_present = "batch")]
    transform: Option<PathBuf>,
    /// A file that holds an event, as JSON.
    #[arg(long, value_name = "FILE", required_unless_present = "batch")]
    event: Option<PathBuf>,
    /// A file of many cases instead, one a line: `{"id", "transform", "event"}`, the latter two as JSON or as strings that
    /// hold it. Writes a line for each, in the same order: `{"id", "output"}` or `{"id", "error"}`. An output that is no
    /// JSON is written as a string.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["transform", "event"])]
    batch: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Case {
    #[serde(default)]
    id: Value,
    transform: Option<Box<RawValue>>,
    event: Option<Box<RawValue>>,
}

#[derive(Serialize)]
struct Told {
    id: Value,
    #[serde(flatten)]
    outcome: Outcome,
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Outcome {
    Output(Box<RawValue>),
    Error(String),
}

/// The exit code to end with. Standard error says what is wrong.
#[allow(clippy::print_stderr, reason = "a command says why to whoever gave it")]
pub(crate) fn run(args: &TransformArgs, runtime: &Runtime) -> ExitCode {
    let Command::Test(args) = &args.command;
    let tester = Tester { sandbox: Sandbox::of_this_executable(), runtime };
    let done = match (&args.batch, &args.transform, &args.event) {
        (Some(cases), ..) => tester.batch(cases, &mut io::stdout().lock()),
        (None, Some(transform), Some(event)) => {
            tester.one(transform, event, &mut io::stdout().lock())
        }
        (None, ..) => unreachable!("the parser asks for both, or for a batch"),
    };
    done.unwrap_or_else(|(code, why)| {
        eprintln!("{why}");
        ExitCode::from(code)
    })
}

struct Tester<'r> {
    sandbox: Sandbox,
    runtime: &'r Runtime,
}

/// An exit code, and why.
type Failure = (u8, String);

impl Tester<'_> {
    fn one(
        &self,
        transform: &Path,
        event: &Path,
        out: &mut impl Write,
    ) -> Result<ExitCode, Failure> {
        let invalid = |why| (EXIT_INVALID, why);
        let transform = text_of(transform).map_err(invalid)?;
        let event = text_of(event).map_err(invalid)?;
        let output =
            self.apply(&transform, event).map_err(|error| (exit(&error), faults(&error)))?;
        let written = out.write_all(&output).and_then(|()| out.write_all(b"\n"));
        written.map_err(|error| invalid(error.to_string()))?;
        Ok(ExitCode::SUCCESS)
    }

    fn batch(&self, file: &Path, out: &mut impl Write) -> Result<ExitCode, Failure> {
        let mut out = io::BufWriter::new(out);
        let told = cases(file, |case| {
            let (id, outcome) = match case {
                Ok(Case { id, transform, event }) => (id, self.outcome(transform, event)),
                Err(why) => (Value::Null, Err(why)),
            };
            let outcome = outcome.map_or_else(Outcome::Error, Outcome::Output);
            write_line(&mut out, &Told { id, outcome })
        });
        let told = told.and_then(|()| out.flush().map_err(|error| error.to_string()));
        told.map(|()| ExitCode::SUCCESS).map_err(|why| (EXIT_INVALID, why))
    }

    fn outcome(
        &self,
        transform: Option<Box<RawValue>>,
        event: Option<Box<RawValue>>,
    ) -> Result<Box<RawValue>, String> {
        let transform = json(transform.ok_or("'transform' is missing")?)?;
        let event = json(event.ok_or("'event' is missing")?)?;
        let output = self.apply(&transform, event).map_err(|error| faults(&error))?;
        RawValue::from_string(as_json(&output)).map_err(|error| error.to_string())
    }

    fn apply(&self, transform: &str, event: String) -> Result<Vec<u8>, Error> {
        self.runtime.block_on(async {
            let transform = self.sandbox.parse(transform).await?;
            self.sandbox.apply(transform, event.into_bytes()).await
        })
    }
}

/// The JSON text that a field holds: its value, or what its string says.
fn json(field: Box<RawValue>) -> Result<String, String> {
    if field.get().starts_with('"') {
        serde_json::from_str(field.get()).map_err(|error| error.to_string())
    } else {
        Ok(String::from(Box::<str>::from(field)))
    }
}

fn exit(error: &Error) -> u8 {
    match error {
        Error::Apply(ApplyError::Failed(_) | ApplyError::Limit { .. }) => EXIT_FAILED,
        Error::Apply(ApplyError::Malformed(_) | ApplyError::NotAnObject)
        | Error::Invalid(_)
        | Error::Unavailable(_) => EXIT_INVALID,
    }
}
