//! Answers: stored resources with their entity tag, pages of lists.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::ETAG;
use serde::Serialize;
use tripline_contracts::pb;
use tripline_kernel::Timestamp;

use crate::refusal::Refusal;

/// Identity and version of a resource, as every document of one begins.
#[derive(Debug, Serialize)]
pub(crate) struct Meta {
    pub(crate) name: String,
    pub(crate) uid: String,
    pub(crate) revision: u64,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl Meta {
    /// The meta of a message, which a service must not leave out.
    pub(crate) fn of(meta: Option<pb::Meta>) -> Result<Self, Refusal> {
        let meta = meta.ok_or(Refusal::Contract("trigger-registry"))?;
        Ok(Self {
            name: meta.name,
            uid: meta.uid,
            revision: meta.revision,
            created_at: Timestamp::from_micros(meta.created_at),
            updated_at: Timestamp::from_micros(meta.updated_at),
        })
    }
}

/// One page of a list.
#[derive(Debug, Serialize)]
pub(crate) struct Page<T> {
    items: Vec<T>,
    next_cursor: Option<String>,
}

/// A page of what the messages hold. An empty cursor says that this is the last one.
pub(crate) fn page<M, T>(
    messages: Vec<M>,
    cursor: String,
    convert: impl Fn(M) -> Result<T, Refusal>,
) -> Result<Page<T>, Refusal> {
    let items = messages.into_iter().map(convert).collect::<Result<_, _>>()?;
    Ok(Page { items, next_cursor: Some(cursor).filter(|cursor| !cursor.is_empty()) })
}

/// The answer that holds a stored resource.
pub(crate) fn stored(status: StatusCode, revision: u64, document: &impl Serialize) -> HttpResponse {
    HttpResponse::build(status).insert_header((ETAG, etag(revision))).json(document)
}

/// The answer to a PUT.
pub(crate) fn put(created: bool, revision: u64, document: &impl Serialize) -> HttpResponse {
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    stored(status, revision, document)
}

/// The entity tag of a revision.
pub(crate) fn etag(revision: u64) -> String {
    format!("\"{revision}\"")
}

/// A text, or nothing where a message has it empty.
pub(crate) fn filled(text: String) -> Option<String> {
    if text.is_empty() { None } else { Some(text) }
}
