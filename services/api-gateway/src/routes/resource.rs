//! What is done alike with all resources of trigger-registry: read, list, put, patch, delete.

use actix_web::http::StatusCode;
use actix_web::web::{Bytes, Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use tripline_contracts::pb;
use tripline_kernel::{Classify as _, Name};
use tripline_runtime::Problem;

use super::{name, part, shown};
use crate::answer::{Meta, Page, put as answer_put, stored};
use crate::authn::Caller;
use crate::body::{self, content_type, media_type};
use crate::condition::{is_known, of_write};
use crate::document::{Document, merge};
use crate::gateway::Gateway;
use crate::query::Query;
use crate::refusal::{Kind, Refusal};

const JSON: &str = "application/json";
const MERGE_PATCH: &str = "application/merge-patch+json";
/// How often a patch without `If-Match` is tried when others write the same resource.
const PATCH_TRIES_MAX: usize = 4;

/// A resource as its documents show it. Serializes as the document that a read answers with.
pub(super) trait Resource: Serialize + Sized {
    const KIND: Kind;
    /// Whether a read shows more than what is stored, so that its revision says nothing of whether it has changed.
    const LIVE: bool = false;
    /// What a document asks for, read and checked as far as the gateway can.
    type Wanted;

    fn meta(&self) -> &Meta;

    /// Reads a document.
    fn wanted(document: Document, name: &str) -> Result<Self::Wanted, Refusal>;

    /// Reads the filters of the list, beside those that all lists have.
    fn filters(query: &mut Query<'_>) -> pb::ListRequest;

    async fn get(gateway: &Gateway, read: pb::GetRequest) -> Result<Self, Problem>;

    async fn list(gateway: &Gateway, read: pb::ListRequest) -> Result<Page<Self>, Problem>;

    /// Writes what is wanted. True when that made the resource.
    async fn put(
        gateway: &Gateway,
        target: Target,
        wanted: Self::Wanted,
    ) -> Result<(Self, bool), Problem>;

    async fn delete(gateway: &Gateway, delete: pb::DeleteRequest) -> Result<HttpResponse, Problem>;

    /// Adds what only the read of a single resource shows.
    async fn complete(self, _: &Gateway, _: Caller) -> Self {
        self
    }
}

/// What a write is for.
pub(super) struct Target {
    pub(super) tenant: String,
    pub(super) name: String,
    pub(super) condition: Option<pb::Condition>,
}

/// `GET /v1/{resources}/{name}`.
pub(super) async fn get<R: Resource>(
    request: HttpRequest,
    caller: Caller,
    gateway: Data<Gateway>,
) -> Result<HttpResponse, Problem> {
    let read = caller.get_request(name(&request, R::KIND)?);
    let document = R::get(&gateway, read).await?;
    let revision = document.meta().revision;
    if !R::LIVE && is_known(&request, revision)? {
        return Ok(HttpResponse::NotModified().finish());
    }
    Ok(stored(StatusCode::OK, revision, &document.complete(&gateway, caller).await))
}

/// `GET /v1/{resources}`.
pub(super) async fn list<R: Resource>(
    request: HttpRequest,
    caller: Caller,
    gateway: Data<Gateway>,
) -> Result<HttpResponse, Problem> {
    let mut query = Query::new(request.query_string());
    let read = pb::ListRequest {
        tenant: caller.tenant.to_string(),
        limit: query.limit(),
        cursor: query.cursor(),
        created_after: query.time("created_after"),
        created_before: query.time("created_before"),
        ..R::filters(&mut query)
    };
    query.finish()?;
    Ok(HttpResponse::Ok().json(R::list(&gateway, read).await?))
}

/// `PUT /v1/{resources}/{name}`.
pub(super) async fn put<R: Resource>(
    request: HttpRequest,
    payload: Payload,
    caller: Caller,
    gateway: Data<Gateway>,
) -> Result<HttpResponse, Problem> {
    let name = part(&request, "name");
    if name.parse::<Name>().is_err() {
        return Err(Refusal::Name(shown(name)).into());
    }
    let document = Document::parse(text(&request, payload, &gateway, JSON).await?)?;
    let wanted = R::wanted(document, name)?;
    let condition = of_write(&request, revision::<R>(&gateway, caller, name)).await?;
    let target = Target { tenant: caller.tenant.to_string(), name: name.to_owned(), condition };
    let (document, created) = R::put(&gateway, target, wanted).await?;
    Ok(answer_put(created, document.meta().revision, &document))
}

/// `PATCH /v1/{resources}/{name}`: the stored document, changed by a JSON Merge Patch (RFC 7396), is put in its place.
///
/// What others write in between is not lost: the patch is then made of what they wrote.
pub(super) async fn patch<R: Resource>(
    request: HttpRequest,
    payload: Payload,
    caller: Caller,
    gateway: Data<Gateway>,
) -> Result<HttpResponse, Problem> {
    let name = name(&request, R::KIND)?;
    let patch = text(&request, payload, &gateway, MERGE_PATCH).await?;
    let patch = Document::parse(patch)?.faultless()?;
    let mut tries = 1;
    loop {
        let stored = R::get(&gateway, caller.get_request(name.clone())).await?;
        let revision = stored.meta().revision;
        let asked = of_write(&request, async { Ok(revision) }).await?.unwrap_or_default();
        let condition =
            pb::Condition { if_revision: asked.if_revision.or(Some(revision)), ..asked };
        let merged = merge(&stored, &patch).map_err(|_| Refusal::Contract("trigger-registry"))?;
        let wanted = R::wanted(Document::parse(merged)?, &name)?;
        let (tenant, name) = (caller.tenant.to_string(), name.clone());
        let target = Target { tenant, name, condition: Some(condition) };
        match R::put(&gateway, target, wanted).await {
            Err(problem)
                if problem.code() == Refusal::Revision.code()
                    && asked.if_revision.is_none()
                    && tries < PATCH_TRIES_MAX =>
            {
                tries += 1;
            }
            Err(problem) => return Err(problem),
            Ok((document, _)) => {
                return Ok(stored_answer(&document));
            }
        }
    }
}

fn stored_answer<R: Resource>(document: &R) -> HttpResponse {
    stored(StatusCode::OK, document.meta().revision, document)
}

/// `DELETE /v1/{resources}/{name}`.
pub(super) async fn delete<R: Resource>(
    request: HttpRequest,
    caller: Caller,
    gateway: Data<Gateway>,
) -> Result<HttpResponse, Problem> {
    let name = name(&request, R::KIND)?;
    let condition = of_write(&request, revision::<R>(&gateway, caller, &name)).await?;
    R::delete(&gateway, caller.delete_request(name, condition)).await
}

/// The revision that is stored under this name.
pub(super) async fn revision<R: Resource>(
    gateway: &Gateway,
    caller: Caller,
    name: &str,
) -> Result<u64, Problem> {
    let stored = R::get(gateway, caller.get_request(name.to_owned())).await?;
    Ok(stored.meta().revision)
}

/// The body, which must be of this media type.
pub(super) async fn text(
    request: &HttpRequest,
    payload: Payload,
    gateway: &Gateway,
    wanted: &str,
) -> Result<Bytes, Refusal> {
    if !content_type(request)?.is_some_and(|given| media_type(given).eq_ignore_ascii_case(wanted)) {
        return Err(Refusal::MediaType(format!("send the document as {wanted}")));
    }
    body::read(request, payload, gateway.document_limit()).await
}

/// The document of a request that may come without one.
pub(super) async fn optional_document(
    request: &HttpRequest,
    payload: Payload,
    gateway: &Gateway,
) -> Result<Option<Document>, Refusal> {
    let body = if content_type(request)?.is_none() {
        body::read(request, payload, gateway.document_limit()).await?
    } else {
        text(request, payload, gateway, JSON).await?
    };
    if body.is_empty() { Ok(None) } else { Document::parse(body).map(Some) }
}
