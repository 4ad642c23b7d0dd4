//! The routes, and what answers where there is none.

mod buses;
mod dead_letters;
mod events;
mod functions;
mod invocations;
mod invoke;
mod minio_triggers;
mod patterns;
mod resource;
mod sources;
mod stats;
mod transforms;
mod trial;
mod triggers;

use actix_web::http::Method;
use actix_web::http::header::ALLOW;
use actix_web::middleware::from_fn;
use actix_web::web::{self, ServiceConfig};
use actix_web::{FromRequest, Handler, HttpRequest, HttpResponse, Responder};
use tripline_contracts::pb;
use tripline_kernel::Name;
use tripline_runtime::{Problem, problem};

use crate::authn::Caller;
use crate::observe;
use crate::refusal::{Kind, Refusal};
use buses::Bus;
use functions::Function;
pub(crate) use invocations::Tails;
use sources::Source;
use triggers::Trigger;

/// The bus of whatever names none.
const DEFAULT_BUS: &str = "default";
/// The media type of documents.
const JSON: &str = "application/json";
/// Every route starts with this.
const VERSION: &str = "/v1";
pub(crate) const PUBLISH: &str = "/v1/buses/{bus}/events";

/// Every path that is served, with what answers each of its methods.
fn paths() -> Vec<Path> {
    vec![
        Path::at(PUBLISH)
            .reads(events::lookup)
            .on(Method::POST, events::publish)
            .on(Method::OPTIONS, events::handshake),
        Path::at("/v1/buses").reads(resource::list::<Bus>),
        Path::at("/v1/buses/{name}").holds::<Bus>(),
        Path::at("/v1/functions").reads(resource::list::<Function>),
        Path::at("/v1/functions/{name}").holds::<Function>(),
        Path::at("/v1/functions/{name}/rotate-secret").on(Method::POST, functions::rotate_secret),
        Path::at("/v1/functions/{name}/invocations").on(Method::POST, invoke::invoke),
        Path::at("/v1/sources").reads(resource::list::<Source>),
        Path::at("/v1/sources/{name}").holds::<Source>(),
        Path::at("/v1/sources/{name}/status").reads(sources::status),
        Path::at("/v1/sources/{name}/test").on(Method::POST, sources::test),
        Path::at("/v1/sources/{name}/pause").on(Method::POST, sources::pause),
        Path::at("/v1/sources/{name}/resume").on(Method::POST, sources::resume),
        Path::at("/v1/triggers").reads(resource::list::<Trigger>),
        Path::at("/v1/triggers/{name}").holds::<Trigger>(),
        Path::at("/v1/triggers/{name}/explain").reads(triggers::explain),
        Path::at("/v1/triggers/{name}/pause").on(Method::POST, triggers::pause),
        Path::at("/v1/triggers/{name}/resume").on(Method::POST, triggers::resume),
        Path::at("/v1/minio-triggers").on(Method::POST, minio_triggers::act),
        Path::at("/v1/invocations").reads(invocations::list),
        Path::at("/v1/invocations/{id}").reads(invocations::get),
        Path::at("/v1/dead-letters").reads(dead_letters::list),
        Path::at("/v1/dead-letters/{id}").reads(dead_letters::get),
        Path::at("/v1/patterns/test").on(Method::POST, patterns::test),
        Path::at("/v1/stats").reads(stats::get),
        Path::at("/v1/tail").on(Method::GET, invocations::tail),
        Path::at("/v1/transforms/test").on(Method::POST, transforms::test),
    ]
}

/// The patterns of all paths that are served, each with the methods it takes as the header `Allow` says them.
#[must_use]
pub fn routes() -> Vec<(&'static str, String)> {
    paths().iter().map(|path| (path.pattern, path.allow())).collect()
}

/// Mounts the whole surface.
pub(crate) fn mount(config: &mut ServiceConfig) {
    let scope = web::scope(VERSION).wrap(from_fn(observe::authenticate));
    let scope = paths().into_iter().fold(scope, |scope, path| scope.service(path.resource()));
    config.service(scope.default_service(web::to(no_route))).default_service(web::to(no_route));
}

/// A path, named after itself for the metrics, that refuses every method but its own.
struct Path {
    pattern: &'static str,
    methods: Vec<Method>,
    resource: actix_web::Resource,
}

impl Path {
    fn at(pattern: &'static str) -> Self {
        let resource = web::resource(pattern.trim_start_matches(VERSION)).name(pattern);
        Self { pattern, methods: Vec::new(), resource }
    }

    /// Answers a method.
    fn on<F, Args>(mut self, method: Method, handler: F) -> Self
    where
        F: Handler<Args>,
        F::Output: Responder + 'static,
        Args: FromRequest + 'static,
    {
        self.methods.push(method.clone());
        Self { resource: self.resource.route(web::method(method).to(handler)), ..self }
    }

    /// Reads with GET, and with HEAD for whoever wants only the head.
    fn reads<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args> + Copy,
        F::Output: Responder + 'static,
        Args: FromRequest + 'static,
    {
        self.on(Method::GET, handler).on(Method::HEAD, handler)
    }

    /// Reads and writes a resource by its name.
    fn holds<R: resource::Resource + 'static>(self) -> Self {
        self.reads(resource::get::<R>)
            .on(Method::PUT, resource::put::<R>)
            .on(Method::PATCH, resource::patch::<R>)
            .on(Method::DELETE, resource::delete::<R>)
    }

    fn allow(&self) -> String {
        let methods: Vec<_> = self.methods.iter().map(Method::as_str).collect();
        methods.join(", ")
    }

    fn resource(self) -> actix_web::Resource {
        let allow = self.allow();
        let refuse = move |request: HttpRequest| {
            let refusal = method_not_allowed(&request, &allow);
            async move { refusal }
        };
        self.resource.default_service(web::to(refuse))
    }
}

async fn no_route() -> Problem {
    Refusal::NoRoute.into()
}

/// 405 has no kind of its own: nothing behind the edge ever answers it.
fn method_not_allowed(request: &HttpRequest, allow: &str) -> HttpResponse {
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

/// Requests to the registry, in the name of the caller's tenant.
impl Caller {
    fn get_request(self, name: String) -> pb::GetRequest {
        pb::GetRequest { tenant: self.tenant.to_string(), name }
    }

    fn delete_request(self, name: String, condition: Option<pb::Condition>) -> pb::DeleteRequest {
        pb::DeleteRequest { tenant: self.tenant.to_string(), name, condition }
    }
}
