//! Sources: configured origins of events.

use tripline_kernel::{Fault, Name, TenantUid, Uid};
use tripline_source as port;

use crate::condition::Condition;
use crate::kinds::{Kinds, Settings, parse_settings};
use crate::parted::{is_placeholder, not_set, placeholder};
use crate::resource::{Meta, Ref};

/// A configured origin of events.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Source {
    pub(crate) meta: Meta,
    pub(crate) spec: Spec,
    /// The secret settings as a JSON object, sealed for [`secrets_place`].
    pub(crate) secrets_sealed: Vec<u8>,
    /// It is not run.
    pub(crate) paused: bool,
}

/// Where a source's secret settings open.
pub(crate) fn secrets_place(uid: Uid) -> String {
    format!("source/{uid}/settings")
}

/// What its owner says of a source, without the secrets.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Spec {
    pub(crate) kind: String,
    /// Each secret stands as [`is_placeholder`].
    pub(crate) settings: Settings,
    pub(crate) bus: Ref,
}

/// A source as it was asked for, not checked yet. May hold secrets: not `Debug`.
pub(crate) struct Draft {
    pub(crate) tenant: TenantUid,
    pub(crate) name: Name,
    pub(crate) condition: Condition,
    pub(crate) kind: String,
    pub(crate) settings_json: String,
    pub(crate) bus: String,
}

/// Checked settings, with the secrets apart.
pub(crate) struct Parted {
    /// What may be read back.
    pub(crate) settings: Settings,
    /// What may not.
    pub(crate) secrets: Settings,
}

impl Draft {
    /// Checks the settings and parts the secrets from them. A secret given as `{"secret": "set"}` is taken from
    /// `stored`, which holds the secrets of the same kind of source under this name.
    pub(crate) fn check(
        &self,
        kinds: &Kinds<dyn port::Kind>,
        stored: &Settings,
    ) -> Result<Parted, Vec<Fault>> {
        let kind = kinds.named(&self.kind, "/kind");
        let settings = parse_settings(&self.settings_json, "/settings");
        let (kind, mut settings) = match (kind, settings) {
            (Ok(kind), Ok(settings)) => (kind, settings),
            (kind, settings) => return Err(kind.err().into_iter().chain(settings.err()).collect()),
        };
        let mut unknown = Vec::new();
        for &field in kind.secrets() {
            if !settings.get(field).is_some_and(is_placeholder) {
                continue;
            }
            match stored.get(field) {
                Some(secret) => drop(settings.insert(field.to_owned(), secret.clone())),
                None => {
                    settings.remove(field);
                    unknown.push(not_set(&format!("/{field}")));
                }
            }
        }
        let mut faults = kind.check(&settings);
        faults.retain(|fault| unknown.iter().all(|known| known.pointer != fault.pointer));
        faults.extend(unknown);
        if !faults.is_empty() {
            return Err(faults.into_iter().map(|fault| fault.under("/settings")).collect());
        }
        Ok(part(settings, kind.secrets()))
    }
}

fn part(mut settings: Settings, fields: &[&str]) -> Parted {
    let mut secrets = Settings::new();
    for &field in fields {
        if let Some(value) = settings.get_mut(field) {
            secrets.insert(field.to_owned(), std::mem::replace(value, placeholder()));
        }
    }
    Parted { settings, secrets }
}

/// The settings with the secrets back in their places.
pub(crate) fn join(mut settings: Settings, secrets: Settings) -> Settings {
    settings.extend(secrets);
    settings
}
