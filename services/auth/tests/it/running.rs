//! A running service, and what it keeps its data in.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tripline_auth::{Options, Ports};
use tripline_contracts::pb;
use tripline_contracts::pb::auth_client::AuthClient;
use tripline_contracts::transport::{Client, Listener, Prove, in_memory};
use tripline_kernel::{Clock, DEFAULT_TENANT, Uid};
use tripline_runtime::{Context, SystemClock, SystemEntropy};
use tripline_signing::ServiceKey;
use tripline_testkit::unique;

/// How long anything may take on a busy machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);
/// The administrator's key, unless a test says otherwise.
pub(crate) const ADMIN_KEY: &str = "admin-key-of-the-tests";

/// What the service keeps its data in.
pub(crate) enum Database {
    Sqlite(tempfile::TempDir),
    MariaDb,
    Postgres,
}

impl Database {
    /// A new, empty database.
    pub(crate) async fn url(&self) -> String {
        match self {
            Self::Sqlite(dir) => format!("sqlite://{}/{}.db", dir.path().display(), unique("auth")),
            Self::MariaDb => tripline_testkit::mariadb().await.database().await.unwrap(),
            Self::Postgres => tripline_testkit::postgres().await.database().await.unwrap(),
        }
    }

    /// Whether replicas may share it.
    pub(crate) fn is_shared(&self) -> bool {
        !matches!(self, Self::Sqlite(_))
    }

    /// A service on a new, empty database.
    pub(crate) async fn start(&self) -> Running {
        Running::start(&self.url().await, ADMIN_KEY).await
    }
}

/// A running service.
pub(crate) struct Running {
    pub(crate) client: AuthClient<Client>,
    /// Calls without a valid proof of identity.
    pub(crate) stranger: AuthClient<Client>,
    context: Context,
    service: JoinHandle<Result<(), tripline_auth::Error>>,
}

impl Running {
    pub(crate) async fn start(url: &str, admin_key: &str) -> Self {
        let mut options = Options { admin_api_key: Some(admin_key.into()), ..Options::default() };
        options.db.url = url.into();
        let (channel, incoming) = in_memory();
        let service_key = Arc::new(ServiceKey::derive(&[7; 32]));
        let context = Context::system(CancellationToken::new());
        let listener = Listener::Memory(incoming);
        let ports = Ports { listener, service_key: service_key.clone() };
        context.health.expect("auth");
        let service = tokio::spawn(tripline_auth::run(options, ports, context.clone()));
        tokio::time::timeout(DEADLINE, context.health.ready()).await.expect("it gets ready");
        let client = |key| {
            let clock: Arc<dyn Clock> = Arc::new(SystemClock);
            AuthClient::new(Client::new(channel.clone(), Prove::new(key, clock)))
        };
        let stranger = client(Arc::new(ServiceKey::derive(&[8; 32])));
        Self { client: client(service_key), stranger, context, service }
    }

    /// Stops the service, and checks that it ends in time, with everything that it has begun.
    pub(crate) async fn stop(self) {
        self.context.stop.cancel();
        self.context.tasks.close();
        let ended = tokio::time::timeout(DEADLINE, self.service).await.expect("it ends in time");
        ended.unwrap().unwrap();
        let drained = tokio::time::timeout(DEADLINE, self.context.tasks.wait()).await;
        drained.expect("its tasks end in time");
    }

    pub(crate) async fn grant(&self, relation: Uid, rule: Of) -> Result<pb::Rule, tonic::Status> {
        let request = pb::GrantRequest {
            tenant: DEFAULT_TENANT.to_string(),
            relation_uid: relation.to_string(),
            subject: Some(rule.subject()),
            function_uid: rule.function.to_string(),
        };
        Ok(self.client.clone().grant(request).await?.into_inner())
    }

    pub(crate) async fn revoke(&self, relation: Uid) -> Result<Option<String>, tonic::Status> {
        let tenant = DEFAULT_TENANT.to_string();
        let request = pb::RevokeRequest { tenant, relation_uid: relation.to_string() };
        Ok(self.client.clone().revoke(request).await?.into_inner().ended_rule_uid)
    }

    pub(crate) async fn rule(&self, rule: Of) -> Result<pb::Rule, tonic::Status> {
        let request = pb::GetRuleRequest {
            tenant: DEFAULT_TENANT.to_string(),
            subject: Some(rule.subject()),
            function_uid: rule.function.to_string(),
        };
        Ok(self.client.clone().get_rule(request).await?.into_inner())
    }

    pub(crate) async fn watch(&self, after_revision: u64) -> Watch {
        let request = pb::WatchRulesRequest { after_revision };
        Watch(self.client.clone().watch_rules(request).await.unwrap().into_inner())
    }
}

/// Which rule is meant.
#[derive(Clone, Copy)]
pub(crate) struct Of {
    pub(crate) source: Uid,
    pub(crate) function: Uid,
}

impl Of {
    /// A rule that no other test knows of.
    pub(crate) fn new() -> Self {
        Self { source: new_uid(), function: new_uid() }
    }

    fn subject(self) -> pb::Subject {
        pb::Subject { kind: Some(pb::subject::Kind::Source(self.source.to_string())) }
    }
}

pub(crate) fn new_uid() -> Uid {
    Uid::new(&SystemClock, &SystemEntropy)
}

/// A stream of rules.
pub(crate) struct Watch(tonic::Streaming<pb::RuleChange>);

impl Watch {
    pub(crate) async fn next(&mut self) -> pb::RuleChange {
        let next = tokio::time::timeout(DEADLINE, self.0.message()).await.expect("it comes");
        next.unwrap().expect("the stream goes on")
    }

    /// Whether the stream has ended, in order.
    pub(crate) async fn ended(&mut self) -> bool {
        let next = tokio::time::timeout(DEADLINE, self.0.message()).await.expect("it comes");
        matches!(next, Ok(None))
    }
}
