//! The routes, and what answers where there is none.

mod buses;
mod dead_letters;
mod events;
mod functions;
mod invocations;
mod invoke;
mod sources;
mod triggers;

use actix_web::http::Method;
use actix_web::http::header::ALLOW;
use actix_web::middleware::from_fn;
use actix_web::web::{self, ServiceConfig};
use actix_web::{FromRequest, Handler, HttpRequest, HttpResponse, Resource, Responder};
use tripline_contracts::pb;
use tripline_kernel::Name;
use tripline_runtime::{Problem, problem};

use crate::authn::Caller;
use crate::body::{self, content_type, media_type};
use crate::document::Document;
use crate::gateway::Gateway;
use crate::observe;
use crate::query::Query;
use crate::refusal::{Kind, Refusal};

/// The bus of whatever names none.
const DEFAULT_BUS: &str = "default";
/// Every route starts with this.
const VERSION: &str = "/v1";
pub(crate) const PUBLISH: &str = "/v1/buses/{bus}/events";
const BUSES: &str = "/v1/buses";
const BUS: &str = "/v1/buses/{name}";
const FUNCTIONS: &str = "/v1/functions";
const FUNCTION: &str = "/v1/functions/{name}";
const INVOKE: &str = "/v1/functions/{name}/invocations";
const SOURCES: &str = "/v1/sources";
const SOURCE: &str = "/v1/sources/{name}";
const SOURCE_STATUS: &str = "/v1/sources/{name}/status";
const TRIGGERS: &str = "/v1/triggers";
const TRIGGER: &str = "/v1/triggers/{name}";
const TRIGGER_PAUSE: &str = "/v1/triggers/{name}/pause";
const TRIGGER_RESUME: &str = "/v1/triggers/{name}/resume";
const INVOCATIONS: &str = "/v1/invocations";
const INVOCATION: &str = "/v1/invocations/{id}";
const DEAD_LETTERS: &str = "/v1/dead-letters";
const DEAD_LETTER: &str = "/v1/dead-letters/{id}";

/// Every path that is served.
pub(crate) const PATHS: [&str; 17] = [
    PUBLISH,
    BUSES,
    BUS,
    FUNCTIONS,
    FUNCTION,
    INVOKE,
    SOURCES,
    SOURCE,
    SOURCE_STATUS,
    TRIGGERS,
    TRIGGER,
    TRIGGER_PAUSE,
    TRIGGER_RESUME,
    INVOCATIONS,
    INVOCATION,
    DEAD_LETTERS,
    DEAD_LETTER,
];

/// Mounts the whole surface.
pub(crate) fn mount(config: &mut ServiceConfig) {
    let scope = web::scope(VERSION)
        .wrap(from_fn(observe::authenticate))
        .configure(events_and_functions)
        .configure(sources_and_triggers)
        .configure(records)
        .default_service(web::to(no_route));
    config.service(scope).default_service(web::to(no_route));
}

fn events_and_functions(config: &mut ServiceConfig) {
    config
        .service(
            at(PUBLISH, "POST, OPTIONS")
                .route(web::post().to(events::publish))
                .route(web::method(Method::OPTIONS).to(events::handshake)),
        )
        .service(reading(at(BUSES, "GET, HEAD"), buses::list))
        .service(reading(at(BUS, "GET, HEAD"), buses::get))
        .service(at(INVOKE, "POST").route(web::post().to(invoke::invoke)))
        .service(reading(at(FUNCTIONS, "GET, HEAD"), functions::list))
        .service(
            reading(at(FUNCTION, "GET, HEAD, PUT, DELETE"), functions::get)
                .route(web::put().to(functions::put))
                .route(web::delete().to(functions::delete)),
        );
}

fn sources_and_triggers(config: &mut ServiceConfig) {
    config
        .service(reading(at(SOURCES, "GET, HEAD"), sources::list))
        .service(reading(at(SOURCE_STATUS, "GET, HEAD"), sources::status))
        .service(
            reading(at(SOURCE, "GET, HEAD, PUT, DELETE"), sources::get)
                .route(web::put().to(sources::put))
                .route(web::delete().to(sources::delete)),
        )
        .service(reading(at(TRIGGERS, "GET, HEAD"), triggers::list))
        .service(at(TRIGGER_PAUSE, "POST").route(web::post().to(triggers::pause)))
        .service(at(TRIGGER_RESUME, "POST").route(web::post().to(triggers::resume)))
        .service(
            reading(at(TRIGGER, "GET, HEAD, PUT, DELETE"), triggers::get)
                .route(web::put().to(triggers::put))
                .route(web::delete().to(triggers::delete)),
        );
}

fn records(config: &mut ServiceConfig) {
    config
        .service(reading(at(INVOCATIONS, "GET, HEAD"), invocations::list))
        .service(reading(at(INVOCATION, "GET, HEAD"), invocations::get))
        .service(reading(at(DEAD_LETTERS, "GET, HEAD"), dead_letters::list))
        .service(reading(at(DEAD_LETTER, "GET, HEAD"), dead_letters::get));
}

/// A path, named after itself for the metrics, that refuses every method but those in `allow`.
fn at(path: &'static str, allow: &'static str) -> Resource {
    let refuse = move |request: HttpRequest| async move { method_not_allowed(&request, allow) };
    web::resource(path.trim_start_matches(VERSION)).name(path).default_service(web::to(refuse))
}

/// Reads with GET, and with HEAD for whoever wants only the head.
fn reading<F, Args>(resource: Resource, handler: F) -> Resource
where
    F: Handler<Args> + Copy,
    F::Output: Responder + 'static,
    Args: FromRequest + 'static,
{
    resource.route(web::get().to(handler)).route(web::head().to(handler))
}

async fn no_route() -> Problem {
    Refusal::NoRoute.into()
}

/// 405 has no kind of its own: nothing behind the edge ever answers it.
fn method_not_allowed(request: &HttpRequest, allow: &'static str) -> HttpResponse {
    const CODE: &str = "method-not-allowed";
    HttpResponse::MethodNotAllowed()
        .insert_header((ALLOW, allow))
        .content_type(problem::CONTENT_TYPE)
        .json(serde_json::json!({
            "type": format!("/docs/errors/{CODE}"),
            "title": "Method not allowed",
            "status": 405,
            "detail": format!("this path takes {allow}"),
            "instance": request.path(),
            "code": CODE,
        }))
}

/// A part of the path, as it stands there.
fn part<'a>(request: &'a HttpRequest, name: &str) -> &'a str {
    request.match_info().get(name).unwrap_or_default()
}

/// The name in the path. One that no resource can have is one that no resource has.
fn name(request: &HttpRequest, kind: Kind) -> Result<String, Refusal> {
    named(request, "name", kind)
}

fn named(request: &HttpRequest, at: &str, kind: Kind) -> Result<String, Refusal> {
    let name = part(request, at);
    match name.parse::<Name>() {
        Ok(name) => Ok(name.into()),
        Err(_) => Err(Refusal::NotFound { kind, name: shown(name) }),
    }
}

/// So much of a part of the path as is worth showing.
fn shown(part: &str) -> String {
    part.chars().take(Name::BYTES_MAX).collect()
}

/// The document in the body of a PUT, once its path and content type are ones that can be put.
async fn document(
    request: &HttpRequest,
    payload: web::Payload,
    gateway: &Gateway,
) -> Result<Document, Refusal> {
    const JSON: &str = "application/json";
    let name = part(request, "name");
    if name.parse::<Name>().is_err() {
        return Err(Refusal::Name(shown(name)));
    }
    if !content_type(request)?.is_some_and(|given| media_type(given).eq_ignore_ascii_case(JSON)) {
        return Err(Refusal::MediaType(format!("send the document as {JSON}")));
    }
    Document::parse(body::read(request, payload, gateway.document_limit()).await?)
}

/// Requests to the registry, in the name of the caller's tenant.
impl Caller {
    fn get_request(self, name: String) -> pb::GetRequest {
        pb::GetRequest { tenant: self.tenant.to_string(), name }
    }

    fn list_request(self, mut query: Query<'_>) -> Result<pb::ListRequest, Refusal> {
        let (limit, cursor) = (query.limit(), query.cursor());
        query.finish()?;
        Ok(pb::ListRequest { tenant: self.tenant.to_string(), limit, cursor })
    }

    fn delete_request(self, name: String, condition: Option<pb::Condition>) -> pb::DeleteRequest {
        pb::DeleteRequest { tenant: self.tenant.to_string(), name, condition }
    }
}
