//! auth, invoker and event-monitor, as far as the gateway asks them.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio_stream::Empty;
use tonic::{Request, Response, Status};
use tripline_contracts::{pb, to_status};
use tripline_kernel::{Classify, ErrorKind, Fault};

use super::{API_KEY, KEY, OTHER_KEY, OTHER_TENANT, TENANT};

/// An error as a service would report it.
#[derive(Debug, thiserror::Error)]
#[error("told by the test")]
pub(crate) struct Told {
    pub(crate) kind: ErrorKind,
    pub(crate) code: &'static str,
    pub(crate) faults: Vec<Fault>,
}

impl Told {
    pub(crate) fn status(kind: ErrorKind, code: &'static str) -> Status {
        to_status(&Self { kind, code, faults: Vec::new() })
    }
}

impl Classify for Told {
    fn kind(&self) -> ErrorKind {
        self.kind
    }

    fn code(&self) -> std::borrow::Cow<'static, str> {
        self.code.into()
    }

    fn faults(&self) -> &[Fault] {
        &self.faults
    }
}

fn not_here<T>() -> Result<Response<T>, Status> {
    Err(Status::unimplemented("the gateway does not ask this"))
}

#[derive(Default)]
pub(crate) struct FakeAuth {
    pub(crate) down: AtomicBool,
    pub(crate) hanging: AtomicBool,
    pub(crate) revoked: AtomicBool,
    /// How often it was asked.
    pub(crate) asked: AtomicUsize,
    /// Whether there is no rule.
    pub(crate) no_rule: AtomicBool,
    /// Who it was asked for rules of, and for which function.
    pub(crate) rules: Mutex<Vec<pb::GetRuleRequest>>,
}

#[tonic::async_trait]
impl pb::auth_server::Auth for FakeAuth {
    async fn authenticate(
        &self,
        request: Request<pb::AuthenticateRequest>,
    ) -> Result<Response<pb::AuthenticateResponse>, Status> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if self.hanging.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        if self.down.load(Ordering::SeqCst) {
            return Err(Status::unavailable("down"));
        }
        let (tenant, api_key) = match request.into_inner().api_key.as_str() {
            KEY if !self.revoked.load(Ordering::SeqCst) => (TENANT, API_KEY),
            OTHER_KEY => (OTHER_TENANT, OTHER_TENANT),
            _ => return Err(Told::status(ErrorKind::Unauthenticated, "api-key-unknown")),
        };
        Ok(Response::new(pb::AuthenticateResponse {
            tenant: tenant.to_string(),
            api_key_uid: api_key.to_string(),
            api_key_name: "test".to_owned(),
        }))
    }

    async fn grant(&self, _: Request<pb::GrantRequest>) -> Result<Response<pb::Rule>, Status> {
        not_here()
    }

    async fn revoke(
        &self,
        _: Request<pb::RevokeRequest>,
    ) -> Result<Response<pb::RevokeResponse>, Status> {
        not_here()
    }

    async fn get_rule(
        &self,
        request: Request<pb::GetRuleRequest>,
    ) -> Result<Response<pb::Rule>, Status> {
        self.rules.lock().unwrap().push(request.into_inner());
        if self.down.load(Ordering::SeqCst) {
            return Err(Status::unavailable("down"));
        }
        if self.no_rule.load(Ordering::SeqCst) {
            return Err(Told::status(ErrorKind::NotFound, "rule-not-found"));
        }
        Ok(Response::new(pb::Rule::default()))
    }

    type WatchRulesStream = Empty<Result<pb::RuleChange, Status>>;

    async fn watch_rules(
        &self,
        _: Request<pb::WatchRulesRequest>,
    ) -> Result<Response<Self::WatchRulesStream>, Status> {
        not_here()
    }
}

/// Everything belongs to one tenant.
pub(super) fn is_ours(tenant: &str) -> bool {
    tenant == TENANT.to_string()
}

/// Answers lists page by page; a cursor is the index of the next item.
#[derive(Default)]
pub(crate) struct FakeInvoker {
    pub(crate) invocations: Mutex<Vec<pb::Invocation>>,
    pub(crate) dead_letters: Mutex<Vec<pb::DeadLetter>>,
    /// What functions answer, by uid.
    pub(crate) answers: Mutex<HashMap<String, pb::FunctionAnswer>>,
    pub(crate) calls: Mutex<Vec<pb::InvokeRequest>>,
    pub(crate) lists: Mutex<Vec<pb::ListInvocationsRequest>>,
    /// Fails lists that do not start at the start.
    pub(crate) breaks_off: AtomicBool,
    /// Does not answer lists.
    pub(crate) hanging: AtomicBool,
    /// How many lists it has not answered.
    pub(crate) hung: AtomicUsize,
    pub(crate) health: Mutex<pb::FunctionHealth>,
}

impl FakeInvoker {
    pub(crate) const ID: &str = "0123456789abcdef0123456789abcdef01234567";

    fn page<T: Clone>(
        &self,
        items: &Mutex<Vec<T>>,
        request: pb::ListInvocationsRequest,
    ) -> Result<(Vec<T>, String), Status> {
        let start: usize = request.cursor.parse().unwrap_or(0);
        if start > 0 && self.breaks_off.load(Ordering::SeqCst) {
            return Err(Status::unavailable("down"));
        }
        let mut items = items.lock().unwrap().clone();
        items.truncate(if is_ours(&request.tenant) { items.len() } else { 0 });
        let end = items.len().min(start + request.limit as usize);
        self.lists.lock().unwrap().push(request);
        let cursor = if end < items.len() { end.to_string() } else { String::new() };
        Ok((items[start..end].to_vec(), cursor))
    }
}

#[tonic::async_trait]
impl pb::invoker_server::Invoker for FakeInvoker {
    async fn invoke(
        &self,
        request: Request<pb::InvokeRequest>,
    ) -> Result<Response<pb::InvokeResponse>, Status> {
        let call = request.into_inner();
        self.calls.lock().unwrap().push(call.clone());
        let answer = self.answers.lock().unwrap().get(&call.function_uid).cloned();
        let Some(answer) = answer else {
            return Err(Told::status(ErrorKind::NotFound, "function-not-found"));
        };
        Ok(Response::new(pb::InvokeResponse {
            invocation_id: Self::ID.to_owned(),
            answer: (!call.asynchronous).then_some(answer),
        }))
    }

    async fn get_invocation(
        &self,
        request: Request<pb::GetInvocationRequest>,
    ) -> Result<Response<pb::Invocation>, Status> {
        let read = request.into_inner();
        let invocations = self.invocations.lock().unwrap();
        let ours = |invocation: &&pb::Invocation| is_ours(&read.tenant) && invocation.id == read.id;
        let found = invocations.iter().find(ours).cloned();
        let missing = || Told::status(ErrorKind::NotFound, "invocation-not-found");
        found.map(Response::new).ok_or_else(missing)
    }

    async fn list_invocations(
        &self,
        request: Request<pb::ListInvocationsRequest>,
    ) -> Result<Response<pb::ListInvocationsResponse>, Status> {
        if self.hanging.load(Ordering::SeqCst) {
            self.hung.fetch_add(1, Ordering::SeqCst);
            std::future::pending::<()>().await;
        }
        let (items, next_cursor) = self.page(&self.invocations, request.into_inner())?;
        Ok(Response::new(pb::ListInvocationsResponse { items, next_cursor }))
    }

    async fn get_dead_letter(
        &self,
        request: Request<pb::GetInvocationRequest>,
    ) -> Result<Response<pb::DeadLetter>, Status> {
        let first = self.dead_letters.lock().unwrap().first().cloned();
        let first = first.filter(|_| is_ours(&request.get_ref().tenant));
        let missing = || Told::status(ErrorKind::NotFound, "dead-letter-not-found");
        first.map(Response::new).ok_or_else(missing)
    }

    async fn list_dead_letters(
        &self,
        request: Request<pb::ListInvocationsRequest>,
    ) -> Result<Response<pb::ListDeadLettersResponse>, Status> {
        let (items, next_cursor) = self.page(&self.dead_letters, request.into_inner())?;
        Ok(Response::new(pb::ListDeadLettersResponse { items, next_cursor }))
    }

    async fn get_function_health(
        &self,
        request: Request<pb::GetFunctionHealthRequest>,
    ) -> Result<Response<pb::FunctionHealth>, Status> {
        assert!(is_ours(&request.get_ref().tenant), "nobody else has a trigger here");
        Ok(Response::new(self.health.lock().unwrap().clone()))
    }

    async fn get_stats(
        &self,
        request: Request<pb::GetStatsRequest>,
    ) -> Result<Response<pb::InvocationStats>, Status> {
        let mut stats = pb::InvocationStats::default();
        if is_ours(&request.get_ref().tenant) {
            stats = pb::InvocationStats {
                matched: 10,
                delivered: 4,
                dead: 3,
                cancelled: 2,
                pending: 1,
            };
        }
        Ok(Response::new(stats))
    }
}

#[derive(Default)]
pub(crate) struct FakeMonitor {
    pub(crate) down: AtomicBool,
    /// Why its sources do not run, when they do not.
    pub(crate) failing: Mutex<Option<String>>,
}

#[tonic::async_trait]
impl pb::monitor_server::Monitor for FakeMonitor {
    async fn get_source_status(
        &self,
        _: Request<pb::GetSourceStatusRequest>,
    ) -> Result<Response<pb::SourceStatus>, Status> {
        if self.down.load(Ordering::SeqCst) {
            return Err(Status::unavailable("down"));
        }
        let failing = self.failing.lock().unwrap().clone();
        Ok(Response::new(pb::SourceStatus {
            state: if failing.is_some() { "failing" } else { "running" }.to_owned(),
            reason: failing.unwrap_or_default(),
            since: 1_750_000_000_000_000,
            events: 3,
            last_event_at: None,
        }))
    }

    async fn test_source(
        &self,
        _: Request<pb::TestSourceRequest>,
    ) -> Result<Response<pb::TestSourceResponse>, Status> {
        let down = self.down.load(Ordering::SeqCst);
        let reason = down.then(|| "the server is away".to_owned());
        Ok(Response::new(pb::TestSourceResponse { reason }))
    }

    async fn get_stats(
        &self,
        request: Request<pb::GetStatsRequest>,
    ) -> Result<Response<pb::EventStats>, Status> {
        if self.down.load(Ordering::SeqCst) {
            return Err(Status::unavailable("down"));
        }
        let ours = is_ours(&request.get_ref().tenant);
        let (accepted, deduplicated) = if ours { (8, 5) } else { (0, 0) };
        Ok(Response::new(pb::EventStats { accepted, deduplicated }))
    }

    async fn get_routing(
        &self,
        request: Request<pb::GetRoutingRequest>,
    ) -> Result<Response<pb::Routing>, Status> {
        if self.down.load(Ordering::SeqCst) {
            return Err(Status::unavailable("down"));
        }
        let partition = |partition, definition_revision| pb::PartitionRouting {
            partition,
            next_offset: 7,
            accepted: 6,
            deduplicated: 1,
            definition_revision,
        };
        let ours = is_ours(&request.get_ref().tenant);
        let partitions =
            if ours { vec![partition(0, None), partition(1, Some(1))] } else { vec![] };
        Ok(Response::new(pb::Routing { partitions }))
    }
}
