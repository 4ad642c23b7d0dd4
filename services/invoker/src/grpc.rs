//! The gRPC service: direct calls, and what became of invocations.

mod messages;

use std::sync::Arc;

use tokio::sync::oneshot;
use tonic::{Request, Response, Status};
use tripline_contracts::convert::{invocation_id, optional_uid, uid};
use tripline_contracts::pb::invoker_server::Invoker;
use tripline_contracts::pb::{
    DeadLetter, GetInvocationRequest, InvokeRequest, InvokeResponse, ListDeadLettersResponse,
    ListInvocationsRequest, ListInvocationsResponse,
};
use tripline_contracts::{pb, to_status};
use tripline_event::{Event, InvocationId, Subject};
use tripline_kernel::{Timestamp, Uid};

use crate::core::{Admitted, Core};
use crate::dispatcher::Reply;
use crate::error::RequestError;
use crate::health::Health;
use crate::invocation::{CLOUDEVENT_JSON, Invocation, Mode, Payload, State};
use crate::key::{CallKey, KeptCall, KeptReply};
use crate::snapshot::{Callable, Function, Known};
use crate::store::{Detail, Filter, Found, Page};
use crate::writer::AdmitError;

/// Items of a page where nothing is said.
const PAGE_DEFAULT: usize = 50;
/// Most items of a page.
const PAGE_MAX: usize = 500;
/// The media type of a direct call's body where nothing is said.
const BYTES: &str = "application/octet-stream";

/// Serves the contract.
pub(crate) struct Service(pub(crate) Arc<Core>);

#[tonic::async_trait]
impl Invoker for Service {
    async fn invoke(
        &self,
        request: Request<InvokeRequest>,
    ) -> Result<Response<InvokeResponse>, Status> {
        let request = request.into_inner();
        let key = CallKey::of(uid("tenant", &request.tenant)?, &request)?;
        let asynchronous = request.asynchronous;
        if let Some(kept) = self.kept(key).await? {
            return again(kept, asynchronous);
        }
        let invocation = self.direct_call(request, key)?;
        let id = invocation.id;
        let answer = if asynchronous {
            self.admit(invocation).await?;
            None
        } else {
            self.call(invocation).await?
        };
        if answer.is_none() && key.is_some() {
            // Another call with the same key may have been faster.
            match self.kept(key).await? {
                Some(kept) if asynchronous && kept.invocation == id => {}
                Some(kept) => return again(kept, asynchronous),
                // It came with others that were refused, or has ended without having called the function.
                None => return Err(to_status(&RequestError::KeyInFlight)),
            }
        }
        Ok(Response::new(InvokeResponse { invocation_id: id.to_string(), answer }))
    }

    async fn get_invocation(
        &self,
        request: Request<GetInvocationRequest>,
    ) -> Result<Response<pb::Invocation>, Status> {
        let found = self.get(request.into_inner(), false).await?;
        let found = found.ok_or_else(|| to_status(&RequestError::NoInvocation))?;
        Ok(Response::new(messages::invocation(found)))
    }

    async fn list_invocations(
        &self,
        request: Request<ListInvocationsRequest>,
    ) -> Result<Response<ListInvocationsResponse>, Status> {
        let (found, next_cursor) = self.list(request.into_inner(), None).await?;
        let items = found.into_iter().map(messages::invocation).collect();
        Ok(Response::new(ListInvocationsResponse { items, next_cursor }))
    }

    async fn get_dead_letter(
        &self,
        request: Request<GetInvocationRequest>,
    ) -> Result<Response<DeadLetter>, Status> {
        let found = self.get(request.into_inner(), true).await?;
        let dead = found.filter(|found| found.state == State::Dead);
        let dead = dead.ok_or_else(|| to_status(&RequestError::NoDeadLetter))?;
        Ok(Response::new(messages::dead_letter(dead)))
    }

    async fn list_dead_letters(
        &self,
        request: Request<ListInvocationsRequest>,
    ) -> Result<Response<ListDeadLettersResponse>, Status> {
        let (found, next_cursor) = self.list(request.into_inner(), Some(State::Dead)).await?;
        let items = found.into_iter().map(messages::dead_letter).collect();
        Ok(Response::new(ListDeadLettersResponse { items, next_cursor }))
    }

    async fn get_stats(
        &self,
        request: Request<pb::GetStatsRequest>,
    ) -> Result<Response<pb::InvocationStats>, Status> {
        let tenant = uid("tenant", &request.get_ref().tenant)?;
        let stats = self.0.store.stats_of(tenant).await.map_err(|error| to_status(&error))?;
        Ok(Response::new(messages::stats(stats)))
    }

    async fn get_function_health(
        &self,
        request: Request<pb::GetFunctionHealthRequest>,
    ) -> Result<Response<pb::FunctionHealth>, Status> {
        let request = request.get_ref();
        let tenant = uid("tenant", &request.tenant)?;
        let function = uid("function_uid", &request.function_uid)?;
        let answered = self.0.store.answered(tenant, function).await;
        let answered = answered.map_err(|error| to_status(&error))?;
        Ok(Response::new(messages::health(Health::of(&answered))))
    }
}

impl Service {
    /// What is kept for a key, which must have come with the same request.
    async fn kept(&self, key: Option<CallKey>) -> Result<Option<KeptCall>, Status> {
        let Some(key) = key else { return Ok(None) };
        let kept = self.0.store.kept_call(&key.hash).await;
        let kept = kept.map_err(|error| to_status(&error))?;
        if kept.as_ref().is_some_and(|kept| kept.request != key.request) {
            return Err(to_status(&RequestError::KeyReused));
        }
        Ok(kept)
    }

    fn direct_call(
        &self,
        request: InvokeRequest,
        key: Option<CallKey>,
    ) -> Result<Invocation, Status> {
        let core = &self.0;
        let tenant = uid("tenant", &request.tenant)?;
        let function = uid("function_uid", &request.function_uid)?;
        let api_key = uid("api_key_uid", &request.api_key_uid)?;
        self.callable(tenant, function).map_err(|error| to_status(&error))?;
        let mode = if request.asynchronous { Mode::Asynchronous } else { Mode::Synchronous };
        let nonce = Uid::new(&*core.clock, &*core.entropy);
        let is_event = request.content_type == CLOUDEVENT_JSON;
        let event = is_event.then(|| Event::from_json(request.body.clone()).ok()).flatten();
        let content_type = match request.content_type {
            text if text.is_empty() => BYTES.to_owned(),
            text => text,
        };
        Ok(Invocation {
            seq: 0,
            epoch: 0,
            id: InvocationId::of_direct_call(tenant, function, nonce),
            tenant,
            mode,
            bus: None,
            trigger: None,
            revision: 0,
            function,
            subject: Subject::ApiKey(api_key),
            event_source: event.as_ref().map_or("", Event::source).into(),
            event_id: event.as_ref().map_or("", Event::id).into(),
            payload: Payload {
                body: bytes::Bytes::copy_from_slice(&request.body),
                content_type: (!is_event).then(|| content_type.into()),
                traceparent: traceparent(request.traceparent),
            },
            key,
            accepted_at: core.clock.now(),
            attempts: 0,
            generation: 1,
        })
    }

    fn callable(&self, tenant: Uid, function: Uid) -> Result<Arc<Function>, RequestError> {
        let function = match self.0.snapshot.function(function) {
            Known::Is(function) if function.tenant == tenant => function,
            Known::NotYet if self.0.snapshot.complete_for().is_none() => {
                return Err(RequestError::NotReady);
            }
            Known::Is(_) | Known::Gone | Known::NotYet => return Err(RequestError::NoFunction),
        };
        match &function.callable {
            Callable::Refused(why) => Err(RequestError::Forbidden(why.clone())),
            Callable::Target(..) | Callable::UnknownKind => Ok(function),
        }
    }

    /// Keeps the call. Goes on when the caller leaves: it may be stored already.
    async fn admit(&self, invocation: Invocation) -> Result<(), Status> {
        let core = Arc::clone(&self.0);
        let admitted = self.0.calls.spawn(async move { core.admit([invocation]).await });
        admitted.await.map_err(|_| AdmitError::Stopping).flatten().map_err(|error| refusal(&error))
    }

    /// Keeps the call and waits for the function's answer. Nothing when its key stands for another call.
    async fn call(&self, invocation: Invocation) -> Result<Option<pb::FunctionAnswer>, Status> {
        let core = Arc::clone(&self.0);
        let now = core.clock.now();
        if let Some(until) = core.dispatcher.held_until(invocation.function, now) {
            let seconds = u32::try_from(until.since(now).as_secs()).unwrap_or(u32::MAX).max(1);
            return Err(to_status(&RequestError::Held { seconds }));
        }
        let (reply, answered) = oneshot::channel();
        let admit = async move { core.admit_synchronous(invocation, reply).await };
        let admitted = self.0.calls.spawn(admit).await.map_err(|_| AdmitError::Stopping).flatten();
        match admitted.map_err(|error| refusal(&error))? {
            Admitted::Started => {}
            Admitted::NoRoom => return Err(to_status(&RequestError::Busy)),
            Admitted::KeyTaken => return Ok(None),
        }
        let reply = answered.await.map_err(|_| to_status(&RequestError::NotRun))?;
        told(reply).map(Some)
    }

    async fn get(
        &self,
        request: GetInvocationRequest,
        with_payload: bool,
    ) -> Result<Option<Found>, Status> {
        let tenant = uid("tenant", &request.tenant)?;
        let id = invocation_id("id", &request.id)?;
        self.0.store.get(tenant, id, with_payload).await.map_err(|error| to_status(&error))
    }

    async fn list(
        &self,
        request: ListInvocationsRequest,
        state: Option<State>,
    ) -> Result<(Vec<Found>, String), Status> {
        let (filter, page) = wanted(request, state)?;
        let (found, next) =
            self.0.store.list(&filter, page).await.map_err(|error| to_status(&error))?;
        Ok((found, next.map(|seq| seq.to_string()).unwrap_or_default()))
    }
}

/// What the caller of a synchronous call hears.
fn told(reply: Reply) -> Result<pb::FunctionAnswer, Status> {
    use tripline_target::Error;
    let error = match reply {
        Ok(answer) => return Ok(messages::answer(answer)),
        Err(Error::Timeout(_)) => RequestError::Timeout,
        Err(Error::Unreachable(why) | Error::BrokenOff(why)) => RequestError::Unreachable(why),
        Err(Error::Forbidden(why)) => RequestError::Forbidden(why),
    };
    Err(to_status(&error))
}

/// Answers a repeated call as the first one.
fn again(kept: KeptCall, asynchronous: bool) -> Result<Response<InvokeResponse>, Status> {
    let invocation_id = kept.invocation.to_string();
    if asynchronous {
        return Ok(Response::new(InvokeResponse { invocation_id, answer: None }));
    }
    let error = match (kept.told, kept.state) {
        (Some(KeptReply::Whole(reply)), _) => {
            let answer = Some(told(reply)?);
            return Ok(Response::new(InvokeResponse { invocation_id, answer }));
        }
        (Some(KeptReply::TooLong), _) => RequestError::AnswerNotKept,
        (None, Some(State::Pending | State::Running)) => RequestError::KeyInFlight,
        (None, _) => RequestError::OutcomeUnknown,
    };
    Err(to_status(&error))
}

fn refusal(error: &AdmitError) -> Status {
    match error {
        AdmitError::Store(error) => to_status(error),
        AdmitError::Stopping => to_status(&RequestError::NotRun),
    }
}

/// Of the call itself when it is traced here, else as the caller says.
fn traceparent(said: String) -> Option<Box<str>> {
    let said = || (!said.is_empty()).then(|| said.into());
    tripline_trace::current().map(|context| context.to_string().into()).or_else(said)
}

/// `only` overrides the state that is asked for, and asks for payloads and all attempts.
fn wanted(request: ListInvocationsRequest, only: Option<State>) -> Result<(Filter, Page), Status> {
    let state = match &request.state {
        _ if only.is_some() => only,
        None => None,
        Some(text) => {
            let named = State::ALL.into_iter().find(|state| state.name() == text);
            let unknown = || to_status(&RequestError::InvalidState(text.clone()));
            Some(named.ok_or_else(unknown)?)
        }
    };
    let attempts = match request.attempts() {
        _ if only.is_some() => Detail::All,
        pb::AttemptDetail::Unspecified => Detail::All,
        pb::AttemptDetail::Last => Detail::Last,
        pb::AttemptDetail::None => Detail::Nothing,
    };
    let before = match request.cursor.as_str() {
        "" => None,
        text => Some(text.parse().map_err(|_| to_status(&RequestError::InvalidCursor))?),
    };
    let filter = Filter {
        tenant: uid("tenant", &request.tenant)?,
        event_id: request.event_id,
        event_source: request.event_source,
        trigger: optional_uid("trigger_uid", request.trigger_uid.as_deref())?,
        function: optional_uid("function_uid", request.function_uid.as_deref())?,
        state,
        created_after: request.created_after.map(Timestamp::from_micros),
        created_before: request.created_before.map(Timestamp::from_micros),
    };
    let limit = match usize::try_from(request.limit).unwrap_or(PAGE_MAX) {
        0 => PAGE_DEFAULT,
        limit => limit.min(PAGE_MAX),
    };
    Ok((filter, Page { before, limit, attempts, with_payload: only.is_some() }))
}
