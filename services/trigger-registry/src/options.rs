//! What an operator may choose.

use std::time::Duration;

use tripline_kernel::Fault;

/// How the registry runs.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Where everything is kept.
    pub db: tripline_db::Options,
    /// How long the answer to a change of a trigger waits for the change to be in force, in milliseconds.
    /// After that it says that the change is accepted and not in force yet.
    pub apply_wait_ms: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { db: tripline_db::Options::default(), apply_wait_ms: 5_000 }
    }
}

impl Options {
    /// The longest that an answer may wait, in milliseconds.
    pub const APPLY_WAIT_MS_MAX: u64 = 30_000;

    /// Every fault of these options, with pointers into them.
    #[must_use]
    pub fn validate(&self) -> Vec<Fault> {
        use secrecy::ExposeSecret as _;
        let mut faults = Vec::new();
        if self.db.url.expose_secret().is_empty() {
            faults.push(Fault::new("/db/url", "required", "the registry needs a database"));
        }
        if self.apply_wait_ms > Self::APPLY_WAIT_MS_MAX {
            let detail = format!("at most {}", Self::APPLY_WAIT_MS_MAX);
            faults.push(Fault::new("/apply_wait_ms", "out-of-range", detail));
        }
        faults
    }

    pub(crate) fn apply_wait(&self) -> Duration {
        Duration::from_millis(self.apply_wait_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::Options;

    #[test]
    fn every_fault_is_named_at_once() {
        let options = Options { apply_wait_ms: 30_001, ..Options::default() };
        let pointers: Vec<_> = options.validate().into_iter().map(|fault| fault.pointer).collect();
        assert_eq!(pointers, ["/db/url", "/apply_wait_ms"]);
    }
}
