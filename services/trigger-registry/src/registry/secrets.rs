//! Sealing and opening what must not be readable in the database.

use std::sync::Arc;

use tripline_kernel::{Entropy, Timestamp, Uid};
use tripline_signing::{MasterKey, SigningSecret};

use super::Error;
use crate::function::{self, Function, signing_place};
use crate::kinds::{Settings, render};
use crate::resource::Kind;
use crate::source::{self, Source};

/// The secrets of a function, in the clear. Not `Debug`.
pub(crate) struct OfFunction {
    pub(crate) signing: String,
    /// The signing secret before, and until when calls are signed with it as well.
    pub(crate) earlier_signing: Option<(String, Timestamp)>,
    /// The secret settings of its target, by JSON Pointer.
    pub(crate) settings: Settings,
}

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

    /// The secrets of a function, in the clear.
    pub(crate) fn of_function(&self, function: &Function) -> Result<OfFunction, Error> {
        let sealed = || Error::Sealed { kind: Kind::Function, name: function.meta.name.clone() };
        let place = signing_place(function.meta.uid);
        let signing = |from: &[u8]| {
            let opened = self.key.open(from, &place).ok();
            opened.and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(sealed)
        };
        let earlier_signing = match &function.earlier_signing {
            Some(earlier) => Some((signing(&earlier.sealed)?, earlier.until)),
            None => None,
        };
        Ok(OfFunction {
            signing: signing(&function.signing_sealed)?,
            earlier_signing,
            settings: self.target_settings(function)?,
        })
    }

    /// The secret settings of a function's target, by JSON Pointer, in the clear.
    pub(crate) fn target_settings(&self, function: &Function) -> Result<Settings, Error> {
        if function.secrets_sealed.is_empty() {
            return Ok(Settings::new());
        }
        let place = function::secrets_place(function.meta.uid);
        let opened = self.key.open(&function.secrets_sealed, &place).ok();
        let settings = opened.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let name = || function.meta.name.clone();
        settings.ok_or_else(|| Error::Sealed { kind: Kind::Function, name: name() })
    }

    /// Seals the secret settings of a function's target.
    pub(crate) fn seal_target_settings(&self, function: Uid, secrets: &Settings) -> Vec<u8> {
        let place = function::secrets_place(function);
        self.key.seal(render(secrets).as_bytes(), &place, self.entropy.as_ref())
    }

    /// Seals the secret settings of a source.
    pub(crate) fn seal_settings(&self, source: Uid, secrets: &Settings) -> Vec<u8> {
        self.key.seal(
            render(secrets).as_bytes(),
            &source::secrets_place(source),
            self.entropy.as_ref(),
        )
    }

    /// The secret settings of a source, in the clear.
    pub(crate) fn settings(&self, source: &Source) -> Result<Settings, Error> {
        let opened = self.key.open(&source.secrets_sealed, &source::secrets_place(source.meta.uid));
        let settings = opened.ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let name = || source.meta.name.clone();
        settings.ok_or_else(|| Error::Sealed { kind: Kind::Source, name: name() })
    }
}
