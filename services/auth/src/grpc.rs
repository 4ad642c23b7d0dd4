//! The service as the others call it. Messages are converted here and go no further.

use futures_util::stream::{BoxStream, StreamExt as _};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::{Request, Response, Status};
use tripline_contracts::{convert, pb, to_status};
use tripline_kernel::Classify as _;
use tripline_runtime::problem::Chain;
use tripline_runtime::{Abort, Context, Step};
use tripline_signing::ApiKey;

use crate::Error;
use crate::rule::{Binding, Rule};
use crate::store::Store;
use crate::watch::{self, CHANGES_WAITING_MAX, Told};

pub(crate) struct Service {
    store: Store,
    tasks: TaskTracker,
    stop: CancellationToken,
    abort: Abort,
}

impl Service {
    pub(crate) fn new(store: Store, context: &Context) -> Self {
        let Context { tasks, stop, abort, .. } = context.clone();
        Self { store, tasks, stop, abort }
    }
}

#[tonic::async_trait]
impl pb::auth_server::Auth for Service {
    type WatchRulesStream = BoxStream<'static, Result<pb::RuleChange, Status>>;

    async fn authenticate(
        &self,
        request: Request<pb::AuthenticateRequest>,
    ) -> Result<Response<pb::AuthenticateResponse>, Status> {
        let key: Result<ApiKey, _> = request.get_ref().api_key.parse();
        let key = key.map_err(|_| refuse(&Error::UnknownApiKey))?;
        let holder = self.store.holder(&key.hash()).await.map_err(|error| refuse(&error))?;
        Ok(Response::new(pb::AuthenticateResponse {
            tenant: holder.tenant.to_string(),
            api_key_uid: holder.uid.to_string(),
            api_key_name: holder.name,
        }))
    }

    async fn grant(
        &self,
        request: Request<pb::GrantRequest>,
    ) -> Result<Response<pb::Rule>, Status> {
        let request = request.get_ref();
        let relation = convert::uid("relation_uid", &request.relation_uid)?;
        let binding = binding(&request.tenant, request.subject.as_ref(), &request.function_uid)?;
        let rule = self.store.grant(relation, binding).await.map_err(|error| refuse(&error))?;
        self.abort.reached(Step::RuleGranted);
        Ok(Response::new(rule.into()))
    }

    async fn revoke(
        &self,
        request: Request<pb::RevokeRequest>,
    ) -> Result<Response<pb::RevokeResponse>, Status> {
        let request = request.get_ref();
        let tenant = convert::uid("tenant", &request.tenant)?;
        let relation = convert::uid("relation_uid", &request.relation_uid)?;
        let ended = self.store.revoke(tenant, relation).await.map_err(|error| refuse(&error))?;
        self.abort.reached(Step::RuleRevoked);
        let ended_rule_uid = ended.map(|uid| uid.to_string());
        Ok(Response::new(pb::RevokeResponse { ended_rule_uid }))
    }

    async fn get_rule(
        &self,
        request: Request<pb::GetRuleRequest>,
    ) -> Result<Response<pb::Rule>, Status> {
        let request = request.get_ref();
        let binding = binding(&request.tenant, request.subject.as_ref(), &request.function_uid)?;
        let rule = self.store.rule(&binding).await.map_err(|error| refuse(&error))?;
        Ok(Response::new(rule.into()))
    }

    async fn watch_rules(
        &self,
        request: Request<pb::WatchRulesRequest>,
    ) -> Result<Response<Self::WatchRulesStream>, Status> {
        let after = request.get_ref().after_revision;
        let (told, changes) = mpsc::channel(CHANGES_WAITING_MAX);
        self.tasks.spawn(watch::tell(self.store.clone(), after, told, self.stop.clone()));
        let message = |told: Result<Told, Error>| match told {
            Ok(told) => Ok(pb::RuleChange::from(told)),
            Err(error) => Err(refuse(&error)),
        };
        Ok(Response::new(ReceiverStream::new(changes).map(message).boxed()))
    }
}

fn binding(
    tenant: &str,
    subject: Option<&pb::Subject>,
    function: &str,
) -> Result<Binding, convert::BadField> {
    Ok(Binding {
        tenant: convert::uid("tenant", tenant)?,
        subject: convert::subject(subject)?,
        function: convert::uid("function_uid", function)?,
    })
}

impl From<Rule> for pb::Rule {
    fn from(rule: Rule) -> Self {
        let Binding { tenant, subject, function } = rule.binding;
        Self {
            uid: rule.uid.to_string(),
            tenant: tenant.to_string(),
            subject: Some(subject.into()),
            function_uid: function.to_string(),
            revision: rule.revision,
        }
    }
}

impl From<Told> for pb::RuleChange {
    fn from(told: Told) -> Self {
        match told {
            Told::Change(change) => Self {
                revision: change.rule.revision,
                ended: change.ended,
                rule: Some(change.rule.into()),
            },
            Told::CaughtUp(revision) => Self { revision, ended: false, rule: None },
        }
    }
}

/// The status of an error. What is our own fault is logged here, once.
fn refuse(error: &Error) -> Status {
    if error.kind().is_fault() {
        tracing::error!(error = %Chain(error), code = %error.code(), "request failed: {error}");
    }
    to_status(error)
}
