//! A registry and an auth that say what a test tells them to.

use std::pin::Pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use futures_util::Stream;
use tokio::sync::watch;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::WatchStream;
use tonic::{Request, Response, Status};
use tripline_contracts::pb::auth_server::Auth;
use tripline_contracts::pb::change::Resource;
use tripline_contracts::pb::pause_trigger_request::Which;
use tripline_contracts::pb::registry_server::Registry;
use tripline_contracts::pb::{self, CaughtUp, Change, Rule, RuleChange, Trigger, TriggerState};

type Answer<T> = Result<Response<T>, Status>;
type Changes<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// A list of changes that can be followed.
struct Feed<T> {
    changes: Mutex<Vec<T>>,
    len: watch::Sender<usize>,
}

impl<T> Default for Feed<T> {
    fn default() -> Self {
        Self { changes: Mutex::default(), len: watch::Sender::new(0) }
    }
}

impl<T: Clone> Feed<T> {
    fn push(&self, make: impl FnOnce(u64) -> T) {
        let mut changes = self.changes.lock().unwrap();
        let change = make(changes.len() as u64 + 1);
        changes.push(change);
        let len = changes.len();
        self.len.send_replace(len);
    }

    fn all(&self) -> Vec<T> {
        self.changes.lock().unwrap().clone()
    }
}

/// What is there above `after`, then `caught_up`, then what comes.
fn follow<F: Send + Sync + 'static, T: Clone + Send + 'static>(
    fake: std::sync::Arc<F>,
    feed: impl Fn(&F) -> &Feed<T> + Send + 'static,
    (after, caught_up): (u64, impl Fn(u64) -> T + Send + 'static),
) -> Changes<T> {
    let lens = WatchStream::new(feed(&fake).len.subscribe());
    let (mut seen, mut complete) = (usize::try_from(after).unwrap(), false);
    let batches = lens.map(move |_| {
        let all = feed(&fake).all();
        let mut batch: Vec<_> = all[seen.min(all.len())..].to_vec();
        seen = all.len();
        if !complete {
            complete = true;
            batch.push(caught_up(seen as u64));
        }
        tokio_stream::iter(batch.into_iter().map(Ok))
    });
    Box::pin(futures_util::StreamExt::flatten(batches))
}

#[derive(Default)]
pub(crate) struct FakeRegistry {
    feed: Feed<Change>,
    /// Hides a trigger's first appearance from the stream, but not from questions.
    hidden: Mutex<Vec<Trigger>>,
    pub(crate) pauses: AtomicU64,
    pub(crate) away: AtomicBool,
}

impl FakeRegistry {
    pub(crate) fn put(&self, resource: Resource) {
        self.feed.push(|revision| Change { revision, deleted: false, resource: Some(resource) });
    }

    pub(crate) fn delete(&self, resource: Resource) {
        self.feed.push(|revision| Change { revision, deleted: true, resource: Some(resource) });
    }

    pub(crate) fn hide(&self, trigger: Trigger) {
        self.hidden.lock().unwrap().push(trigger);
    }

    /// The trigger as it is now.
    pub(crate) fn trigger(&self, uid: &str) -> Option<Trigger> {
        self.feed.all().into_iter().rev().find_map(|change| match change.resource {
            Some(Resource::Trigger(trigger)) if trigger.meta.as_ref()?.uid == uid => {
                (!change.deleted).then_some(trigger)
            }
            _ => None,
        })
    }

    /// Puts the trigger into a state.
    pub(crate) fn set_state(&self, uid: &str, state: TriggerState) {
        let mut trigger = self.trigger(uid).expect("the trigger was put before");
        trigger.set_state(state);
        self.put(Resource::Trigger(trigger));
    }
}

/// Serves a fake that a test keeps.
pub(crate) struct Shared<T>(pub(crate) std::sync::Arc<T>);

fn refuse<T>() -> Answer<T> {
    Err(Status::unimplemented("the invoker does not call this"))
}

#[tonic::async_trait]
impl Registry for Shared<FakeRegistry> {
    type WatchStream = Changes<Change>;

    async fn watch(&self, request: Request<pb::WatchRequest>) -> Answer<Self::WatchStream> {
        if self.0.away.load(Ordering::SeqCst) {
            return Err(Status::unavailable("away"));
        }
        let caught_up = |revision| Change {
            revision,
            deleted: false,
            resource: Some(Resource::CaughtUp(CaughtUp {})),
        };
        let after = request.into_inner().after_revision;
        let fake = std::sync::Arc::clone(&self.0);
        Ok(Response::new(follow(fake, |fake| &fake.feed, (after, caught_up))))
    }

    async fn get_trigger_revision(
        &self,
        request: Request<pb::GetTriggerRevisionRequest>,
    ) -> Answer<Trigger> {
        if self.0.away.load(Ordering::SeqCst) {
            return Err(Status::unavailable("away"));
        }
        let request = request.into_inner();
        let of_revision = |trigger: &Trigger| {
            trigger.meta.as_ref().is_some_and(|meta| meta.uid == request.trigger_uid)
                && trigger.definition_revision == request.revision
        };
        let shown = self.0.feed.all().into_iter().filter_map(|change| match change.resource {
            Some(Resource::Trigger(trigger)) => Some(trigger),
            _ => None,
        });
        let hidden = self.0.hidden.lock().unwrap().clone();
        let found = shown.chain(hidden).find(of_revision);
        found.map(Response::new).ok_or_else(|| Status::not_found("no such revision"))
    }

    async fn pause_trigger(&self, request: Request<pb::PauseTriggerRequest>) -> Answer<Trigger> {
        if self.0.away.load(Ordering::SeqCst) {
            return Err(Status::unavailable("away"));
        }
        let Some(Which::Uid(uid)) = request.into_inner().which else {
            return Err(Status::invalid_argument("by uid"));
        };
        self.0.set_state(&uid, TriggerState::Paused);
        self.0.pauses.fetch_add(1, Ordering::SeqCst);
        Ok(Response::new(self.0.trigger(&uid).unwrap()))
    }

    async fn get_bus(&self, _: Request<pb::GetRequest>) -> Answer<pb::Bus> {
        refuse()
    }
    async fn list_buses(&self, _: Request<pb::ListRequest>) -> Answer<pb::ListBusesResponse> {
        refuse()
    }
    async fn put_function(
        &self,
        _: Request<pb::PutFunctionRequest>,
    ) -> Answer<pb::PutFunctionResponse> {
        refuse()
    }
    async fn get_function(&self, _: Request<pb::GetRequest>) -> Answer<pb::Function> {
        refuse()
    }
    async fn list_functions(
        &self,
        _: Request<pb::ListRequest>,
    ) -> Answer<pb::ListFunctionsResponse> {
        refuse()
    }
    async fn delete_function(
        &self,
        _: Request<pb::DeleteRequest>,
    ) -> Answer<pb::DeleteFunctionResponse> {
        refuse()
    }
    async fn rotate_secret(&self, _: Request<pb::RotateSecretRequest>) -> Answer<pb::Function> {
        refuse()
    }
    async fn pause_source(&self, _: Request<pb::NamedRequest>) -> Answer<pb::Source> {
        refuse()
    }
    async fn resume_source(&self, _: Request<pb::NamedRequest>) -> Answer<pb::Source> {
        refuse()
    }
    async fn put_source(&self, _: Request<pb::PutSourceRequest>) -> Answer<pb::PutSourceResponse> {
        refuse()
    }
    async fn get_source(&self, _: Request<pb::GetRequest>) -> Answer<pb::Source> {
        refuse()
    }
    async fn list_sources(&self, _: Request<pb::ListRequest>) -> Answer<pb::ListSourcesResponse> {
        refuse()
    }
    async fn delete_source(&self, _: Request<pb::DeleteRequest>) -> Answer<pb::DeleteResponse> {
        refuse()
    }
    async fn put_trigger(
        &self,
        _: Request<pb::PutTriggerRequest>,
    ) -> Answer<pb::PutTriggerResponse> {
        refuse()
    }
    async fn get_trigger(&self, _: Request<pb::GetRequest>) -> Answer<Trigger> {
        refuse()
    }
    async fn list_triggers(&self, _: Request<pb::ListRequest>) -> Answer<pb::ListTriggersResponse> {
        refuse()
    }
    async fn delete_trigger(&self, _: Request<pb::DeleteRequest>) -> Answer<pb::DeleteResponse> {
        refuse()
    }
    async fn resume_trigger(&self, _: Request<pb::ResumeTriggerRequest>) -> Answer<Trigger> {
        refuse()
    }
    async fn put_bus(&self, _: Request<pb::PutBusRequest>) -> Answer<pb::PutBusResponse> {
        refuse()
    }
    async fn delete_bus(&self, _: Request<pb::DeleteRequest>) -> Answer<pb::DeleteResponse> {
        refuse()
    }
    async fn put_source_trigger(
        &self,
        _: Request<pb::PutSourceTriggerRequest>,
    ) -> Answer<pb::PutSourceTriggerResponse> {
        refuse()
    }
    async fn get_source_trigger(&self, _: Request<pb::GetRequest>) -> Answer<pb::SourceTrigger> {
        refuse()
    }
    async fn list_source_triggers(
        &self,
        _: Request<pb::ListRequest>,
    ) -> Answer<pb::ListSourceTriggersResponse> {
        refuse()
    }
    async fn delete_source_trigger(
        &self,
        _: Request<pb::DeleteRequest>,
    ) -> Answer<pb::DeleteResponse> {
        refuse()
    }
}

#[derive(Default)]
pub(crate) struct FakeAuth {
    feed: Feed<RuleChange>,
    /// Rules that are answered when asked for, and not in the stream.
    pub(crate) hidden: Mutex<Vec<Rule>>,
    pub(crate) asked: AtomicU64,
    pub(crate) away: AtomicBool,
}

impl FakeAuth {
    pub(crate) fn put(&self, rule: Rule) {
        self.feed.push(|revision| RuleChange { revision, ended: false, rule: Some(rule) });
    }
}

#[tonic::async_trait]
impl Auth for Shared<FakeAuth> {
    type WatchRulesStream = Changes<RuleChange>;

    async fn watch_rules(
        &self,
        request: Request<pb::WatchRulesRequest>,
    ) -> Answer<Self::WatchRulesStream> {
        if self.0.away.load(Ordering::SeqCst) {
            return Err(Status::unavailable("away"));
        }
        let caught_up = |revision| RuleChange { revision, ended: false, rule: None };
        let after = request.into_inner().after_revision;
        let fake = std::sync::Arc::clone(&self.0);
        Ok(Response::new(follow(fake, |fake| &fake.feed, (after, caught_up))))
    }

    async fn get_rule(&self, request: Request<pb::GetRuleRequest>) -> Answer<Rule> {
        self.0.asked.fetch_add(1, Ordering::SeqCst);
        if self.0.away.load(Ordering::SeqCst) {
            return Err(Status::unavailable("away"));
        }
        let wanted = request.into_inner();
        let matches = |rule: &&Rule| {
            rule.subject == wanted.subject && rule.function_uid == wanted.function_uid
        };
        // Those of the stream may not have arrived there yet.
        let mut known = self.0.hidden.lock().unwrap().clone();
        known.extend(self.0.feed.all().into_iter().filter_map(|change| change.rule));
        let found = known.iter().find(matches).cloned();
        found.map(Response::new).ok_or_else(|| Status::not_found("no such rule"))
    }

    async fn authenticate(
        &self,
        _: Request<pb::AuthenticateRequest>,
    ) -> Answer<pb::AuthenticateResponse> {
        refuse()
    }
    async fn grant(&self, _: Request<pb::GrantRequest>) -> Answer<Rule> {
        refuse()
    }
    async fn revoke(&self, _: Request<pb::RevokeRequest>) -> Answer<pb::RevokeResponse> {
        refuse()
    }
}
