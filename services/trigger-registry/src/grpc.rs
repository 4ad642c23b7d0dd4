//! The registry as its gRPC contract has it. Messages end here: inner code sees only what was read and checked.

mod answers;
mod requests;

use std::pin::Pin;
use std::sync::Arc;

use answers::{change, list_of, message};
use futures_util::{Stream, StreamExt as _};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};
use tripline_contracts::pb::{self, registry_server};
use tripline_contracts::{Message as _, convert, to_status};
use tripline_kernel::Classify as _;

use crate::bus::{self, Bus};
use crate::function::{self, Function};
use crate::page::Asked;
use crate::registry::{Error, NewFunction, PairDraft, Registry, Which};
use crate::source::{self, Source};
use crate::store;
use crate::trigger::{self, Trigger};
use crate::watch;

/// Serves the contract.
pub(crate) struct Service {
    pub(crate) registry: Arc<Registry>,
    /// Ends the streams.
    pub(crate) stop: CancellationToken,
}

type Answer<T> = Result<Response<T>, Status>;

/// The status of an error. Faults of ours are logged here, once.
#[allow(clippy::needless_pass_by_value, reason = "the signature that map_err takes")]
fn refuse(error: Error) -> Status {
    if error.kind().is_fault() {
        let code = error.code();
        tracing::error!(error = &error as &dyn std::error::Error, %code, "a request failed: {error}");
    }
    to_status(&error)
}

impl Service {
    async fn named<R: store::Stored>(&self, request: &pb::GetRequest) -> Result<R, Status> {
        let tenant = convert::uid("tenant", &request.tenant)?;
        let name = convert::name("name", &request.name)?;
        self.registry.get(tenant, &name).await.map_err(refuse)
    }

    async fn listed<R: store::Stored>(
        &self,
        request: &pb::ListRequest,
    ) -> Result<crate::page::Page<R>, Status> {
        let tenant = convert::uid("tenant", &request.tenant)?;
        let asked = Asked::parse(tenant, request.limit, &request.cursor).map_err(refuse)?;
        self.registry.list(&asked.only(request.into())).await.map_err(refuse)
    }
}

impl Service {
    async fn set_source_paused(
        &self,
        request: &pb::NamedRequest,
        paused: bool,
    ) -> Answer<pb::Source> {
        let tenant = convert::uid("tenant", &request.tenant)?;
        let name = convert::name("name", &request.name)?;
        let condition = request.condition.into();
        let set = self.registry.set_source_paused(tenant, &name, condition, paused).await;
        Ok(Response::new(message(set.map_err(refuse)?)))
    }
}

#[tonic::async_trait]
impl registry_server::Registry for Service {
    async fn get_bus(&self, request: Request<pb::GetRequest>) -> Answer<pb::Bus> {
        let bus: Bus = self.named(request.get_ref()).await?;
        Ok(Response::new(message(bus)))
    }

    async fn list_buses(&self, request: Request<pb::ListRequest>) -> Answer<pb::ListBusesResponse> {
        let (items, next_cursor) = list_of::<Bus, _>(self.listed(request.get_ref()).await?);
        Ok(Response::new(pb::ListBusesResponse { items, next_cursor }))
    }

    async fn put_bus(&self, request: Request<pb::PutBusRequest>) -> Answer<pb::PutBusResponse> {
        let draft = bus::Draft::try_from(request.into_inner())?;
        let put = self.registry.put_bus(draft).await.map_err(refuse)?;
        let (bus, created, applied) = (Some(message(put.bus)), put.created, put.applied);
        Ok(Response::new(pb::PutBusResponse { bus, created, applied }))
    }

    async fn delete_bus(&self, request: Request<pb::DeleteRequest>) -> Answer<pb::DeleteResponse> {
        let (tenant, name, condition) = requests::deletion(request.get_ref())?;
        self.registry.delete_bus(tenant, &name, condition).await.map_err(refuse)?;
        Ok(Response::new(pb::DeleteResponse {}))
    }

    async fn put_function(
        &self,
        request: Request<pb::PutFunctionRequest>,
    ) -> Answer<pb::PutFunctionResponse> {
        let draft = function::Draft::try_from(request.into_inner())?;
        let put = self.registry.put_function(draft).await.map_err(refuse)?;
        let created = put.signing_secret.is_some();
        let function = pb::Function { signing_secret: put.signing_secret, ..message(put.function) };
        Ok(Response::new(pb::PutFunctionResponse { function: Some(function), created }))
    }

    async fn get_function(&self, request: Request<pb::GetRequest>) -> Answer<pb::Function> {
        let function: Function = self.named(request.get_ref()).await?;
        Ok(Response::new(message(function)))
    }

    async fn list_functions(
        &self,
        request: Request<pb::ListRequest>,
    ) -> Answer<pb::ListFunctionsResponse> {
        let (items, next_cursor) = list_of::<Function, _>(self.listed(request.get_ref()).await?);
        Ok(Response::new(pb::ListFunctionsResponse { items, next_cursor }))
    }

    async fn rotate_secret(
        &self,
        request: Request<pb::RotateSecretRequest>,
    ) -> Answer<pb::Function> {
        let request = request.get_ref();
        let tenant = convert::uid("tenant", &request.tenant)?;
        let name = convert::name("name", &request.name)?;
        let (condition, overlap) = (request.condition.into(), request.overlap_seconds);
        let rotated = self.registry.rotate_secret(tenant, &name, condition, overlap).await;
        let NewFunction { function, signing_secret } = rotated.map_err(refuse)?;
        Ok(Response::new(pb::Function { signing_secret, ..message(function) }))
    }

    async fn delete_function(
        &self,
        request: Request<pb::DeleteRequest>,
    ) -> Answer<pb::DeleteFunctionResponse> {
        let (tenant, name, condition) = requests::deletion(request.get_ref())?;
        let deleted = self.registry.delete_function(tenant, &name, condition).await;
        let deleted = deleted.map_err(refuse)?.into_iter().map(message).collect();
        Ok(Response::new(pb::DeleteFunctionResponse { deleted }))
    }

    async fn put_source(
        &self,
        request: Request<pb::PutSourceRequest>,
    ) -> Answer<pb::PutSourceResponse> {
        let draft = source::Draft::try_from(request.into_inner())?;
        let (source, created) = self.registry.put_source(draft).await.map_err(refuse)?;
        Ok(Response::new(pb::PutSourceResponse { source: Some(message(source)), created }))
    }

    async fn get_source(&self, request: Request<pb::GetRequest>) -> Answer<pb::Source> {
        let source: Source = self.named(request.get_ref()).await?;
        Ok(Response::new(message(source)))
    }

    async fn list_sources(
        &self,
        request: Request<pb::ListRequest>,
    ) -> Answer<pb::ListSourcesResponse> {
        let (items, next_cursor) = list_of::<Source, _>(self.listed(request.get_ref()).await?);
        Ok(Response::new(pb::ListSourcesResponse { items, next_cursor }))
    }

    async fn delete_source(
        &self,
        request: Request<pb::DeleteRequest>,
    ) -> Answer<pb::DeleteResponse> {
        let (tenant, name, condition) = requests::deletion(request.get_ref())?;
        self.registry.delete_source(tenant, &name, condition).await.map_err(refuse)?;
        Ok(Response::new(pb::DeleteResponse {}))
    }

    async fn pause_source(&self, request: Request<pb::NamedRequest>) -> Answer<pb::Source> {
        self.set_source_paused(request.get_ref(), true).await
    }

    async fn resume_source(&self, request: Request<pb::NamedRequest>) -> Answer<pb::Source> {
        self.set_source_paused(request.get_ref(), false).await
    }

    async fn put_trigger(
        &self,
        request: Request<pb::PutTriggerRequest>,
    ) -> Answer<pb::PutTriggerResponse> {
        let draft = trigger::Draft::try_from(request.into_inner())?;
        let put = self.registry.put_trigger(draft).await.map_err(refuse)?;
        Ok(Response::new(pb::PutTriggerResponse {
            trigger: Some(message(put.trigger)),
            created: put.created,
            applied: put.applied,
        }))
    }

    async fn get_trigger(&self, request: Request<pb::GetRequest>) -> Answer<pb::Trigger> {
        let trigger: Trigger = self.named(request.get_ref()).await?;
        Ok(Response::new(message(trigger)))
    }

    async fn list_triggers(
        &self,
        request: Request<pb::ListRequest>,
    ) -> Answer<pb::ListTriggersResponse> {
        let (items, next_cursor) = list_of::<Trigger, _>(self.listed(request.get_ref()).await?);
        Ok(Response::new(pb::ListTriggersResponse { items, next_cursor }))
    }

    async fn delete_trigger(
        &self,
        request: Request<pb::DeleteRequest>,
    ) -> Answer<pb::DeleteResponse> {
        let (tenant, name, condition) = requests::deletion(request.get_ref())?;
        self.registry.delete_trigger(tenant, &name, condition).await.map_err(refuse)?;
        Ok(Response::new(pb::DeleteResponse {}))
    }

    async fn pause_trigger(
        &self,
        request: Request<pb::PauseTriggerRequest>,
    ) -> Answer<pb::Trigger> {
        let request = request.into_inner();
        let tenant = convert::uid("tenant", &request.tenant)?;
        let which = requests::which(&request)?;
        let (condition, reason) = (request.condition.into(), &request.reason);
        let paused = self.registry.pause_trigger(tenant, &which, condition, reason).await;
        Ok(Response::new(message(paused.map_err(refuse)?)))
    }

    async fn resume_trigger(
        &self,
        request: Request<pb::ResumeTriggerRequest>,
    ) -> Answer<pb::Trigger> {
        let request = request.get_ref();
        let tenant = convert::uid("tenant", &request.tenant)?;
        let which = Which::Name(convert::name("name", &request.name)?);
        let resumed = self.registry.resume_trigger(tenant, &which, request.condition.into()).await;
        Ok(Response::new(message(resumed.map_err(refuse)?)))
    }

    async fn put_source_trigger(
        &self,
        request: Request<pb::PutSourceTriggerRequest>,
    ) -> Answer<pb::PutSourceTriggerResponse> {
        let draft = PairDraft::try_from(request.into_inner())?;
        let encode = |put| message::<_, pb::PutSourceTriggerResponse>(put).encode_to_vec();
        let answer = self.registry.put_pair(draft, encode).await.map_err(refuse)?;
        let answer = pb::PutSourceTriggerResponse::decode(answer.as_slice());
        let corrupt = |_| refuse(Error::Store(store::Error::Corrupt("answer to a request")));
        Ok(Response::new(answer.map_err(corrupt)?))
    }

    async fn get_source_trigger(
        &self,
        request: Request<pb::GetRequest>,
    ) -> Answer<pb::SourceTrigger> {
        let request = request.get_ref();
        let tenant = convert::uid("tenant", &request.tenant)?;
        let name = convert::name("name", &request.name)?;
        let pair = self.registry.pair(tenant, &name).await.map_err(refuse)?;
        Ok(Response::new(message(pair)))
    }

    async fn list_source_triggers(
        &self,
        request: Request<pb::ListRequest>,
    ) -> Answer<pb::ListSourceTriggersResponse> {
        let request = request.get_ref();
        let tenant = convert::uid("tenant", &request.tenant)?;
        let asked = Asked::parse(tenant, request.limit, &request.cursor).map_err(refuse)?;
        let pairs = self.registry.pairs(&asked.only(request.into())).await.map_err(refuse)?;
        let (items, next_cursor) = list_of(pairs);
        Ok(Response::new(pb::ListSourceTriggersResponse { items, next_cursor }))
    }

    async fn delete_source_trigger(
        &self,
        request: Request<pb::DeleteRequest>,
    ) -> Answer<pb::DeleteResponse> {
        let (tenant, name, condition) = requests::deletion(request.get_ref())?;
        self.registry.delete_pair(tenant, &name, condition).await.map_err(refuse)?;
        Ok(Response::new(pb::DeleteResponse {}))
    }

    async fn get_trigger_revision(
        &self,
        request: Request<pb::GetTriggerRevisionRequest>,
    ) -> Answer<pb::Trigger> {
        let request = request.get_ref();
        let uid = convert::uid("trigger_uid", &request.trigger_uid)?;
        let trigger = self.registry.trigger_revision(uid, request.revision).await;
        Ok(Response::new(message(trigger.map_err(refuse)?)))
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<pb::Change, Status>> + Send>>;

    async fn watch(&self, request: Request<pb::WatchRequest>) -> Answer<Self::WatchStream> {
        let after = request.get_ref().after_revision;
        let changes = watch::changes(&self.registry, after, self.stop.clone());
        Ok(Response::new(Box::pin(changes.map(|next| next.map(change).map_err(refuse)))))
    }
}
