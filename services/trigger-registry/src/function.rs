//! Functions: what an invocation calls.

use std::fmt::Display;
use std::time::Duration;

use tripline_kernel::{Fault, Name, TenantUid, Timestamp, Uid};
use tripline_target as target;

use crate::condition::Condition;
use crate::kinds::{Kinds, Settings, parse_settings};
use crate::parted;
use crate::resource::Meta;

const TIMEOUT_MS_DEFAULT: u32 = 10_000;
const TIMEOUT_MS_MAX: u32 = 900_000;
const CONCURRENCY_DEFAULT: u32 = 64;
const CONCURRENCY_MAX: u32 = 1_000;
/// Longest that a signing secret goes on beside the one that took its place, in seconds.
const OVERLAP_SECONDS_MAX: u32 = 7 * 24 * 3600;

/// Something that can be invoked.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Function {
    pub(crate) meta: Meta,
    pub(crate) spec: Spec,
    /// The signing secret, sealed for [`signing_place`].
    pub(crate) signing_sealed: Vec<u8>,
    /// The signing secret before it.
    pub(crate) earlier_signing: Option<Earlier>,
    /// The secret settings of the target, by JSON Pointer, sealed for [`secrets_place`]. Empty in what an
    /// earlier release left.
    pub(crate) secrets_sealed: Vec<u8>,
}

/// A signing secret whose place another one has taken.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Earlier {
    /// Sealed for [`signing_place`].
    pub(crate) sealed: Vec<u8>,
    /// Until when calls are signed with it as well.
    pub(crate) until: Timestamp,
}

/// Where a function's signing secret opens.
pub(crate) fn signing_place(uid: Uid) -> String {
    format!("function/{uid}/signing")
}

/// Where the secret settings of a function's target open.
pub(crate) fn secrets_place(uid: Uid) -> String {
    format!("function/{uid}/settings")
}

/// What its owner says of a function, without the secrets.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Spec {
    pub(crate) target_kind: String,
    /// Each secret stands as [`parted::is_placeholder`].
    pub(crate) target_settings: Settings,
    pub(crate) timeout_ms: u32,
    pub(crate) concurrency: u32,
}

/// What its owner says of a function, with the secrets apart.
pub(crate) struct Checked {
    pub(crate) spec: Spec,
    /// The secret settings of the target, by JSON Pointer.
    pub(crate) secrets: Settings,
}

/// A function as it was asked for, not checked yet. May hold secrets: not `Debug`.
pub(crate) struct Draft {
    pub(crate) tenant: TenantUid,
    pub(crate) name: Name,
    pub(crate) condition: Condition,
    pub(crate) target_kind: String,
    pub(crate) target_settings_json: String,
    pub(crate) timeout_ms: Option<u32>,
    pub(crate) concurrency: Option<u32>,
}

impl Draft {
    /// The function that this draft describes, or all that is wrong with it. A secret given as `{"secret": "set"}` is
    /// taken from `stored`, which holds the secrets of a function of this name and kind.
    pub(crate) fn check(
        &self,
        kinds: &Kinds<dyn target::Kind>,
        stored: &Settings,
    ) -> Result<Checked, Vec<Fault>> {
        let (mut target_settings, mut faults) =
            match parse_settings(&self.target_settings_json, "/target") {
                Ok(settings) => (settings, Vec::new()),
                Err(fault) => (Settings::new(), vec![fault]),
            };
        let mut secrets = Settings::new();
        match kinds.named(&self.target_kind, "/target/kind") {
            // Settings that could not be read are one fault, not a list of missing fields.
            Ok(kind) if faults.is_empty() => {
                let places = kind.secrets(&target_settings);
                let unset = parted::fill(&mut target_settings, &places, stored);
                let mut wrong = kind.check(&target_settings);
                wrong.retain(|fault| unset.iter().all(|unset| unset.pointer != fault.pointer));
                faults.extend(wrong.into_iter().chain(unset).map(|fault| fault.under("/target")));
                secrets = parted::part(&mut target_settings, places);
            }
            Ok(_) => {}
            Err(fault) => faults.push(fault),
        }
        let timeout_ms = self.timeout_ms.unwrap_or(TIMEOUT_MS_DEFAULT);
        let concurrency = self.concurrency.unwrap_or(CONCURRENCY_DEFAULT);
        faults.extend(out_of_range("/timeout_ms", timeout_ms, 1, TIMEOUT_MS_MAX));
        faults.extend(out_of_range("/concurrency", concurrency, 1, CONCURRENCY_MAX));
        if !faults.is_empty() {
            return Err(faults);
        }
        let target_kind = self.target_kind.clone();
        Ok(Checked {
            spec: Spec { target_kind, target_settings, timeout_ms, concurrency },
            secrets,
        })
    }
}

/// How long the signing secret before goes on, or what is wrong with that.
pub(crate) fn overlap(seconds: u32) -> Result<Duration, Fault> {
    match out_of_range("/overlap_seconds", seconds, 0, OVERLAP_SECONDS_MAX) {
        Some(fault) => Err(fault),
        None => Ok(Duration::from_secs(seconds.into())),
    }
}

/// The fault of a number outside `min..=max`.
pub(crate) fn out_of_range<T: PartialOrd + Display + Copy>(
    pointer: &str,
    value: T,
    min: T,
    max: T,
) -> Option<Fault> {
    let fault = || Fault::new(pointer, "out-of-range", format!("must be from {min} to {max}"));
    (value < min || value > max).then(fault)
}
