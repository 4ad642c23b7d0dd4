//! `tripline publish`.

use std::path::PathBuf;

use bytes::Bytes;
use http::Method;
use http::header::CONTENT_TYPE;
use serde_json::Value;
use serde_json::value::RawValue;
use tripline_event::Builder;
use tripline_kernel::{Classify as _, Clock as _, Uid};
use tripline_runtime::{SystemClock, SystemEntropy};

use super::{Session, input};
use crate::client::{self, Call};
use crate::failure::{Failure, Problem};
use crate::output::{Format, cell, write_json, write_table};

const STRUCTURED: &str = "application/cloudevents+json";
const BATCH: &str = "application/cloudevents-batch+json";

/// Publish one event, or a file of them.
///
/// An event is put together from --type and --source, or read from a file that holds a CloudEvent in JSON or an array
/// of them. Answers once the events are in the log.
#[derive(Debug, clap::Args)]
pub(crate) struct PublishArgs {
    /// Where to.
    #[arg(long, value_name = "BUS", default_value = "default")]
    bus: String,
    /// A file with one event or an array of events, as they are; - for standard input.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["type", "source", "id", "subject", "key", "data", "data_file"])]
    file: Option<PathBuf>,
    /// What kind of event it is.
    #[arg(long = "type", id = "type", value_name = "TYPE", required_unless_present = "file")]
    kind: Option<String>,
    /// Where the event comes from: a URI reference.
    #[arg(long, value_name = "URI", required_unless_present = "file")]
    source: Option<String>,
    /// Its id within the source [default: a new one].
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// What in the source it is about.
    #[arg(long, value_name = "TEXT")]
    subject: Option<String>,
    /// Its partition key: events with the same key keep their order.
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// Its data: JSON, else a text.
    #[arg(long, value_name = "DATA", conflicts_with = "data_file")]
    data: Option<String>,
    /// A file with its data: JSON, else a text, else bytes; - for standard input.
    #[arg(long, value_name = "FILE")]
    data_file: Option<PathBuf>,
}

pub(crate) async fn run(session: &mut Session<'_>, args: PublishArgs) -> Result<(), Failure> {
    let bus = args.bus.clone();
    let (content_type, body) = match &args.file {
        Some(file) => whole(input::read(file)?),
        None => (STRUCTURED, event(args)?),
    };
    let headers = [(CONTENT_TYPE, content_type)];
    let path = ["buses", &bus, "events"];
    let call =
        Call { method: Method::POST, path: &path, headers: &headers, body, ..Call::default() };
    let answer = client::json(&session.client.done(call).await?)?;
    show(session, &answer)
}

/// Events that are sent as they are: an array is a batch.
fn whole(bytes: Vec<u8>) -> (&'static str, Bytes) {
    let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
    let content_type = if first == Some(&b'[') { BATCH } else { STRUCTURED };
    (content_type, bytes.into())
}

/// The event that the arguments describe.
fn event(args: PublishArgs) -> Result<Bytes, Failure> {
    let data = match (args.data, &args.data_file) {
        (Some(text), _) => Some(text.into_bytes()),
        (None, Some(file)) => Some(input::read(file)?),
        (None, None) => None,
    };
    let id = args.id.unwrap_or_else(|| Uid::new(&SystemClock, &SystemEntropy).to_string());
    let (kind, source) = (args.kind.unwrap_or_default(), args.source.unwrap_or_default());
    let mut event = Builder::new(id, source, kind).time(SystemClock.now());
    if let Some(subject) = args.subject {
        event = event.attribute("subject", subject);
    }
    if let Some(key) = args.key {
        event = event.attribute("partitionkey", key);
    }
    let json = data.as_deref().and_then(|data| serde_json::from_slice::<&RawValue>(data).ok());
    let text = data.as_deref().and_then(|data| std::str::from_utf8(data).ok());
    event = match (json, text, &data) {
        (Some(json), ..) => event.attribute("datacontenttype", client::JSON).json_data(json),
        (None, Some(text), _) => event.attribute("datacontenttype", "text/plain").text_data(text),
        (None, None, Some(bytes)) => event.binary_data(bytes),
        (None, None, None) => event,
    };
    match event.build() {
        Ok(event) => Ok(event.json().clone()),
        Err(error) => {
            let faults = error.faults().iter().map(|fault| format!("\n  {}", fault.detail));
            let faults: String = faults.collect();
            Err(Failure::Failed(format!("this makes no CloudEvent:{faults}")))
        }
    }
}

/// Shows what became of each event. A rejected one makes the command fail.
fn show(session: &mut Session<'_>, answer: &Value) -> Result<(), Failure> {
    let events = answer["events"].as_array().map(Vec::as_slice).unwrap_or_default();
    match session.format {
        Format::Json => write_json(session.out, answer)?,
        Format::Table => {
            let columns = ["/source", "/id", "/status"];
            let rows: Vec<_> =
                events.iter().map(|event| columns.map(|column| cell(event, column))).collect();
            write_table(session.out, ["SOURCE", "ID", "STATUS"], &rows)?;
        }
    }
    let rejected: Vec<_> = events.iter().filter(|event| event["error"].is_object()).collect();
    if rejected.is_empty() {
        return Ok(());
    }
    let counted = format!("{} of {} events were rejected", rejected.len(), events.len());
    let problems = rejected.into_iter().map(|event| {
        let problem: Problem = serde_json::from_value(event["error"].clone()).unwrap_or_default();
        format!("\n  {}: {}", cell(event, "/id"), problem.detail)
    });
    Err(Failure::Failed(counted + &problems.collect::<String>()))
}
