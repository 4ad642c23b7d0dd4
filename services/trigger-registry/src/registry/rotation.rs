//! New secrets for functions that are there, and seals for what is not sealed yet.

use tripline_kernel::{Name, TenantUid};

use super::{Error, NewFunction, Registry};
use crate::condition::Condition;
use crate::function::{Earlier, Function, overlap};
use crate::parted;
use crate::resource::Kind;
use crate::store;

impl Registry {
    /// Gives a function a new signing secret. The one before goes on for `overlap_seconds`; one before that ends now.
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

    /// Seals the secret settings that an earlier release left in the clear.
    pub(crate) async fn seal_functions(&self) -> Result<(), Error> {
        let in_the_clear = |function: &Function| function.secrets_sealed.is_empty();
        let all: Vec<Function> = store::all(self.store.db()).await?;
        if !all.iter().any(in_the_clear) {
            return Ok(());
        }
        let mut write = self.store.write().await?;
        // Anew: another replica may have come first.
        let all: Vec<Function> = store::all(write.db()).await?;
        for mut function in all.into_iter().filter(in_the_clear) {
            let Some(kind) = self.targets.get(&function.spec.target_kind) else { continue };
            let places = kind.secrets(&function.spec.target_settings);
            let secrets = parted::part(&mut function.spec.target_settings, places);
            function.secrets_sealed =
                self.secrets.seal_target_settings(function.meta.uid, &secrets);
            write.stamp(&mut function.meta);
            write.update(&function).await?;
        }
        Ok(write.commit().await?)
    }
}
