//! What routers ask of the registry, which is little: only a gap in the log makes them.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio_stream::StreamExt as _;
use tripline_contracts::Error;
use tripline_contracts::convert::{BadField, optional_uid, uid};
use tripline_contracts::pb::registry_client::RegistryClient;
use tripline_contracts::pb::{self, change::Resource};
use tripline_contracts::transport::Client;
use tripline_event::TriggerDefinition;
use tripline_kernel::{Classify as _, ErrorKind, TenantUid, Uid};

/// A trigger's definition with its revision, as the registry has it now.
pub(crate) type Rebuilt = BTreeMap<Uid, (u64, Arc<TriggerDefinition>)>;

/// What a router needs of the registry after a gap.
#[async_trait::async_trait]
pub(crate) trait Control: Send + Sync + 'static {
    /// The definitions of all triggers of a bus as they are now. Those whose marker is still to come are left out.
    async fn definitions(&self, bus: Uid) -> Result<Rebuilt, Error>;

    /// Pauses a trigger. One that is gone is none to pause.
    async fn pause(&self, tenant: TenantUid, trigger: Uid, reason: &str) -> Result<(), Error>;
}

/// The registry, over gRPC.
#[derive(Clone)]
pub(crate) struct Registry {
    client: RegistryClient<Client>,
}

impl Registry {
    pub(crate) fn new(client: Client) -> Self {
        Self { client: RegistryClient::new(client) }
    }

    /// Everything above `after_revision`, then what changes.
    pub(super) async fn watch(
        &self,
        after_revision: u64,
    ) -> Result<tonic::Streaming<pb::Change>, Error> {
        let request = pb::WatchRequest { after_revision };
        Ok(self.client.clone().watch(request).await?.into_inner())
    }
}

#[async_trait::async_trait]
impl Control for Registry {
    async fn definitions(&self, bus: Uid) -> Result<Rebuilt, Error> {
        let mut changes = self.watch(0).await?;
        let mut rebuilt = Rebuilt::new();
        while let Some(change) = changes.next().await {
            let change = change?;
            match change.resource {
                Some(Resource::CaughtUp(_)) => return Ok(rebuilt),
                Some(Resource::Trigger(trigger)) => {
                    let trigger = match Stated::try_from(trigger) {
                        Ok(trigger) => trigger,
                        Err(error) => {
                            tracing::error!(%error, "the registry told a trigger that makes no sense");
                            continue;
                        }
                    };
                    if change.deleted || !trigger.in_force || trigger.bus != Some(bus) {
                        rebuilt.remove(&trigger.uid);
                    } else {
                        let definition = (trigger.revision, Arc::new(trigger.definition));
                        rebuilt.insert(trigger.uid, definition);
                    }
                }
                Some(Resource::Bus(_) | Resource::Function(_) | Resource::Source(_)) | None => {}
            }
        }
        Err(tonic::Status::unavailable("the registry ended its answer early").into())
    }

    async fn pause(&self, tenant: TenantUid, trigger: Uid, reason: &str) -> Result<(), Error> {
        let request = pb::PauseTriggerRequest {
            tenant: tenant.to_string(),
            which: Some(pb::pause_trigger_request::Which::Uid(trigger.to_string())),
            reason: reason.to_owned(),
            condition: None,
        };
        match self.client.clone().pause_trigger(request).await.map_err(Error::from) {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// A trigger as the registry states it.
struct Stated {
    uid: Uid,
    bus: Option<Uid>,
    revision: u64,
    in_force: bool,
    definition: TriggerDefinition,
}

impl TryFrom<pb::Trigger> for Stated {
    type Error = BadField;

    fn try_from(trigger: pb::Trigger) -> Result<Self, BadField> {
        let (state, meta) = (trigger.state(), trigger.meta.unwrap_or_default());
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        // Of one that is deleted only the meta is there.
        let function = given(&trigger.function_uid);
        let function = optional_uid("trigger.function_uid", function.as_deref())?;
        Ok(Self {
            uid: uid("trigger.meta.uid", &meta.uid)?,
            bus: optional_uid("trigger.bus_uid", given(&trigger.bus_uid).as_deref())?,
            revision: trigger.definition_revision,
            in_force: matches!(state, pb::TriggerState::Active | pb::TriggerState::Paused),
            definition: TriggerDefinition {
                source: optional_uid("trigger.source_uid", trigger.source_uid.as_deref())?,
                pattern: trigger.pattern_json.map(Into::into),
                function: function.unwrap_or(Uid::NIL),
            },
        })
    }
}
