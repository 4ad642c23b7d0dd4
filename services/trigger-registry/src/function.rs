//! Functions: what an invocation calls.

use std::fmt::Display;

use tripline_kernel::{Fault, Name, TenantUid, Uid};
use tripline_target as target;

use crate::condition::Condition;
use crate::kinds::{Kinds, Settings, parse_settings};
use crate::resource::Meta;

const TIMEOUT_MS_DEFAULT: u32 = 10_000;
const TIMEOUT_MS_MAX: u32 = 900_000;
const CONCURRENCY_DEFAULT: u32 = 64;
const CONCURRENCY_MAX: u32 = 1_000;

/// Something that can be invoked.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Function {
    pub(crate) meta: Meta,
    pub(crate) spec: Spec,
    /// The signing secret, sealed for [`signing_place`].
    pub(crate) signing_sealed: Vec<u8>,
}

/// Where a function's signing secret opens.
pub(crate) fn signing_place(uid: Uid) -> String {
    format!("function/{uid}/signing")
}

/// What its owner says of a function.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Spec {
    pub(crate) target_kind: String,
    pub(crate) target_settings: Settings,
    pub(crate) timeout_ms: u32,
    pub(crate) concurrency: u32,
}

/// A function as it was asked for, not checked yet.
#[derive(Clone, Debug)]
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
    /// The function that this draft describes, or all that is wrong with it.
    pub(crate) fn check(&self, kinds: &Kinds<dyn target::Kind>) -> Result<Spec, Vec<Fault>> {
        let mut faults = Vec::new();
        let settings = parse_settings(&self.target_settings_json, "/target");
        let target_settings = settings.unwrap_or_else(|fault| {
            faults.push(fault);
            Settings::new()
        });
        match kinds.named(&self.target_kind, "/target/kind") {
            // Settings that could not be read are one fault, not a list of missing fields.
            Ok(kind) if faults.is_empty() => {
                faults.extend(kind.check(&target_settings).into_iter().map(|f| f.under("/target")));
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
        Ok(Spec { target_kind: self.target_kind.clone(), target_settings, timeout_ms, concurrency })
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
