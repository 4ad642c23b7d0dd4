//! Sealing and opening what must not be readable in the database.

use std::sync::Arc;

use tripline_kernel::{Entropy, Uid};
use tripline_signing::{MasterKey, SigningSecret};

use super::Error;
use crate::function::{Function, signing_place};
use crate::kinds::{Settings, render};
use crate::resource::Kind;
use crate::source::{Source, secrets_place};

/// The secrets of functions and sources.
#[derive(Clone)]
pub(crate) struct Secrets {
    key: MasterKey,
    entropy: Arc<dyn Entropy>,
}

impl Secrets {
    pub(crate) fn new(key: MasterKey, entropy: Arc<dyn Entropy>) -> Self {
        Self { key, entropy }
    }

    /// A new signing secret for a function: as its owner is shown it, and sealed.
    pub(crate) fn new_signing(&self, function: Uid) -> (String, Vec<u8>) {
        let entropy = self.entropy.as_ref();
        let secret = SigningSecret::generate(entropy).expose();
        let sealed = self.key.seal(secret.as_bytes(), &signing_place(function), entropy);
        (secret, sealed)
    }

    /// The signing secret of a function, in the clear.
    pub(crate) fn signing(&self, function: &Function) -> Result<String, Error> {
        let opened = self.key.open(&function.signing_sealed, &signing_place(function.meta.uid));
        let text = opened.ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let name = || function.meta.name.clone();
        text.ok_or_else(|| Error::Sealed { kind: Kind::Function, name: name() })
    }

    /// Seals the secret settings of a source.
    pub(crate) fn seal_settings(&self, source: Uid, secrets: &Settings) -> Vec<u8> {
        self.key.seal(render(secrets).as_bytes(), &secrets_place(source), self.entropy.as_ref())
    }

    /// The secret settings of a source, in the clear.
    pub(crate) fn settings(&self, source: &Source) -> Result<Settings, Error> {
        let opened = self.key.open(&source.secrets_sealed, &secrets_place(source.meta.uid));
        let settings = opened.ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let name = || source.meta.name.clone();
        settings.ok_or_else(|| Error::Sealed { kind: Kind::Source, name: name() })
    }
}
