//! `tripline tail`: invocations as they happen.

mod sse;

use std::io::Write;
use std::ops::ControlFlow;
use std::time::Duration;

use serde_json::Value;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::sleep;

use super::Session;
use crate::failure::Failure;
use crate::output::{Format, cell, plain};
use sse::{Event, Events};

/// How long to wait before the server is asked again.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// The widths of all columns but the last.
const WIDTHS: [usize; 6] = [24, 40, 9, 20, 20, 8];
const HEADERS: [&str; 7] =
    ["CREATED", "ID", "STATE", "TRIGGER", "FUNCTION", "ATTEMPTS", "EVENT, LAST ANSWER"];

/// Follow invocations as they happen: a line for each that is new, or whose state or attempts change.
///
/// With `-o json` each line is one JSON object. Ends with Ctrl-C, or after `--count` lines. When the server goes away it is
/// asked again; what happens meanwhile is not told.
#[derive(Debug, clap::Args)]
pub(crate) struct TailArgs {
    /// Only those of this trigger: its name, or its uid when it is gone.
    #[arg(long, value_name = "NAME")]
    trigger: Option<String>,
    /// Only those of this function: its name, or its uid when it is gone.
    #[arg(long, value_name = "NAME")]
    function: Option<String>,
    /// Only changes to this state.
    #[arg(long, value_parser = ["pending", "running", "succeeded", "dead", "cancelled"])]
    state: Option<String>,
    /// End after this many lines.
    #[arg(long, value_name = "LINES", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
}

pub(crate) async fn run(session: &mut Session<'_>, args: &TailArgs) -> Result<(), Failure> {
    let filters =
        [("trigger", &args.trigger), ("function", &args.function), ("state", &args.state)];
    let filters: Vec<_> =
        filters.iter().filter_map(|(name, value)| Some((*name, value.as_deref()?))).collect();
    let Session { client, format, out } = session;
    let mut shown = Shown { out: &mut **out, format: *format, left: args.count, begun: false };
    let wait_for = |kind| {
        signal(kind).map_err(|error| Failure::Failed(format!("cannot wait for signals: {error}")))
    };
    let mut interrupt = wait_for(SignalKind::interrupt())?;
    let mut terminate = wait_for(SignalKind::terminate())?;
    let following = async {
        loop {
            let mut events = Events::default();
            let take = |piece: &[u8]| {
                events.take(piece)?.into_iter().try_fold(
                    ControlFlow::Continue(()),
                    |flow, event| {
                        if flow.is_break() { Ok(flow) } else { shown.show(&event) }
                    },
                )
            };
            match client.follow(&["tail"], &filters, take).await {
                Ok(ControlFlow::Break(())) => return Ok(()),
                Ok(ControlFlow::Continue(())) => say("the server has ended this; asking it again")?,
                Err(failure) if shown.begun && is_passing(&failure) => {
                    say(&format!("{failure}; asking it again"))?;
                }
                Err(failure) => return Err(failure),
            }
            sleep(AGAIN_AFTER).await;
        }
    };
    tokio::select! {
        ended = following => ended,
        _ = interrupt.recv() => Ok(()),
        _ = terminate.recv() => Ok(()),
    }
}

/// A server that is away, or busy, comes back.
fn is_passing(failure: &Failure) -> bool {
    match failure {
        Failure::Unreachable(_) => true,
        Failure::Refused(problem) => problem.status >= 500 || problem.status == 429,
        Failure::Failed(_) | Failure::Output(_) => false,
    }
}

/// Past the output, which may be read by a program.
fn say(text: &str) -> Result<(), Failure> {
    Ok(writeln!(std::io::stderr(), "{}", plain(text))?)
}

/// Where it is shown, and how much of it.
struct Shown<'o> {
    out: &'o mut dyn Write,
    format: Format,
    /// Lines that are still wanted; no end when nothing is said.
    left: Option<u64>,
    /// Whether the server has followed before.
    begun: bool,
}

impl Shown<'_> {
    fn show(&mut self, event: &Event) -> Result<ControlFlow<()>, Failure> {
        match &*event.name {
            "ready" => {
                let again = std::mem::replace(&mut self.begun, true);
                if !again && self.format == Format::Table {
                    writeln!(self.out, "{}", line(&HEADERS.map(str::to_owned)))?;
                }
            }
            "invocation" => return self.invocation(&event.data),
            "gap" => say("more happened at once than is looked at; some of it is left out")?,
            "away" => say("the server cannot look just now")?,
            // Of a newer server.
            _ => {}
        }
        Ok(ControlFlow::Continue(()))
    }

    fn invocation(&mut self, data: &str) -> Result<ControlFlow<()>, Failure> {
        let wrong = |error| Failure::Failed(format!("the server's answer is not JSON: {error}"));
        let item: Value = serde_json::from_str(data).map_err(wrong)?;
        match self.format {
            Format::Json => writeln!(self.out, "{item}")?,
            Format::Table => writeln!(self.out, "{}", line(&cells(&item)))?,
        }
        self.left = self.left.map(|left| left - 1);
        let enough = self.left == Some(0);
        Ok(if enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    }
}

fn cells(item: &Value) -> [String; 7] {
    // Only the last attempt is told; its number says how many there were.
    let last = item["attempts"].as_array().and_then(|attempts| attempts.last());
    let attempts = last.map_or("0".to_owned(), |attempt| cell(attempt, "/number"));
    let said = last.map_or(String::new(), |attempt| {
        let at = if attempt["error"].is_string() { "/error" } else { "/status_code" };
        format!(", {}", cell(attempt, at))
    });
    let columns = ["/created_at", "/id", "/state", "/trigger", "/function"];
    let [created, id, state, trigger, function] = columns.map(|at| cell(item, at));
    let event = format!("{}{said}", cell(item, "/event/id"));
    [created, id, state, trigger, function, attempts, event]
}

fn line(cells: &[String; 7]) -> String {
    let widths = WIDTHS.into_iter().chain([0]);
    let padded = cells.iter().zip(widths).map(|(cell, width)| format!("{:width$}", plain(cell)));
    padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
}
