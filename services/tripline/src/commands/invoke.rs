//! `tripline invoke`.

use std::path::PathBuf;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName};
use http::{HeaderMap, Method};
use serde_json::{Value, json};
use tripline_outbound::Fetched;

use super::{Session, input};
use crate::client::{self, Call, refusal};
use crate::failure::Failure;
use crate::output::{Format, cell, plain, write_json};

const PREFER: HeaderName = HeaderName::from_static("prefer");
/// Names the invocation that an answer comes from. Without it the answer is the server's own.
const INVOCATION_ID: &str = "tripline-invocation-id";

/// Invoke a function directly, and show what it answers.
#[derive(Debug, clap::Args)]
pub(crate) struct InvokeArgs {
    /// The function.
    function: String,
    /// Do not wait for the function: answer with the invocation's id once it is sure to run.
    #[arg(long = "async")]
    detached: bool,
    /// What to send: JSON, else a text.
    #[arg(long, value_name = "DATA", conflicts_with = "data_file")]
    data: Option<String>,
    /// A file to send; - for standard input.
    #[arg(long, value_name = "FILE")]
    data_file: Option<PathBuf>,
    /// What it is [default: what it looks like].
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,
}

pub(crate) async fn run(session: &mut Session<'_>, args: &InvokeArgs) -> Result<(), Failure> {
    let body: Bytes = match (&args.data, &args.data_file) {
        (Some(text), _) => text.clone().into(),
        (None, Some(file)) => input::read(file)?.into(),
        (None, None) => Bytes::new(),
    };
    let guessed = guess(&body);
    let mut headers = Vec::new();
    headers.extend(args.content_type.as_deref().or(guessed).map(|given| (CONTENT_TYPE, given)));
    if args.detached {
        headers.push((PREFER, "respond-async"));
    }
    let path = ["functions", &args.function, "invocations"];
    let call =
        Call { method: Method::POST, path: &path, headers: &headers, body, ..Call::default() };
    let answer = session.client.call(call).await?;
    let Some(id) = text_header(&answer.headers, INVOCATION_ID) else {
        return Err(refusal(&answer));
    };
    if args.detached {
        let accepted = client::json(&answer)?;
        match session.format {
            Format::Json => write_json(session.out, &accepted)?,
            Format::Table => writeln!(session.out, "{}", plain(&cell(&accepted, "/id")))?,
        }
        return Ok(());
    }
    show(session, &id, &answer)
}

/// Shows the function's own answer: bare, so that it can be piped on.
fn show(session: &mut Session<'_>, id: &str, answer: &Fetched) -> Result<(), Failure> {
    match session.format {
        Format::Table => {
            session.out.write_all(&answer.body)?;
            if !answer.body.is_empty() && !answer.body.ends_with(b"\n") {
                writeln!(session.out)?;
            }
        }
        Format::Json => {
            let body = serde_json::from_slice(&answer.body).unwrap_or_else(|_| {
                Value::String(String::from_utf8_lossy(&answer.body).into_owned())
            });
            let status = answer.status.as_u16();
            let shown = json!({"invocation_id": id, "status_code": status, "body": body});
            write_json(session.out, &shown)?;
        }
    }
    session.out.flush()?;
    if answer.status.is_success() {
        return Ok(());
    }
    let why = format!("the function answered {}: see `tripline invocations {id}`", answer.status);
    Err(Failure::Failed(why))
}

/// What the data looks like; nothing where there is none.
fn guess(body: &[u8]) -> Option<&'static str> {
    if body.is_empty() {
        None
    } else if serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok() {
        Some(client::JSON)
    } else if std::str::from_utf8(body).is_ok() {
        Some("text/plain; charset=utf-8")
    } else {
        Some("application/octet-stream")
    }
}

fn text_header(headers: &HeaderMap, name: &str) -> Option<String> {
    Some(plain(headers.get(name)?.to_str().ok()?).into_owned())
}
