//! trigger-registry, as far as the gateway asks it.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use pb::change::Resource;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};
use tripline_contracts::{pb, to_status};
use tripline_kernel::{ErrorKind, Fault, Uid};

use super::peers::Told;
use super::shelf::{Shelf, at, page};
use super::{BUS, PARTITIONS, TENANT};

type Answer<T> = Result<Response<T>, Status>;

/// The resource that is asked for, if it is there.
fn read<T: Clone>(
    shelf: &Shelf<T>,
    read: &pb::GetRequest,
    code: &'static str,
) -> Result<T, Status> {
    let found = shelf.lock().unwrap().get(&at(&read.tenant, &read.name)).cloned();
    found.ok_or_else(missing(code))
}

pub(crate) struct FakeRegistry {
    revision: AtomicU64,
    buses: Shelf<pb::Bus>,
    functions: Shelf<pb::Function>,
    sources: Shelf<pb::Source>,
    triggers: Shelf<pb::Trigger>,
    pub(crate) last_list: Mutex<Option<pb::ListRequest>>,
    pub(crate) last_pair: Mutex<Option<pb::PutSourceTriggerRequest>>,
    /// Loses the race of the next so many writes against somebody else's.
    pub(crate) races: AtomicU64,
    pub(crate) last_trigger: Mutex<Option<pb::PutTriggerRequest>>,
    /// Answers to the next write instead of doing it.
    pub(crate) refuse: Mutex<Option<Vec<Fault>>>,
    pub(crate) down: AtomicBool,
    watchers: Mutex<Vec<mpsc::Sender<Result<pb::Change, Status>>>>,
    /// Buses that are stored but not told of by Watch.
    pub(crate) untold_bus: AtomicBool,
}

impl Default for FakeRegistry {
    fn default() -> Self {
        Self {
            revision: AtomicU64::new(10),
            buses: Mutex::new([(at(&TENANT.to_string(), "default"), default_bus())].into()),
            functions: Shelf::default(),
            sources: Shelf::default(),
            triggers: Shelf::default(),
            last_trigger: Mutex::default(),
            last_list: Mutex::default(),
            last_pair: Mutex::default(),
            races: AtomicU64::new(0),
            refuse: Mutex::default(),
            down: AtomicBool::new(false),
            watchers: Mutex::default(),
            untold_bus: AtomicBool::new(false),
        }
    }
}

fn default_bus() -> pb::Bus {
    pb::Bus {
        meta: Some(meta("default", BUS, 1)),
        partitions: PARTITIONS.into(),
        retention_seconds: 604_800,
        retention_bytes: 1 << 30,
        dedupe_window_seconds: 300,
    }
}

fn meta(name: &str, uid: Uid, revision: u64) -> pb::Meta {
    pb::Meta {
        tenant: TENANT.to_string(),
        name: name.to_owned(),
        uid: uid.to_string(),
        revision,
        created_at: 1_750_000_000_000_000,
        updated_at: 1_750_000_001_000_000,
    }
}

fn pair_of(source: pb::Source, trigger: pb::Trigger) -> pb::SourceTrigger {
    let relation = pb::Relation {
        uid: trigger.relation_uid.clone(),
        rule_uid: Some(Uid::NIL.to_string()),
        ..pb::Relation::default()
    };
    pb::SourceTrigger { source: Some(source), trigger: Some(trigger), relation: Some(relation) }
}

fn missing(code: &'static str) -> impl Fn() -> Status {
    move || Told::status(ErrorKind::NotFound, code)
}

impl FakeRegistry {
    /// The next meta for the name, keeping what identifies a stored one; or the condition that does not hold.
    fn next(
        &self,
        (tenant, name): (&str, &str),
        stored: Option<&pb::Meta>,
        condition: Option<pb::Condition>,
    ) -> Result<pb::Meta, Status> {
        let less = |races: u64| races.checked_sub(1);
        if self.races.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_ok() {
            return Err(Told::status(ErrorKind::Precondition, "revision-mismatch"));
        }
        if let Some(faults) = self.refuse.lock().unwrap().take() {
            let (kind, code) = (ErrorKind::Invalid, "invalid-resource");
            return Err(to_status(&Told { kind, code, faults }));
        }
        Self::hold(stored, condition)?;
        let revision = self.revision.fetch_add(1, Ordering::SeqCst) + 1;
        let mut bytes = [0; 16];
        bytes[8..].copy_from_slice(&revision.to_be_bytes());
        let tenant = tenant.to_owned();
        let made = pb::Meta { tenant, ..meta(name, Uid::from_bytes(bytes), revision) };
        Ok(stored.map_or(made, |stored| pb::Meta { revision, ..stored.clone() }))
    }

    fn hold(stored: Option<&pb::Meta>, condition: Option<pb::Condition>) -> Result<(), Status> {
        let condition = condition.unwrap_or_default();
        if condition.if_absent && stored.is_some() {
            return Err(Told::status(ErrorKind::Conflict, "already-exists"));
        }
        match condition.if_revision {
            Some(revision) if stored.map(|meta| meta.revision) != Some(revision) => {
                Err(Told::status(ErrorKind::Precondition, "revision-mismatch"))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn up(&self) -> Result<(), Status> {
        if self.down.load(Ordering::SeqCst) { Err(Status::unavailable("down")) } else { Ok(()) }
    }

    pub(crate) fn tell(&self, deleted: bool, resource: Resource) {
        let change = pb::Change {
            revision: self.revision.load(Ordering::SeqCst),
            deleted,
            resource: Some(resource),
        };
        for watcher in self.watchers.lock().unwrap().iter() {
            let _ = watcher.try_send(Ok(change.clone()));
        }
    }

    /// Ends all watches, as a registry that stops does.
    pub(crate) fn hang_up(&self) {
        self.watchers.lock().unwrap().clear();
    }

    pub(crate) fn watchers(&self) -> usize {
        self.watchers.lock().unwrap().len()
    }

    /// Forgets and makes a function anew under its old name, without telling watchers.
    pub(crate) fn remake_function(&self, name: &str, uid: Uid) {
        let mut functions = self.functions.lock().unwrap();
        functions.get_mut(&at(&TENANT.to_string(), name)).unwrap().meta = Some(meta(name, uid, 99));
    }
}

impl FakeRegistry {
    fn set_source_paused(&self, asked: &pb::NamedRequest, paused: bool) -> Answer<pb::Source> {
        self.up()?;
        let get = pb::GetRequest { tenant: asked.tenant.clone(), name: asked.name.clone() };
        let stored = read(&self.sources, &get, "source-not-found")?;
        let next = self.next((&asked.tenant, &asked.name), stored.meta.as_ref(), asked.condition);
        let source = pb::Source { meta: Some(next?), paused, ..stored };
        self.sources.lock().unwrap().insert(at(&asked.tenant, &asked.name), source.clone());
        Ok(Response::new(source))
    }
}

#[tonic::async_trait]
impl pb::registry_server::Registry for FakeRegistry {
    async fn get_bus(&self, request: Request<pb::GetRequest>) -> Answer<pb::Bus> {
        self.up()?;
        read(&self.buses, request.get_ref(), "bus-not-found").map(Response::new)
    }

    async fn list_buses(&self, request: Request<pb::ListRequest>) -> Answer<pb::ListBusesResponse> {
        self.up()?;
        let (items, next_cursor) = page(&self.buses, request.get_ref());
        Ok(Response::new(pb::ListBusesResponse { items, next_cursor }))
    }

    async fn put_bus(&self, request: Request<pb::PutBusRequest>) -> Answer<pb::PutBusResponse> {
        self.up()?;
        let put = request.into_inner();
        let mut buses = self.buses.lock().unwrap();
        let stored = buses.get(&at(&put.tenant, &put.name)).and_then(|bus| bus.meta.as_ref());
        let created = stored.is_none();
        let bus = pb::Bus {
            meta: Some(self.next((&put.tenant, &put.name), stored, put.condition)?),
            partitions: put.partitions.unwrap_or(PARTITIONS.into()),
            retention_seconds: put.retention_seconds.unwrap_or(604_800),
            retention_bytes: put.retention_bytes.unwrap_or(1 << 30),
            dedupe_window_seconds: put.dedupe_window_seconds.unwrap_or(300),
        };
        buses.insert(at(&put.tenant, &put.name), bus.clone());
        Ok(Response::new(pb::PutBusResponse { bus: Some(bus), created, applied: true }))
    }

    async fn delete_bus(&self, request: Request<pb::DeleteRequest>) -> Answer<pb::DeleteResponse> {
        self.up()?;
        let delete = request.into_inner();
        let mut buses = self.buses.lock().unwrap();
        let key = at(&delete.tenant, &delete.name);
        let bus = buses.get(&key).cloned().ok_or_else(missing("bus-not-found"))?;
        Self::hold(bus.meta.as_ref(), delete.condition)?;
        buses.remove(&key);
        self.tell(true, Resource::Bus(bus));
        Ok(Response::new(pb::DeleteResponse {}))
    }

    async fn put_function(
        &self,
        request: Request<pb::PutFunctionRequest>,
    ) -> Answer<pb::PutFunctionResponse> {
        self.up()?;
        let put = request.into_inner();
        let mut functions = self.functions.lock().unwrap();
        let stored =
            functions.get(&at(&put.tenant, &put.name)).and_then(|function| function.meta.as_ref());
        let created = stored.is_none();
        let function = pb::Function {
            meta: Some(self.next((&put.tenant, &put.name), stored, put.condition)?),
            target_kind: put.target_kind,
            target_settings_json: put.target_settings_json,
            timeout_ms: put.timeout_ms.unwrap_or(10_000),
            concurrency: put.concurrency.unwrap_or(64),
            ..pb::Function::default()
        };
        functions.insert(at(&put.tenant, &put.name), function.clone());
        self.tell(false, Resource::Function(function.clone()));
        let signing_secret = created.then(|| "whsec_once".to_owned());
        let function = Some(pb::Function { signing_secret, ..function });
        Ok(Response::new(pb::PutFunctionResponse { function, created }))
    }

    async fn rotate_secret(
        &self,
        request: Request<pb::RotateSecretRequest>,
    ) -> Answer<pb::Function> {
        self.up()?;
        let asked = request.into_inner();
        let get = pb::GetRequest { tenant: asked.tenant.clone(), name: asked.name.clone() };
        let stored = read(&self.functions, &get, "function-not-found")?;
        let meta =
            self.next((&asked.tenant, &asked.name), stored.meta.as_ref(), asked.condition)?;
        let function = pb::Function {
            meta: Some(meta),
            earlier_signing_secret_until: Some(i64::from(asked.overlap_seconds) * 1_000_000),
            ..stored
        };
        let at = at(&asked.tenant, &asked.name);
        self.functions.lock().unwrap().insert(at, function.clone());
        let signing_secret = Some("whsec_twice".to_owned());
        Ok(Response::new(pb::Function { signing_secret, ..function }))
    }

    async fn get_function(&self, request: Request<pb::GetRequest>) -> Answer<pb::Function> {
        self.up()?;
        read(&self.functions, request.get_ref(), "function-not-found").map(Response::new)
    }

    async fn list_functions(
        &self,
        request: Request<pb::ListRequest>,
    ) -> Answer<pb::ListFunctionsResponse> {
        self.up()?;
        *self.last_list.lock().unwrap() = Some(request.get_ref().clone());
        let (items, next_cursor) = page(&self.functions, request.get_ref());
        Ok(Response::new(pb::ListFunctionsResponse { items, next_cursor }))
    }

    async fn delete_function(
        &self,
        request: Request<pb::DeleteRequest>,
    ) -> Answer<pb::DeleteFunctionResponse> {
        self.up()?;
        let delete = request.into_inner();
        let mut functions = self.functions.lock().unwrap();
        let key = at(&delete.tenant, &delete.name);
        let meta = functions.get(&key).and_then(|function| function.meta.clone());
        let meta = meta.ok_or_else(missing("function-not-found"))?;
        Self::hold(Some(&meta), delete.condition)?;
        if let Some(function) = functions.remove(&key) {
            self.tell(true, Resource::Function(function));
        }
        let kind = "function".to_owned();
        let deleted = vec![pb::Deleted { kind, name: meta.name, uid: meta.uid }];
        Ok(Response::new(pb::DeleteFunctionResponse { deleted }))
    }

    async fn put_source(
        &self,
        request: Request<pb::PutSourceRequest>,
    ) -> Answer<pb::PutSourceResponse> {
        self.up()?;
        let put = request.into_inner();
        let mut sources = self.sources.lock().unwrap();
        let stored =
            sources.get(&at(&put.tenant, &put.name)).and_then(|source| source.meta.as_ref());
        let created = stored.is_none();
        let source = pb::Source {
            meta: Some(self.next((&put.tenant, &put.name), stored, put.condition)?),
            kind: put.kind,
            settings_json: put.settings_json,
            bus_uid: BUS.to_string(),
            bus: put.bus,
            paused: false,
        };
        sources.insert(at(&put.tenant, &put.name), source.clone());
        Ok(Response::new(pb::PutSourceResponse { source: Some(source), created }))
    }

    async fn get_source(&self, request: Request<pb::GetRequest>) -> Answer<pb::Source> {
        self.up()?;
        read(&self.sources, request.get_ref(), "source-not-found").map(Response::new)
    }

    async fn list_sources(
        &self,
        request: Request<pb::ListRequest>,
    ) -> Answer<pb::ListSourcesResponse> {
        self.up()?;
        *self.last_list.lock().unwrap() = Some(request.get_ref().clone());
        let (items, next_cursor) = page(&self.sources, request.get_ref());
        Ok(Response::new(pb::ListSourcesResponse { items, next_cursor }))
    }

    async fn delete_source(
        &self,
        request: Request<pb::DeleteRequest>,
    ) -> Answer<pb::DeleteResponse> {
        self.up()?;
        let delete = request.into_inner();
        let mut sources = self.sources.lock().unwrap();
        let key = at(&delete.tenant, &delete.name);
        let source = sources.get(&key).ok_or_else(missing("source-not-found"))?;
        Self::hold(source.meta.as_ref(), delete.condition)?;
        sources.remove(&key);
        Ok(Response::new(pb::DeleteResponse {}))
    }

    async fn pause_source(&self, request: Request<pb::NamedRequest>) -> Answer<pb::Source> {
        self.set_source_paused(&request.into_inner(), true)
    }

    async fn resume_source(&self, request: Request<pb::NamedRequest>) -> Answer<pb::Source> {
        self.set_source_paused(&request.into_inner(), false)
    }

    async fn put_trigger(
        &self,
        request: Request<pb::PutTriggerRequest>,
    ) -> Answer<pb::PutTriggerResponse> {
        self.up()?;
        let put = request.into_inner();
        *self.last_trigger.lock().unwrap() = Some(put.clone());
        let mut triggers = self.triggers.lock().unwrap();
        let stored =
            triggers.get(&at(&put.tenant, &put.name)).and_then(|trigger| trigger.meta.as_ref());
        let created = stored.is_none();
        let source = put.source.as_ref().and_then(|name| {
            let sources = self.sources.lock().unwrap();
            sources.get(&at(&put.tenant, name)).and_then(|source| source.meta.clone())
        });
        let trigger = pb::Trigger {
            source_uid: source.map(|meta| meta.uid),
            meta: Some(self.next((&put.tenant, &put.name), stored, put.condition)?),
            bus: put.bus,
            bus_uid: BUS.to_string(),
            source: put.source,
            pattern_json: put.pattern_json,
            function: put.function,
            delivery: put.delivery,
            start: put.start,
            state: pb::TriggerState::Active.into(),
            relation_uid: Uid::NIL.to_string(),
            ..pb::Trigger::default()
        };
        triggers.insert(at(&put.tenant, &put.name), trigger.clone());
        self.tell(false, Resource::Trigger(trigger.clone()));
        let trigger = Some(trigger);
        Ok(Response::new(pb::PutTriggerResponse { trigger, created, applied: true }))
    }

    async fn get_trigger(&self, request: Request<pb::GetRequest>) -> Answer<pb::Trigger> {
        self.up()?;
        read(&self.triggers, request.get_ref(), "trigger-not-found").map(Response::new)
    }

    async fn list_triggers(
        &self,
        request: Request<pb::ListRequest>,
    ) -> Answer<pb::ListTriggersResponse> {
        self.up()?;
        *self.last_list.lock().unwrap() = Some(request.get_ref().clone());
        let (items, next_cursor) = page(&self.triggers, request.get_ref());
        Ok(Response::new(pb::ListTriggersResponse { items, next_cursor }))
    }

    async fn delete_trigger(
        &self,
        request: Request<pb::DeleteRequest>,
    ) -> Answer<pb::DeleteResponse> {
        self.up()?;
        let delete = request.into_inner();
        let mut triggers = self.triggers.lock().unwrap();
        let key = at(&delete.tenant, &delete.name);
        let trigger = triggers.get(&key).cloned().ok_or_else(missing("trigger-not-found"))?;
        Self::hold(trigger.meta.as_ref(), delete.condition)?;
        triggers.remove(&key);
        self.tell(true, Resource::Trigger(trigger));
        Ok(Response::new(pb::DeleteResponse {}))
    }

    async fn pause_trigger(
        &self,
        request: Request<pb::PauseTriggerRequest>,
    ) -> Answer<pb::Trigger> {
        self.up()?;
        let pause = request.into_inner();
        let Some(pb::pause_trigger_request::Which::Name(name)) = pause.which else {
            return Err(missing("trigger-not-found")());
        };
        let mut triggers = self.triggers.lock().unwrap();
        let trigger = triggers.get_mut(&at(&pause.tenant, &name));
        let trigger = trigger.ok_or_else(missing("trigger-not-found"))?;
        Self::hold(trigger.meta.as_ref(), pause.condition)?;
        trigger.state = pb::TriggerState::Paused.into();
        trigger.state_reason = pause.reason;
        Ok(Response::new(trigger.clone()))
    }

    async fn resume_trigger(
        &self,
        request: Request<pb::ResumeTriggerRequest>,
    ) -> Answer<pb::Trigger> {
        self.up()?;
        let resume = request.into_inner();
        let mut triggers = self.triggers.lock().unwrap();
        let trigger = triggers.get_mut(&at(&resume.tenant, &resume.name));
        let trigger = trigger.ok_or_else(missing("trigger-not-found"))?;
        Self::hold(trigger.meta.as_ref(), resume.condition)?;
        trigger.state = pb::TriggerState::Active.into();
        trigger.state_reason = String::new();
        Ok(Response::new(trigger.clone()))
    }

    async fn put_source_trigger(
        &self,
        request: Request<pb::PutSourceTriggerRequest>,
    ) -> Answer<pb::PutSourceTriggerResponse> {
        let put = request.into_inner();
        *self.last_pair.lock().unwrap() = Some(put.clone());
        let (source, trigger) = put.source.zip(put.trigger).unwrap();
        let created = self.put_trigger(Request::new(trigger)).await?.into_inner();
        let source = self.put_source(Request::new(source)).await?.into_inner();
        let pair = Some(pair_of(source.source.unwrap(), created.trigger.unwrap()));
        let (created, applied) = (created.created, true);
        Ok(Response::new(pb::PutSourceTriggerResponse { pair, created, applied }))
    }

    async fn get_source_trigger(
        &self,
        request: Request<pb::GetRequest>,
    ) -> Answer<pb::SourceTrigger> {
        self.up()?;
        let trigger = read(&self.triggers, request.get_ref(), "trigger-not-found")?;
        let source = read(&self.sources, request.get_ref(), "not-a-source-trigger")?;
        Ok(Response::new(pair_of(source, trigger)))
    }

    async fn list_source_triggers(
        &self,
        request: Request<pb::ListRequest>,
    ) -> Answer<pb::ListSourceTriggersResponse> {
        self.up()?;
        let (triggers, next_cursor) = page(&self.triggers, request.get_ref());
        let (sources, _) = page(&self.sources, request.get_ref());
        let items = sources.into_iter().zip(triggers).map(|(s, t)| pair_of(s, t)).collect();
        Ok(Response::new(pb::ListSourceTriggersResponse { items, next_cursor }))
    }

    async fn delete_source_trigger(
        &self,
        request: Request<pb::DeleteRequest>,
    ) -> Answer<pb::DeleteResponse> {
        let delete = request.into_inner();
        self.delete_trigger(Request::new(delete.clone())).await?;
        let condition = None;
        self.delete_source(Request::new(pb::DeleteRequest { condition, ..delete })).await
    }

    async fn get_trigger_revision(
        &self,
        _: Request<pb::GetTriggerRevisionRequest>,
    ) -> Answer<pb::Trigger> {
        Err(Status::unimplemented("the gateway does not ask this"))
    }

    type WatchStream = ReceiverStream<Result<pb::Change, Status>>;

    async fn watch(&self, _: Request<pb::WatchRequest>) -> Answer<Self::WatchStream> {
        self.up()?;
        let (sender, receiver) = mpsc::channel(64);
        let send = |resource| {
            let change = pb::Change { revision: 10, deleted: false, resource: Some(resource) };
            sender.try_send(Ok(change)).unwrap();
        };
        if !self.untold_bus.load(Ordering::SeqCst) {
            send(Resource::Bus(default_bus()));
        }
        send(Resource::CaughtUp(pb::CaughtUp {}));
        self.watchers.lock().unwrap().push(sender);
        Ok(Response::new(ReceiverStream::new(receiver)))
    }
}
