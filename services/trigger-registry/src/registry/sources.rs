//! Acts on sources.

use tripline_event::Subject;
use tripline_kernel::{Name, TenantUid, Uid};

use super::triggers::revoke_earlier;
use super::{Error, NAMED_MAX, Registry, referred};
use crate::bus::Bus;
use crate::condition::Condition;
use crate::kinds::Settings;
use crate::resource::Kind;
use crate::source::{Draft, Source, Spec};
use crate::store::{self, Write};

impl Registry {
    /// Creates a source, or replaces what its owner says of it. True when it was created.
    pub(crate) async fn put_source(&self, draft: Draft) -> Result<(Source, bool), Error> {
        let mut write = self.store.write().await?;
        let (source, created, changed) = self.write_source(&mut write, draft).await?;
        if changed {
            write.commit().await?;
            tracing::info!(
                source.name = %source.meta.name,
                source.uid = %source.meta.uid,
                source.kind = source.spec.kind,
                revision = source.meta.revision,
                "stored source '{}'", source.meta.name
            );
        }
        Ok((source, created))
    }

    /// Writes a source as the draft says. Answers with it, and whether it was created, and whether it was changed.
    pub(super) async fn write_source(
        &self,
        write: &mut Write,
        draft: Draft,
    ) -> Result<(Source, bool, bool), Error> {
        let found: Option<Source> = store::named(write.db(), draft.tenant, &draft.name).await?;
        draft.condition.check(Kind::Source, &draft.name, found.as_ref().map(|s| &s.meta))?;
        let opened = found.as_ref().and_then(|source| self.open_secrets(source));
        let same_kind = found.as_ref().is_some_and(|source| source.spec.kind == draft.kind);
        let stored = opened.clone().filter(|_| same_kind).unwrap_or_default();
        let bus: Result<Bus, _> = referred(write, draft.tenant, &draft.bus).await?;
        let (parted, bus) = match (draft.check(&self.sources, &stored), bus) {
            (Ok(parted), Ok(bus)) => (parted, bus),
            (parted, bus) => {
                let faults = parted.err().unwrap_or_default().into_iter().chain(bus.err());
                return Err(Error::Invalid { kind: Kind::Source, faults: faults.collect() });
            }
        };
        let spec = Spec { kind: draft.kind, settings: parted.settings, bus: bus.meta.reference() };
        let created = found.is_none();
        let paused = found.as_ref().is_some_and(|source| source.paused);
        let mut meta = match found {
            Some(source) if source.spec == spec && opened.as_ref() == Some(&parted.secrets) => {
                return Ok((source, false, false));
            }
            Some(source) => source.meta,
            None => self.new_meta(draft.tenant, draft.name),
        };
        write.stamp(&mut meta);
        let secrets_sealed = self.secrets.seal_settings(meta.uid, &parted.secrets);
        let source = Source { meta, spec, secrets_sealed, paused };
        if created {
            write.insert(&source).await?;
        } else {
            write.update(&source).await?;
        }
        Ok((source, created, true))
    }

    /// The secret settings of a source, unless they were sealed with another master key: new ones mend that.
    fn open_secrets(&self, source: &Source) -> Option<Settings> {
        let opened = self.secrets.settings(source);
        opened.inspect_err(|error| tracing::error!(source.name = %source.meta.name, "{error}")).ok()
    }

    /// Pauses a source, or lets it run again. One that is so already stays as it is.
    pub(crate) async fn set_source_paused(
        &self,
        tenant: TenantUid,
        name: &Name,
        condition: Condition,
        paused: bool,
    ) -> Result<Source, Error> {
        let mut write = self.store.write().await?;
        let found: Option<Source> = store::named(write.db(), tenant, name).await?;
        let mut source = found.ok_or_else(|| Error::not_found(Kind::Source, name.as_str()))?;
        condition.check(Kind::Source, name, Some(&source.meta))?;
        if source.paused != paused {
            source.paused = paused;
            write.stamp(&mut source.meta);
            write.update(&source).await?;
            write.commit().await?;
            let done = if paused { "paused" } else { "resumed" };
            tracing::info!(source.name = %name, source.uid = %source.meta.uid, "{done} source '{name}'");
        }
        Ok(source)
    }

    /// Deletes a source that no trigger uses, and waits, within limits, until it may not invoke anything any more.
    pub(crate) async fn delete_source(
        &self,
        tenant: TenantUid,
        name: &Name,
        condition: Condition,
    ) -> Result<(), Error> {
        let mut write = self.store.write().await?;
        let source = remove_source(&mut write, tenant, name, condition).await?;
        write.commit().await?;
        tracing::info!(source.name = %name, source.uid = %source, "deleted source '{name}'");
        self.settle(vec![source]).await;
        Ok(())
    }
}

/// Removes a source that no trigger uses, but for those on their way out.
pub(super) async fn remove_source(
    write: &mut Write,
    tenant: TenantUid,
    name: &Name,
    condition: Condition,
) -> Result<Uid, Error> {
    let found: Option<Source> = store::named(write.db(), tenant, name).await?;
    let source = found.ok_or_else(|| Error::not_found(Kind::Source, name.as_str()))?;
    condition.check(Kind::Source, name, Some(&source.meta))?;
    let users = store::using_source(write.db(), tenant, source.meta.uid, NAMED_MAX).await?;
    if !users.is_empty() {
        let triggers = users.into_iter().map(|trigger| trigger.meta.name).collect();
        return Err(Error::SourceInUse { source_name: name.clone(), triggers });
    }
    // Triggers that went by it once, and live on with another source or none.
    let subject = Subject::Source(source.meta.uid);
    let earlier = store::relations_from(write.db(), tenant, subject).await?;
    write.remove(&source).await?;
    revoke_earlier(write, &source.meta, &earlier).await?;
    Ok(source.meta.uid)
}
