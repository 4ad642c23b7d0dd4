//! Trying transforms.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use serde_json::value::RawValue;
use tripline_kernel::Classify as _;
use tripline_runtime::Problem;
use tripline_sandbox::{Error, Sandbox};
use tripline_transform::{ApplyError, as_json};

use super::JSON;
use super::resource::text;
use super::trial::{not_an_event, texts};
use crate::authn::Caller;
use crate::gateway::Gateway;
use crate::refusal::Refusal;

const FIELDS: [&str; 2] = ["transform", "event"];

/// What the transform makes of the event.
#[derive(Serialize)]
struct Tested {
    /// The JSON that it is, spelled as it is, or a string of its text.
    output: Box<RawValue>,
}

/// `POST /v1/transforms/test`.
pub(super) async fn test(
    request: HttpRequest,
    payload: Payload,
    caller: Caller,
    gateway: Data<Gateway>,
) -> Result<HttpResponse, Problem> {
    let body = text(&request, payload, &gateway, JSON).await?;
    let [transform, event] = texts(&body, FIELDS)?.map(str::to_owned);
    let _place = gateway.trials.place(caller.api_key).await?;
    let applied = apply(gateway.transforms.clone(), transform, event);
    let ended = gateway.runtime.spawn(applied).await;
    let output = ended.map_err(|_| Error::Unavailable("the process ends"))?.map_err(problem)?;
    let output = RawValue::from_string(as_json(&output));
    let output = output.map_err(|_| Refusal::Contract("the transform"))?;
    Ok(HttpResponse::Ok().json(Tested { output }))
}

async fn apply(sandbox: Sandbox, transform: String, event: String) -> Result<Vec<u8>, Error> {
    let transform = sandbox.parse(&transform).await?;
    sandbox.apply(transform, event.into_bytes()).await
}

fn problem(error: Error) -> Problem {
    match error {
        Error::Invalid(error) => {
            let under = |fault: &tripline_kernel::Fault| fault.clone().under("/transform");
            Refusal::Transform(error.faults().iter().map(under).collect()).into()
        }
        Error::Apply(error @ (ApplyError::Malformed(_) | ApplyError::NotAnObject)) => {
            not_an_event(error.to_string()).into()
        }
        Error::Apply(ApplyError::Failed(_) | ApplyError::Limit { .. }) | Error::Unavailable(_) => {
            error.into()
        }
    }
}
