//! Trying patterns.

use std::borrow::Cow;
use std::collections::BTreeMap;

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use serde_json::value::RawValue;
use tripline_kernel::{Classify as _, Fault};
use tripline_pattern::{Explanation, Pattern};
use tripline_runtime::Problem;

use super::JSON;
use super::resource::text;
use crate::authn::Caller;
use crate::document::unknown;
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
    let fields: BTreeMap<Cow<'_, str>, &RawValue> = serde_json::from_slice(&body)
        .map_err(|error| Refusal::MalformedJson(format!("it is an object: {error}")))?;
    let unknown = fields.keys().filter(|name| !FIELDS.contains(&&***name)).map(|name| {
        let pointer = format!("/{}", name.replace('~', "~0").replace('/', "~1"));
        Fault::new(pointer, "unknown-field", unknown("field", name, &FIELDS))
    });
    let missing = FIELDS.into_iter().filter(|name| !fields.contains_key(*name));
    let missing = missing
        .map(|name| Fault::new(format!("/{name}"), "required", format!("'{name}' is missing")));
    let faults: Vec<_> = unknown.chain(missing).collect();
    let (Some(pattern), Some(event), []) =
        (fields.get("pattern"), fields.get("event"), &faults[..])
    else {
        return Err(Refusal::Document(faults).into());
    };
    let under = |fault: &Fault| fault.clone().under("/pattern");
    let pattern = Pattern::parse(pattern.get())
        .map_err(|error| Refusal::Pattern(error.faults().iter().map(under).collect()))?;
    let explain = pattern.explain(event.get().as_bytes()).map_err(|error| {
        Refusal::Document(vec![Fault::new("/event", "invalid-event", error.to_string())])
    })?;
    Ok(HttpResponse::Ok().json(Tested { matches: explain.matches, explain }))
}
