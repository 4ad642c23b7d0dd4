//! Invocations: what ran, runs and will run.

mod tail;
pub(super) mod view;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use tripline_contracts::{Error, pb};
use tripline_event::InvocationId;
use tripline_kernel::{Classify as _, ErrorKind, Name, Uid};
use tripline_runtime::Problem;

use super::{part, shown};
use crate::answer::page;
use crate::authn::Caller;
use crate::gateway::Gateway;
use crate::peers::{READ_WAIT, answer};
use crate::query::Query;
use crate::refusal::{Kind, Refusal};
pub(crate) use tail::Tails;
pub(super) use tail::tail;
use view::Invocation;

const STATES: [&str; 5] = ["pending", "running", "succeeded", "dead", "cancelled"];

/// `GET /v1/invocations/{id}`.
pub(super) async fn get(
    request: HttpRequest,
    caller: Caller,
    gateway: Data<Gateway>,
) -> Result<HttpResponse, Problem> {
    let read = get_request(&request, caller, Kind::Invocation)?;
    let message = answer(READ_WAIT, gateway.peers.invoker.clone().get_invocation(read)).await?;
    Ok(HttpResponse::Ok().json(Invocation::of(message, &gateway.snapshot)))
}

/// Asks for one invocation by the id in the path.
pub(super) fn get_request(
    request: &HttpRequest,
    caller: Caller,
    kind: Kind,
) -> Result<pb::GetInvocationRequest, Refusal> {
    let id = part(request, "id");
    match id.parse::<InvocationId>() {
        Ok(id) => {
            Ok(pb::GetInvocationRequest { tenant: caller.tenant.to_string(), id: id.to_string() })
        }
        Err(_) => Err(Refusal::NotFound { kind, name: shown(id) }),
    }
}

/// `GET /v1/invocations`.
pub(super) async fn list(
    request: HttpRequest,
    caller: Caller,
    gateway: Data<Gateway>,
) -> Result<HttpResponse, Problem> {
    let mut query = Query::new(request.query_string());
    let filters = Filters { state: query.one_of("state", &STATES), ..Filters::of(&mut query) };
    query.finish()?;
    let Some(read) = filters.resolve(caller, &gateway).await? else {
        return Ok(HttpResponse::Ok().json(nothing()?));
    };
    let list = in_portions(read, |read| async {
        answer(READ_WAIT, gateway.peers.invoker.clone().list_invocations(read)).await
    });
    let list = list.await?;
    let item = |message| Ok(Invocation::of(message, &gateway.snapshot));
    Ok(HttpResponse::Ok().json(page(list.items, list.next_cursor, item)?))
}

/// The page of what nothing fits.
pub(super) fn nothing() -> Result<crate::answer::Page<()>, Refusal> {
    page(Vec::<()>::new(), String::new(), Ok)
}

/// Which invocations are asked for.
#[derive(Debug, Default)]
pub(super) struct Filters {
    trigger: Option<String>,
    function: Option<String>,
    event_id: Option<String>,
    event_source: Option<String>,
    state: Option<String>,
    created_after: Option<i64>,
    created_before: Option<i64>,
    limit: u32,
    cursor: String,
}

impl Filters {
    /// The filters that every list of invocations has.
    pub(super) fn of(query: &mut Query<'_>) -> Self {
        Self {
            trigger: query.text("trigger"),
            function: query.text("function"),
            event_id: query.text("event_id"),
            event_source: query.text("event_source"),
            created_after: query.time("created_after"),
            created_before: query.time("created_before"),
            limit: query.limit(),
            cursor: query.cursor(),
            ..Self::default()
        }
    }

    /// The request for them, uids in the place of names. Nothing when a name is nobody's, so that nothing can fit.
    ///
    /// A trigger or function that is gone can still be asked for by its uid.
    pub(super) async fn resolve(
        self,
        caller: Caller,
        gateway: &Gateway,
    ) -> Result<Option<pb::ListInvocationsRequest>, Error> {
        let (mut trigger_uid, mut function_uid) = (None, None);
        if let Some(text) = self.trigger {
            trigger_uid = match Named::of(text) {
                Named::Uid(uid) => Some(uid),
                Named::Name(name) => gateway.trigger(caller.tenant, &name).await?,
                Named::Neither => None,
            };
            if trigger_uid.is_none() {
                return Ok(None);
            }
        }
        if let Some(text) = self.function {
            function_uid = match Named::of(text) {
                Named::Uid(uid) => Some(uid),
                Named::Name(name) => match gateway.function(caller.tenant, &name).await {
                    Ok(uid) => Some(uid),
                    Err(error) if error.kind() == ErrorKind::NotFound => None,
                    Err(error) => return Err(error),
                },
                Named::Neither => None,
            };
            if function_uid.is_none() {
                return Ok(None);
            }
        }
        Ok(Some(pb::ListInvocationsRequest {
            tenant: caller.tenant.to_string(),
            limit: self.limit,
            cursor: self.cursor,
            event_id: self.event_id,
            event_source: self.event_source,
            trigger_uid,
            function_uid,
            state: self.state,
            created_after: self.created_after,
            created_before: self.created_before,
            attempts: pb::AttemptDetail::Unspecified.into(),
        }))
    }
}

enum Named {
    Uid(String),
    Name(String),
    Neither,
}

impl Named {
    fn of(text: String) -> Self {
        // A uid is also a name by its form; nobody names a resource like one.
        match (text.parse::<Uid>(), text.parse::<Name>()) {
            (Ok(_), _) => Self::Uid(text),
            (Err(_), Ok(_)) => Self::Name(text),
            (Err(_), Err(_)) => Self::Neither,
        }
    }
}

/// Asks for a page, and for a smaller one while the answer is too large for one message.
pub(super) async fn in_portions<T, F>(
    mut read: pb::ListInvocationsRequest,
    ask: impl Fn(pb::ListInvocationsRequest) -> F,
) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    loop {
        match ask(read.clone()).await {
            Err(error) if error.kind() == ErrorKind::TooLarge && read.limit > 1 => read.limit /= 2,
            other => return other,
        }
    }
}
