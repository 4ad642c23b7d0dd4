//! What the registry needs around it, as scripts.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Map, Value};
use tokio_stream::Empty;
use tonic::{Request, Response, Status};
use tripline_bus::{Append, Error, EventLog, Offset, Reader, Retention, Stream};
use tripline_contracts::pb;
use tripline_event::{Frame, LogEntry, Marker, TriggerDefinition};
use tripline_kernel::{Fault, Uid};
use tripline_source as source;
use tripline_target as target;

/// What happened outside of the registry, in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Created { partition: u16 },
    Deleted { partition: u16 },
    Begun { partition: u16 },
    Granted { relation: String, subject: pb::Subject, function: String },
    Marked { partition: u16, trigger: String, revision: u64, definition: Option<TriggerDefinition> },
    Revoked { relation: String },
}

/// The world outside of the registry. Survives the registry's restarts.
#[derive(Default)]
pub(crate) struct World {
    steps: Mutex<Vec<Step>>,
    auth_down: AtomicBool,
    log_down: AtomicBool,
    streams: Mutex<HashSet<Stream>>,
    /// Relation to rule.
    rules: Mutex<BTreeMap<String, Uid>>,
}

impl World {
    pub(crate) fn steps(&self) -> Vec<Step> {
        self.steps.lock().unwrap().clone()
    }

    /// Forgets what happened so far.
    pub(crate) fn forget(&self) {
        self.steps.lock().unwrap().clear();
    }

    pub(crate) fn set_auth_down(&self, down: bool) {
        self.auth_down.store(down, Ordering::SeqCst);
    }

    pub(crate) fn set_log_down(&self, down: bool) {
        self.log_down.store(down, Ordering::SeqCst);
    }

    fn note(&self, step: Step) {
        self.steps.lock().unwrap().push(step);
    }

    fn auth(&self) -> Result<(), Status> {
        if self.auth_down.load(Ordering::SeqCst) {
            return Err(Status::unavailable("auth is down"));
        }
        Ok(())
    }

    fn log(&self) -> Result<(), Error> {
        if self.log_down.load(Ordering::SeqCst) {
            return Err(Error::Unavailable("the log is down".to_owned()));
        }
        Ok(())
    }
}

pub(crate) struct Log(pub(crate) Arc<World>);

#[async_trait::async_trait]
impl EventLog for Log {
    async fn create(&self, stream: Stream, retention: Retention) -> Result<(), Error> {
        self.0.log()?;
        assert_eq!((retention.time.as_secs(), retention.bytes), (7 * 86_400, 1 << 30));
        self.0.streams.lock().unwrap().insert(stream);
        self.0.note(Step::Created { partition: stream.partition });
        Ok(())
    }

    async fn delete(&self, stream: Stream) -> Result<(), Error> {
        self.0.log()?;
        self.0.streams.lock().unwrap().remove(&stream);
        self.0.note(Step::Deleted { partition: stream.partition });
        Ok(())
    }

    fn append(&self, stream: Stream, frame: Frame) -> Append {
        let append = || {
            self.0.log()?;
            if !self.0.streams.lock().unwrap().contains(&stream) {
                return Err(Error::NoStream(stream.to_string()));
            }
            for entry in frame.into_entries() {
                let LogEntry::Marker(marker) = LogEntry::decode(entry).unwrap() else {
                    panic!("the registry appends markers only");
                };
                let partition = stream.partition;
                self.0.note(match marker {
                    Marker::Begin => Step::Begun { partition },
                    Marker::Trigger { trigger, revision, definition } => {
                        let trigger = trigger.to_string();
                        Step::Marked { partition, trigger, revision, definition }
                    }
                });
            }
            Ok(())
        };
        let appended = append();
        Box::pin(std::future::ready(appended))
    }

    async fn read(&self, _: Stream, _: Offset) -> Result<Box<dyn Reader>, Error> {
        panic!("the registry does not read the log")
    }

    async fn earliest(&self, _: Stream) -> Result<Offset, Error> {
        panic!("the registry does not read the log")
    }
}

/// Auth, as far as the registry needs it: one rule for each subject and function.
pub(crate) struct Auth(pub(crate) Arc<World>);

#[tonic::async_trait]
impl pb::auth_server::Auth for Auth {
    async fn authenticate(
        &self,
        _: Request<pb::AuthenticateRequest>,
    ) -> Result<Response<pb::AuthenticateResponse>, Status> {
        Err(Status::unimplemented("the registry does not ask for this"))
    }

    async fn grant(
        &self,
        request: Request<pb::GrantRequest>,
    ) -> Result<Response<pb::Rule>, Status> {
        self.0.auth()?;
        let pb::GrantRequest { tenant, relation_uid, subject, function_uid } = request.into_inner();
        let bytes = format!("{subject:?}{function_uid}");
        let mut rule = [0_u8; 16];
        for (at, byte) in bytes.bytes().enumerate() {
            rule[at % 16] = rule[at % 16].wrapping_mul(31) ^ byte;
        }
        let rule = Uid::from_bytes(rule);
        self.0.rules.lock().unwrap().insert(relation_uid.clone(), rule);
        self.0.note(Step::Granted {
            relation: relation_uid,
            subject: subject.clone().unwrap(),
            function: function_uid.clone(),
        });
        let uid = rule.to_string();
        Ok(Response::new(pb::Rule { uid, tenant, subject, function_uid, revision: 1 }))
    }

    async fn revoke(
        &self,
        request: Request<pb::RevokeRequest>,
    ) -> Result<Response<pb::RevokeResponse>, Status> {
        self.0.auth()?;
        let relation = request.into_inner().relation_uid;
        self.0.rules.lock().unwrap().remove(&relation);
        self.0.note(Step::Revoked { relation });
        Ok(Response::new(pb::RevokeResponse { ended_rule_uid: None }))
    }

    async fn get_rule(&self, _: Request<pb::GetRuleRequest>) -> Result<Response<pb::Rule>, Status> {
        Err(Status::unimplemented("the registry does not ask for this"))
    }

    type WatchRulesStream = Empty<Result<pb::RuleChange, Status>>;

    async fn watch_rules(
        &self,
        _: Request<pb::WatchRulesRequest>,
    ) -> Result<Response<Self::WatchRulesStream>, Status> {
        Err(Status::unimplemented("the registry does not ask for this"))
    }
}

/// A kind of source with an `endpoint` and two secrets, of which `secret_key` is required.
pub(crate) struct Bucket;

impl source::Kind for Bucket {
    fn name(&self) -> &'static str {
        "bucket"
    }

    fn secrets(&self) -> &'static [&'static str] {
        &["secret_key", "token"]
    }

    fn check(&self, settings: &Map<String, Value>) -> Vec<Fault> {
        check(settings, &["endpoint", "secret_key"])
    }

    fn open(&self, _: &Map<String, Value>) -> Result<Box<dyn source::Source>, Vec<Fault>> {
        panic!("the registry does not open sources")
    }
}

/// A kind of target with a `url` and `headers`, whose values are secrets.
pub(crate) struct Http;

impl target::Kind for Http {
    fn name(&self) -> &'static str {
        "http"
    }

    fn secrets(&self, settings: &Map<String, Value>) -> Vec<String> {
        let headers = settings.get("headers").and_then(Value::as_object);
        headers.into_iter().flat_map(Map::keys).map(|name| format!("/headers/{name}")).collect()
    }

    fn check(&self, settings: &Map<String, Value>) -> Vec<Fault> {
        check(settings, &["url"])
    }

    fn open(&self, _: &Map<String, Value>) -> Result<Arc<dyn target::Target>, Vec<Fault>> {
        panic!("the registry does not open targets")
    }
}

fn check(settings: &Map<String, Value>, required: &[&str]) -> Vec<Fault> {
    let missing =
        required.iter().filter(|field| !settings.get(**field).is_some_and(Value::is_string));
    missing.map(|field| Fault::new(format!("/{field}"), "required", "must be given")).collect()
}
