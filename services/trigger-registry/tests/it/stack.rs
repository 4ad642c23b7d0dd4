//! A running registry.

use std::sync::Arc;
use std::time::Duration;

use sea_orm::ConnectionTrait as _;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;
use tripline_contracts::pb::auth_server::AuthServer;
use tripline_contracts::pb::registry_client::RegistryClient;
use tripline_contracts::transport::{Client, Demand, Listener, Prove, in_memory, serve};
use tripline_contracts::{Error, pb};
use tripline_kernel::{Classify as _, DEFAULT_TENANT};
use tripline_runtime::{Context, SystemClock};
use tripline_signing::{MasterKey, ServiceKey};
use tripline_trigger_registry::{Options, Ports, run};

use crate::fakes::{Auth, Bucket, Http, Log, World};

/// What any test may wait for at most.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// Where a registry keeps what it owns. Survives its restarts.
#[derive(Clone)]
struct Database {
    url: String,
    dir: Option<Arc<tempfile::TempDir>>,
}

impl Database {
    fn in_file() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/registry.db", dir.path().display());
        Self { url, dir: Some(Arc::new(dir)) }
    }
}

/// A registry on a database of its own, and the world around it.
pub(crate) struct Stack {
    pub(crate) world: Arc<World>,
    pub(crate) context: Context,
    client: RegistryClient<Client>,
    channel: Channel,
    apply_wait_ms: u64,
    running: JoinHandle<Result<(), tripline_trigger_registry::Error>>,
    auth_stop: CancellationToken,
    database: Database,
}

impl Stack {
    /// A new registry, whose world is up.
    pub(crate) async fn start() -> Self {
        Self::with_apply_wait(Options::default().apply_wait_ms).await
    }

    /// A new registry in this world.
    pub(crate) async fn in_world(world: Arc<World>) -> Self {
        Self::begin(Database::in_file(), Options::default().apply_wait_ms, world).await
    }

    /// A new registry on `MariaDB`.
    pub(crate) async fn on_mariadb() -> Self {
        let url = tripline_testkit::mariadb().await.database().await.unwrap();
        let database = Database { url, dir: None };
        Self::begin(database, Options::default().apply_wait_ms, Arc::default()).await
    }

    /// A new registry that waits this long for a change to be in force.
    pub(crate) async fn with_apply_wait(apply_wait_ms: u64) -> Self {
        Self::begin(Database::in_file(), apply_wait_ms, Arc::default()).await
    }

    async fn begin(database: Database, apply_wait_ms: u64, world: Arc<World>) -> Self {
        let url = database.url.clone().into();
        let db = tripline_db::Options { url, connections_max: 4 };
        let options = Options { db, apply_wait_ms };
        assert_eq!(options.validate(), []);
        let key = Arc::new(ServiceKey::derive(&[3; 32]));
        let clock = Arc::new(SystemClock);
        let (auth, auth_incoming) = in_memory();
        let auth_stop = CancellationToken::new();
        let demand = Demand::new(Arc::clone(&key), clock.clone());
        let service = AuthServer::with_interceptor(Auth(Arc::clone(&world)), demand);
        let routes = tonic::service::Routes::new(service);
        tokio::spawn(serve(
            Listener::Memory(auth_incoming),
            routes,
            tripline_trace::Tracer::default(),
            auth_stop.clone(),
        ));

        let prove = Prove::new(Arc::clone(&key), clock);
        let (channel, incoming) = in_memory();
        let context = Context::system(CancellationToken::new());
        let ports = Ports {
            listener: Listener::Memory(incoming),
            service_key: key,
            auth: Client::new(auth, prove.clone()),
            log: Arc::new(Log(Arc::clone(&world))),
            sources: vec![Arc::new(Bucket)],
            targets: vec![Arc::new(Http)],
            master_key: MasterKey::from_bytes(&[5; 32]),
        };
        let running = tokio::spawn(run(options, ports, context.clone()));
        let client = RegistryClient::new(Client::new(channel.clone(), prove));
        Self { world, context, client, channel, apply_wait_ms, running, auth_stop, database }
    }

    /// Stops the registry and starts another one on the same database, in the same world.
    pub(crate) async fn restart(self) -> Self {
        self.restart_after("SELECT 1").await
    }

    /// The same, with this done to the database in between.
    pub(crate) async fn restart_after(self, statement: &str) -> Self {
        let (world, database) = (Arc::clone(&self.world), self.database.clone());
        let apply_wait_ms = self.apply_wait_ms;
        self.stop().await;
        let options =
            tripline_db::Options { url: database.url.as_str().into(), connections_max: 1 };
        let db = tripline_db::connect(&options).await.unwrap();
        db.execute_unprepared(statement).await.unwrap();
        db.close().await.unwrap();
        Self::begin(database, apply_wait_ms, world).await
    }

    /// The bytes of all files of a database in files.
    pub(crate) fn files(&self) -> Vec<u8> {
        let dir = self.database.dir.as_ref().unwrap();
        let files = std::fs::read_dir(dir.path()).unwrap();
        files.flat_map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect()
    }

    /// Stops the registry, which must end by itself, and without an error.
    pub(crate) async fn stop(self) {
        self.context.stop.cancel();
        tokio::time::timeout(DEADLINE, self.running).await.unwrap().unwrap().unwrap();
        self.context.tasks.close();
        tokio::time::timeout(DEADLINE, self.context.tasks.wait()).await.unwrap();
        self.auth_stop.cancel();
    }

    pub(crate) fn client(&self) -> RegistryClient<Client> {
        self.client.clone()
    }

    /// A client that proves nothing.
    pub(crate) fn stranger(&self) -> RegistryClient<Channel> {
        RegistryClient::new(self.channel.clone())
    }

    /// The number that a metric has now.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let text = self.context.metrics.render();
        let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().parse().unwrap()
    }

    pub(crate) async fn put_function(&self, name: &str) -> pb::Function {
        let put = self.client().put_function(function(name)).await.unwrap().into_inner();
        put.function.unwrap()
    }

    pub(crate) async fn put_source(&self, name: &str) -> pb::Source {
        let put = self.client().put_source(source(name)).await.unwrap().into_inner();
        put.source.unwrap()
    }

    pub(crate) async fn put_trigger(
        &self,
        request: pb::PutTriggerRequest,
    ) -> pb::PutTriggerResponse {
        self.client().put_trigger(request).await.unwrap().into_inner()
    }

    pub(crate) async fn trigger(&self, name: &str) -> Option<pb::Trigger> {
        self.client().get_trigger(get(name)).await.ok().map(tonic::Response::into_inner)
    }
}

pub(crate) fn get(name: &str) -> pb::GetRequest {
    pb::GetRequest { tenant: DEFAULT_TENANT.to_string(), name: name.to_owned() }
}

/// Asks for a trigger to be resumed.
pub(crate) fn resume(name: &str) -> pb::ResumeTriggerRequest {
    let (tenant, name) = (DEFAULT_TENANT.to_string(), name.to_owned());
    pb::ResumeTriggerRequest { tenant, name, condition: None }
}

pub(crate) fn delete(name: &str) -> pb::DeleteRequest {
    let tenant = DEFAULT_TENANT.to_string();
    pb::DeleteRequest { tenant, name: name.to_owned(), condition: None }
}

pub(crate) fn list(limit: u32, cursor: &str) -> pb::ListRequest {
    let (tenant, cursor) = (DEFAULT_TENANT.to_string(), cursor.to_owned());
    pb::ListRequest { tenant, limit, cursor, ..pb::ListRequest::default() }
}

pub(crate) fn function(name: &str) -> pb::PutFunctionRequest {
    pb::PutFunctionRequest {
        tenant: DEFAULT_TENANT.to_string(),
        name: name.to_owned(),
        condition: None,
        target_kind: "http".to_owned(),
        target_settings_json: r#"{"url":"http://127.0.0.1:9/"}"#.to_owned(),
        timeout_ms: None,
        concurrency: None,
    }
}

pub(crate) const SECRET: &str = "hunter2-hunter2";

pub(crate) fn source(name: &str) -> pb::PutSourceRequest {
    pb::PutSourceRequest {
        tenant: DEFAULT_TENANT.to_string(),
        name: name.to_owned(),
        condition: None,
        kind: "bucket".to_owned(),
        settings_json: format!(r#"{{"endpoint":"http://x","secret_key":"{SECRET}"}}"#),
        bus: "default".to_owned(),
    }
}

pub(crate) fn trigger(name: &str, function: &str) -> pb::PutTriggerRequest {
    pb::PutTriggerRequest {
        tenant: DEFAULT_TENANT.to_string(),
        name: name.to_owned(),
        condition: None,
        bus: "default".to_owned(),
        source: None,
        pattern_json: Some(r#"{"type":["a"]}"#.to_owned()),
        function: function.to_owned(),
        delivery: None,
        start: "latest".to_owned(),
    }
}

/// The error that a call was refused with, and the pointers and codes of its faults.
#[track_caller]
pub(crate) fn refused<T: std::fmt::Debug>(
    answer: Result<tonic::Response<T>, tonic::Status>,
) -> (String, Vec<(String, String)>) {
    let error = Error::from(answer.unwrap_err());
    let faults = error.faults().iter();
    let faults = faults.map(|fault| (fault.pointer.clone(), fault.code.clone().into_owned()));
    (error.code().into_owned(), faults.collect())
}

/// Owned pairs, to compare faults with.
pub(crate) fn pairs<const N: usize>(pairs: [(&str, &str); N]) -> Vec<(String, String)> {
    pairs.map(|(pointer, code)| (pointer.to_owned(), code.to_owned())).to_vec()
}
