//! New secrets for functions that are there, and seals for what is not sealed yet.

use tripline_kernel::{Name, TenantUid};

use super::{Error, NewFunction, Registry};
use crate::condition::Condition;
use crate::function::{Earlier, Function, overlap};
use crate::parted;
use crate::resource::Kind;
use crate::store;

impl Registry {
    /// Gives a function a new signing secret. The one before goes on for `overlap_seconds`; with 0 it ends now.
    ///
    /// While one goes on, only that is done: a request that is repeated because its answer was lost must not end the
    /// secret that receivers have.
    pub(crate) async fn rotate_secret(
        &self,
        tenant: TenantUid,
        name: &Name,
        condition: Condition,
        overlap_seconds: u32,
    ) -> Result<NewFunction, Error> {
        let invalid = |fault| Error::Invalid { kind: Kind::Function, faults: vec![fault] };
        let overlap = overlap(overlap_seconds).map_err(invalid)?;
        let mut write = self.store.write().await?;
        let found: Option<Function> = store::named(write.db(), tenant, name).await?;
        let mut function = found.ok_or_else(|| Error::not_found(Kind::Function, name.as_str()))?;
        condition.check(Kind::Function, name, Some(&function.meta))?;
        let earlier = function.earlier_signing.as_ref().map(|earlier| earlier.until);
        if let Some(until) = earlier.filter(|until| !overlap.is_zero() && *until > write.now()) {
            return Err(Error::Rotating { function: name.clone(), until });
        }
        let (secret, sealed) = self.secrets.new_signing(function.meta.uid);
        let sealed = std::mem::replace(&mut function.signing_sealed, sealed);
        let until = write.now().after(overlap);
        function.earlier_signing = (!overlap.is_zero()).then_some(Earlier { sealed, until });
        write.stamp(&mut function.meta);
        write.update(&function).await?;
        write.commit().await?;
        tracing::info!(
            function.name = %name,
            function.uid = %function.meta.uid,
            overlap_seconds,
            "function '{name}' has a new signing secret"
        );
        Ok(NewFunction { function, signing_secret: Some(secret) })
    }

    /// Seals the secret settings that an earlier release left in the clear, and wipes them off the file.
    pub(crate) async fn seal_functions(&self) -> Result<(), Error> {
        let all: Vec<Function> = store::all(self.store.db()).await?;
        if !all.iter().any(|function| self.in_the_clear(function)) {
            return Ok(());
        }
        let mut write = self.store.write().await?;
        // Anew: another replica may have come first.
        let all: Vec<Function> = store::all(write.db()).await?;
        for mut function in all.into_iter().filter(|function| self.in_the_clear(function)) {
            let places = self.secret_places(&function);
            // What stands in the clear is newer than what was sealed before.
            let mut secrets = self.open_target(&function).unwrap_or_default();
            let mut clear = parted::part(&mut function.spec.target_settings, places);
            clear.retain(|_, value| !parted::is_placeholder(value));
            secrets.extend(clear);
            function.secrets_sealed =
                self.secrets.seal_target_settings(function.meta.uid, &secrets);
            write.stamp(&mut function.meta);
            write.update(&function).await?;
        }
        write.commit().await?;
        Ok(self.store.wipe().await?)
    }

    fn in_the_clear(&self, function: &Function) -> bool {
        let settings = serde_json::Value::Object(function.spec.target_settings.clone());
        let clear = |place: &String| {
            settings.pointer(place).is_some_and(|value| !parted::is_placeholder(value))
        };
        self.secret_places(function).iter().any(clear)
    }

    /// Where secrets stand among the settings of a function's target.
    fn secret_places(&self, function: &Function) -> Vec<String> {
        let kind = self.targets.get(&function.spec.target_kind);
        kind.map(|kind| kind.secrets(&function.spec.target_settings)).unwrap_or_default()
    }
}
