//! What stands in front of the routes: counting every request, and asking who sent it.

use std::time::Instant;

use actix_web::Error;
use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{HttpMessage as _, ResponseError as _};
use tripline_runtime::{Problem, problem};
use tripline_trace::{Kind, Span, within};

use crate::authn::Caller;
use crate::deprecation::{self, DEPRECATED};
use crate::gateway::Gateway;
use crate::publish::traceparent;
use crate::rates::Standing;
use crate::refusal::Refusal;
use crate::routes::PUBLISH;

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// Counts the request, measures publishing, and logs for those who look closely.
pub(crate) async fn count(
    gateway: Data<Gateway>,
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let started = Instant::now();
    let _under_way = UnderWay::begin(&gateway);
    let span = begin_span(&gateway, &request);
    let answering = next.call(request);
    let mut response = within(span.as_ref().map(Span::context), answering).await?;
    if let Some(span) = span {
        end_span(span, &response);
    }
    say_when_to_retry(&mut response);
    let (head, answer) = (response.request().clone(), response.response_mut());
    deprecation::say(DEPRECATED, head.match_name(), answer.headers_mut());
    drop(head);
    let (status, route) = (response.status(), response.request().match_name());
    let method = response.request().method();
    gateway.metrics.count(route, status);
    if route == Some(PUBLISH) && method == Method::POST {
        gateway.metrics.publish_seconds.observe(started.elapsed().as_secs_f64());
    }
    tracing::debug!(%method, route, status = status.as_u16(), duration = ?started.elapsed(), "answered");
    Ok(response)
}

/// The methods that a span is named after; it holds no text that a caller can choose.
const METHODS: [&str; 9] =
    ["CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"];

/// The span of a request of a sampled trace, by OpenTelemetry's conventions for HTTP. Nobody knows yet who sent it.
fn begin_span(gateway: &Gateway, request: &ServiceRequest) -> Option<Span> {
    if !gateway.tracer.is_on() {
        return None;
    }
    let mut span = gateway.tracer.below(traceparent(request.headers()), Kind::Server, "request")?;
    let method = METHODS.into_iter().find(|method| *method == request.method().as_str());
    span.set("http.request.method", method.unwrap_or("_OTHER"));
    let method = method.unwrap_or("HTTP");
    match request.match_pattern() {
        Some(route) => {
            span.rename(format!("{method} {route}"));
            span.set("http.route", route);
        }
        None => span.rename(method),
    }
    Some(span)
}

/// Whoever shows no valid key leaves no span, unless that is our own fault.
fn end_span(mut span: Span, response: &ServiceResponse<BoxBody>) {
    let status = response.status();
    let known = response.request().extensions().contains::<Caller>();
    if !known && !status.is_server_error() {
        return span.discard();
    }
    span.set("http.response.status_code", i64::from(status.as_u16()));
    if status.is_server_error() {
        span.fail(status.as_str().to_owned());
    }
}

/// Whoever meets a service that is away should try again soon. A function's own 503 is passed on as it is.
fn say_when_to_retry(response: &mut ServiceResponse<BoxBody>) {
    let is_problem = |value: &HeaderValue| value == problem::CONTENT_TYPE;
    let ours = response.headers().get(header::CONTENT_TYPE).is_some_and(is_problem);
    if ours
        && response.status() == StatusCode::SERVICE_UNAVAILABLE
        && !response.headers().contains_key(header::RETRY_AFTER)
    {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
}

fn say_what_is_left(response: &mut ServiceResponse<BoxBody>, standing: Standing) {
    for (name, value) in [(POLICY, standing.policy()), (LIMIT, standing.limit())] {
        if let Ok(value) = HeaderValue::try_from(value) {
            response.headers_mut().insert(name, value);
        }
    }
}

/// A request under way, also when its client leaves before the answer.
struct UnderWay<'a>(&'a Gateway);

impl<'a> UnderWay<'a> {
    fn begin(gateway: &'a Gateway) -> Self {
        gateway.metrics.in_flight.inc();
        Self(gateway)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.metrics.in_flight.dec();
    }
}

/// Finds out who sent the request, or refuses it before its body is read.
///
/// `OPTIONS` is let through: the webhook handshake comes before any credential, and says nothing that is not public.
pub(crate) async fn authenticate(
    gateway: Data<Gateway>,
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    if request.method() == Method::OPTIONS {
        return next.call(request).await;
    }
    let authorization = request.headers().get(header::AUTHORIZATION).map(HeaderValue::as_bytes);
    match gateway.authenticator.caller(authorization).await {
        Ok(caller) => {
            let publishes =
                request.match_name() == Some(PUBLISH) && request.method() == Method::POST;
            let rate = if publishes { &gateway.publishes } else { &gateway.requests };
            let standing = rate.take(caller.api_key);
            request.extensions_mut().insert(caller);
            let mut response = if standing.is_none_or(|standing| standing.allowed) {
                next.call(request).await?
            } else {
                let problem = Problem::from(Refusal::TooManyRequests).at(request.path());
                request.into_response(problem.error_response())
            };
            // The answers to publishes are many and small; they say it only to whoever has to wait.
            if let Some(standing) = standing.filter(|standing| !publishes || !standing.allowed) {
                say_what_is_left(&mut response, standing);
            }
            Ok(response)
        }
        Err(refusal) => {
            let problem = Problem::from(refusal).at(request.path());
            Ok(request.into_response(problem.error_response()))
        }
    }
}
