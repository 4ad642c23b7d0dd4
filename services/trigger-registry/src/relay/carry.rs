//! One attempt at one task.

use std::borrow::Cow;
use std::time::Duration;

use futures_util::future::try_join_all;
use tripline_bus::Retention;
use tripline_contracts::{convert, pb};
use tripline_event::{LogEntry, Marker, TriggerDefinition};
use tripline_kernel::{Classify, ErrorKind, TenantUid, Uid, backoff, milliseconds};
use tripline_runtime::Step;

use super::Relay;
use crate::bus::{Bus, streams};
use crate::store::{self, Entry, Grant, Task};
use crate::trigger::{State, Trigger};

/// How long auth may take for one call.
const AUTH_TIMEOUT: Duration = Duration::from_secs(2);
/// How long the log may take to make or delete streams, or to take markers on all partitions.
const LOG_TIMEOUT: Duration = Duration::from_secs(10);
/// The waits between attempts to open the buses at start grow from here…
const OPEN_RETRY_BASE: Duration = Duration::from_millis(200);
/// …to here.
const OPEN_RETRY_CAP: Duration = Duration::from_secs(5);

/// Why an attempt failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// Auth refused, or could not be reached.
    #[error("auth has not done what it was asked")]
    Auth(#[from] tripline_contracts::Error),
    /// Auth answered with what it should not.
    #[error("auth gave a wrong answer")]
    AuthAnswer(#[from] convert::BadField),
    /// The event log refused, or could not be reached.
    #[error("the event log has not done what it was asked")]
    Log(#[from] tripline_bus::Error),
    /// No answer in time.
    #[error("{0} has not answered in time")]
    Late(&'static str),
    /// The store did not do what was asked.
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl Classify for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Auth(error) => error.kind(),
            Self::AuthAnswer(_) => ErrorKind::Internal,
            // A stream that is not there is being made.
            Self::Log(tripline_bus::Error::NoStream(_)) => ErrorKind::Unavailable,
            Self::Log(error) => error.kind(),
            Self::Late(_) => ErrorKind::Timeout,
            Self::Store(error) => error.kind(),
        }
    }

    fn code(&self) -> Cow<'static, str> {
        match self {
            Self::Auth(error) => error.code(),
            Self::AuthAnswer(error) => error.code(),
            Self::Log(error) => error.code(),
            Self::Late(_) => "service-timeout".into(),
            Self::Store(error) => error.code(),
        }
    }
}

impl Relay {
    /// Does what the task asks for, and takes it out of the outbox.
    pub(super) async fn carry_out(&self, entry: &Entry) -> Result<(), Error> {
        match &entry.task {
            Task::OpenBus { partitions, retention_seconds, retention_bytes } => {
                let time = Duration::from_secs(*retention_seconds);
                let retention = Retention { time, bytes: *retention_bytes };
                self.make_streams(entry.uid, *partitions, retention).await?;
                self.mark(entry.uid, *partitions, Marker::Begin).await?;
                let write = self.store.write().await?;
                write.take_task(entry).await?;
                write.commit().await?;
                self.unmake_if_gone(entry.uid, *partitions).await
            }
            Task::CloseBus { partitions } => {
                self.delete_streams(entry.uid, *partitions).await?;
                let write = self.store.write().await?;
                write.take_task(entry).await?;
                Ok(write.commit().await?)
            }
            Task::Apply { bus, partitions, grant, definition } => {
                let granted = match grant {
                    Some(grant) => {
                        let rule = self.grant(entry.tenant, grant).await?;
                        self.abort.reached(Step::TriggerGranted);
                        Some((grant.relation, rule))
                    }
                    None => None,
                };
                let marker = trigger_marker(entry, Some(definition.clone()));
                self.mark(*bus, *partitions, marker).await?;
                self.abort.reached(Step::TriggerMarked);
                self.applied(entry, granted).await
            }
            Task::Remove { bus, partitions, revoke } => {
                self.mark(*bus, *partitions, trigger_marker(entry, None)).await?;
                self.abort.reached(Step::RemovalMarked);
                self.revoke(entry.tenant, revoke).await?;
                self.removed(entry, revoke).await
            }
            Task::Revoke { relations } => {
                self.revoke(entry.tenant, relations).await?;
                let write = self.store.write().await?;
                if write.take_task(entry).await? {
                    write.remove_relations(relations).await?;
                }
                write.commit().await?;
                self.abort.reached(Step::EarlierForgotten);
                Ok(())
            }
        }
    }

    /// Makes the streams of all buses, should the log have lost any. Returns when all are there.
    pub(super) async fn open_known_buses(&self) {
        let mut failures = 0;
        while let Err(error) = self.try_open_known_buses().await {
            failures += 1;
            let wait = backoff(failures, OPEN_RETRY_BASE, OPEN_RETRY_CAP, self.entropy.unit());
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                retry_ms = milliseconds(wait),
                "the streams of the buses cannot be opened yet"
            );
            tokio::time::sleep(wait).await;
        }
    }

    async fn try_open_known_buses(&self) -> Result<(), Error> {
        for bus in store::all::<Bus>(self.store.db()).await? {
            self.make_streams(bus.meta.uid, bus.partitions, bus.retention).await?;
            self.unmake_if_gone(bus.meta.uid, bus.partitions).await?;
        }
        Ok(())
    }

    /// Deletes the streams that were just made of a bus that is gone by now: another replica may have deleted them before
    /// they were made. A deletion after this finds them.
    async fn unmake_if_gone(&self, bus: Uid, partitions: u16) -> Result<(), Error> {
        let found: Vec<Bus> = store::with_uids(self.store.db(), vec![bus]).await?;
        if found.is_empty() {
            self.delete_streams(bus, partitions).await?;
        }
        Ok(())
    }

    async fn make_streams(
        &self,
        bus: Uid,
        partitions: u16,
        retention: Retention,
    ) -> Result<(), Error> {
        let create = |stream| self.log.create(stream, retention);
        let all = try_join_all(streams(bus, partitions).map(create));
        let made = tokio::time::timeout(LOG_TIMEOUT, all).await;
        made.map_err(|_| Error::Late("the event log"))??;
        Ok(())
    }

    async fn delete_streams(&self, bus: Uid, partitions: u16) -> Result<(), Error> {
        let all = try_join_all(streams(bus, partitions).map(|stream| self.log.delete(stream)));
        let deleted = tokio::time::timeout(LOG_TIMEOUT, all).await;
        deleted.map_err(|_| Error::Late("the event log"))??;
        Ok(())
    }

    /// Appends the marker to every partition of the bus.
    async fn mark(&self, bus: Uid, partitions: u16, marker: Marker) -> Result<(), Error> {
        let step = match &marker {
            Marker::Begin => None,
            Marker::Trigger { definition: Some(_), .. } => Some(Step::TriggerPartlyMarked),
            Marker::Trigger { definition: None, .. } => Some(Step::RemovalPartlyMarked),
        };
        let entry = LogEntry::Marker(marker).encode();
        let append = async |stream| {
            self.markers.append(stream, entry.clone()).await?;
            step.into_iter().for_each(|step| self.abort.reached(step));
            Ok::<_, tripline_bus::Error>(())
        };
        let all = try_join_all(streams(bus, partitions).map(append));
        let appended = tokio::time::timeout(LOG_TIMEOUT, all).await;
        appended.map_err(|_| Error::Late("the event log"))??;
        Ok(())
    }

    /// Grants a relation. Answers with the rule that it counts under.
    async fn grant(&self, tenant: TenantUid, grant: &Grant) -> Result<Uid, Error> {
        let request = pb::GrantRequest {
            tenant: tenant.to_string(),
            relation_uid: grant.relation.to_string(),
            subject: Some(grant.subject.into()),
            function_uid: grant.function.to_string(),
        };
        let mut auth = self.auth.clone();
        let answer = tokio::time::timeout(AUTH_TIMEOUT, auth.grant(request)).await;
        let rule =
            answer.map_err(|_| Error::Late("auth"))?.map_err(tripline_contracts::Error::from)?;
        Ok(convert::uid("rule.uid", &rule.get_ref().uid)?)
    }

    async fn revoke(&self, tenant: TenantUid, relations: &[Uid]) -> Result<(), Error> {
        for relation in relations {
            let request = pb::RevokeRequest {
                tenant: tenant.to_string(),
                relation_uid: relation.to_string(),
            };
            let mut auth = self.auth.clone();
            let answer = tokio::time::timeout(AUTH_TIMEOUT, auth.revoke(request)).await;
            answer.map_err(|_| Error::Late("auth"))?.map_err(tripline_contracts::Error::from)?;
            self.abort.reached(Step::RelationRevoked);
        }
        Ok(())
    }

    /// Notes that the trigger's definition is in force.
    async fn applied(&self, entry: &Entry, granted: Option<(Uid, Uid)>) -> Result<(), Error> {
        let mut write = self.store.write().await?;
        if !write.take_task(entry).await? {
            return Ok(()); // A newer task has taken its place and does all of this again.
        }
        if let Some((relation, rule)) = granted {
            write.relation_granted(relation, rule).await?;
        }
        let found: Option<Trigger> = store::with_uid(write.db(), entry.tenant, entry.uid).await?;
        if let Some(mut trigger) = found
            && trigger.state == State::Activating
        {
            trigger.state = State::Active;
            write.stamp(&mut trigger.meta);
            write.update(&trigger).await?;
        }
        write.commit().await?;
        self.abort.reached(Step::TriggerApplied);
        tracing::info!(
            trigger.name = entry.name,
            trigger.uid = %entry.uid,
            revision = entry.revision,
            "trigger '{}' is in force on every partition", entry.name
        );
        Ok(())
    }

    /// Forgets the trigger, but for its tombstone.
    async fn removed(&self, entry: &Entry, revoked: &[Uid]) -> Result<(), Error> {
        let mut write = self.store.write().await?;
        if !write.take_task(entry).await? {
            return Ok(());
        }
        write.remove_relations(revoked).await?;
        write.forget_definitions(entry.uid).await?;
        let found: Option<Trigger> = store::with_uid(write.db(), entry.tenant, entry.uid).await?;
        if let Some(trigger) = found {
            write.remove(&trigger).await?;
        }
        write.commit().await?;
        self.abort.reached(Step::TriggerRemoved);
        tracing::info!(
            trigger.name = entry.name,
            trigger.uid = %entry.uid,
            "trigger '{}' is out of force and gone", entry.name
        );
        Ok(())
    }
}

fn trigger_marker(entry: &Entry, definition: Option<TriggerDefinition>) -> Marker {
    Marker::Trigger { trigger: entry.uid, revision: entry.revision, definition }
}
