//! Trying patterns.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use tripline_kernel::{Classify as _, Fault};
use tripline_pattern::{Explanation, Pattern};
use tripline_runtime::Problem;

use super::JSON;
use super::resource::text;
use super::trial::{not_an_event, texts};
use crate::authn::Caller;
use crate::gateway::Gateway;
use crate::refusal::Refusal;

const FIELDS: [&str; 2] = ["pattern", "event"];

/// Whether the event matches, and why.
#[derive(Serialize)]
struct Tested {
    #[serde(rename = "match")]
    matches: bool,
    explain: Explanation,
}

/// `POST /v1/patterns/test`. The texts of pattern and event go to the matcher as they came: keys that stand twice and the
/// spelling of numbers count.
pub(super) async fn test(
    request: HttpRequest,
    payload: Payload,
    _: Caller,
    gateway: Data<Gateway>,
) -> Result<HttpResponse, Problem> {
    let body = text(&request, payload, &gateway, JSON).await?;
    let [pattern, event] = texts(&body, FIELDS)?;
    let under = |fault: &Fault| fault.clone().under("/pattern");
    let pattern = Pattern::parse(pattern)
        .map_err(|error| Refusal::Pattern(error.faults().iter().map(under).collect()))?;
    let explain =
        pattern.explain(event.as_bytes()).map_err(|error| not_an_event(error.to_string()))?;
    Ok(HttpResponse::Ok().json(Tested { matches: explain.matches, explain }))
}
