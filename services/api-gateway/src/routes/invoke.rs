//! Direct calls of functions.

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, HeaderName, HeaderValue, LOCATION};
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use serde_json::json;
use tripline_contracts::{Error, pb};
use tripline_event::Event;
use tripline_kernel::{Classify as _, ErrorKind};
use tripline_runtime::Problem;

use super::name;
use crate::authn::Caller;
use crate::body::{self, content_type};
use crate::gateway::Gateway;
use crate::idempotency;
use crate::peers::{INVOKE_WAIT, WRITE_WAIT, answer};
use crate::publish::traceparent;
use crate::refusal::{Kind, Refusal};

const PREFER: HeaderName = HeaderName::from_static("prefer");
const RESPOND_ASYNC: &str = "respond-async";
const INVOCATION_ID: HeaderName = HeaderName::from_static("tripline-invocation-id");
const CONTENT_TYPE_DEFAULT: &str = "application/octet-stream";

/// `POST /v1/functions/{name}/invocations`: the function's own answer, or with `Prefer: respond-async` 202 and an id.
pub(super) async fn invoke(
    request: HttpRequest,
    payload: Payload,
    caller: Caller,
    gateway: Data<Gateway>,
) -> Result<HttpResponse, Problem> {
    let name = name(&request, Kind::Function)?;
    let function = gateway.function(caller.tenant, &name).await?;
    let asynchronous = prefers_async(&request);
    let (body, content_type) = call_body(&request, payload, &gateway).await?;
    let call = pb::InvokeRequest {
        tenant: caller.tenant.to_string(),
        function_uid: function.clone(),
        api_key_uid: caller.api_key.to_string(),
        asynchronous,
        body,
        content_type,
        traceparent: tripline_trace::current()
            .or_else(|| traceparent(request.headers()))
            .map_or_else(String::new, |context| context.to_string()),
        idempotency_key: idempotency::key(&request)?,
    };
    let called = match send(&gateway, call.clone()).await {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            // The function may have been made anew since the snapshot was told of it.
            let function_uid = gateway.stored_function(caller.tenant, &name).await?;
            if function_uid == function {
                return Err(error.into());
            }
            send(&gateway, pb::InvokeRequest { function_uid, ..call }).await?
        }
        other => other?,
    };
    match called.answer {
        Some(answer) if !asynchronous => Ok(functions_answer(&called.invocation_id, answer)?),
        Some(_) | None => Ok(HttpResponse::Accepted()
            .insert_header((INVOCATION_ID, called.invocation_id.as_str()))
            .insert_header((LOCATION, format!("/v1/invocations/{}", called.invocation_id)))
            .insert_header(("Preference-Applied", RESPOND_ASYNC))
            .json(json!({"id": called.invocation_id}))),
    }
}

async fn send(gateway: &Gateway, call: pb::InvokeRequest) -> Result<pb::InvokeResponse, Error> {
    let wait = if call.asynchronous { WRITE_WAIT } else { INVOKE_WAIT };
    answer(wait, gateway.peers.invoker.clone().invoke(call)).await
}

fn prefers_async(request: &HttpRequest) -> bool {
    request.headers().get_all(&PREFER).filter_map(|value| value.to_str().ok()).any(|value| {
        value.split(',').any(|preference| preference.trim().eq_ignore_ascii_case(RESPOND_ASYNC))
    })
}

/// What the function receives. An event in binary mode is put into JSON, since its headers do not travel.
async fn call_body(
    request: &HttpRequest,
    payload: Payload,
    gateway: &Gateway,
) -> Result<(Bytes, String), Problem> {
    let content_type = content_type(request)?.unwrap_or(CONTENT_TYPE_DEFAULT).to_owned();
    let body = body::read(request, payload, gateway.call_limit()).await?;
    let headers = request.headers();
    if !Event::is_binary_mode(headers.keys().map(AsRef::as_ref)) {
        return Ok((body, content_type));
    }
    let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    let event = Event::from_http(headers, &body)?;
    Ok((event.json().clone(), "application/cloudevents+json".to_owned()))
}

fn functions_answer(id: &str, answer: pb::FunctionAnswer) -> Result<HttpResponse, Refusal> {
    let status = u16::try_from(answer.status_code).ok();
    let status = status.and_then(|status| StatusCode::from_u16(status).ok());
    let status = status.filter(|status| !status.is_informational());
    let mut response = HttpResponse::build(status.ok_or(Refusal::FunctionAnswer)?);
    response.insert_header((INVOCATION_ID, id));
    if !answer.content_type.is_empty() {
        let content_type = HeaderValue::try_from(answer.content_type);
        response.insert_header((CONTENT_TYPE, content_type.map_err(|_| Refusal::FunctionAnswer)?));
    }
    Ok(response.body(answer.body))
}
