//! `tripline rotate-secret`.

use http::Method;
use http::header::CONTENT_TYPE;
use serde_json::json;

use super::Session;
use crate::client::{self, Call};
use crate::failure::Failure;
use crate::output::{Format, cell, write_json};

/// Give a function a new signing secret, and show it.
#[derive(Debug, clap::Args)]
pub(crate) struct RotateSecretArgs {
    /// The function.
    function: String,
    /// How long calls are signed with the secret before as well; 0 when it has become known to others [default: a day].
    #[arg(long, value_name = "SECONDS")]
    overlap_seconds: Option<u32>,
}

pub(crate) async fn run(session: &mut Session<'_>, args: &RotateSecretArgs) -> Result<(), Failure> {
    let body = json!({"overlap_seconds": args.overlap_seconds}).to_string().into();
    let path = ["functions", &args.function, "rotate-secret"];
    let headers = [(CONTENT_TYPE, client::JSON)];
    let call =
        Call { method: Method::POST, path: &path, headers: &headers, body, ..Call::default() };
    let rotated = client::json(&session.client.done(call).await?)?;
    if session.format == Format::Json {
        return Ok(write_json(session.out, &rotated)?);
    }
    let secret = cell(&rotated, "/signing_secret");
    writeln!(session.out, "new signing secret, shown only now: {secret}")?;
    if rotated["earlier_signing_secret_until"].is_string() {
        let until = cell(&rotated, "/earlier_signing_secret_until");
        writeln!(session.out, "calls are signed with the one before as well until {until}")?;
    }
    Ok(())
}
