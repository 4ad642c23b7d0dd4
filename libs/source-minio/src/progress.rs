//! What the inventory is complete for, over all runs of a source.
//!
//! An object that is listed and not known was created during a gap, but only where the inventory is complete: what was
//! there before the source was made, or before its prefix was widened, is recorded and not told. A run that ends before
//! it has recorded all of that leaves behind since when changes count.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tripline_source::{Error, Outlet};

/// Where the progress is remembered.
const REMEMBERED: &[u8] = b"progress";

/// Which keys a source watches.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Scope {
    pub(crate) prefix: String,
    pub(crate) suffix: String,
}

impl Scope {
    pub(crate) fn covers(&self, key: &str) -> bool {
        key.starts_with(&self.prefix) && key.ends_with(&self.suffix)
    }

    /// The keys that both cover, where that can be said with one prefix and one suffix.
    fn intersection(&self, other: &Self) -> Option<Self> {
        let longer = |one: &String, other: &String| {
            let longer = if one.len() < other.len() { other } else { one };
            longer.clone()
        };
        let prefix = longer(&self.prefix, &other.prefix);
        let suffix = longer(&self.suffix, &other.suffix);
        let both = prefix.starts_with(&self.prefix)
            && prefix.starts_with(&other.prefix)
            && suffix.ends_with(&self.suffix)
            && suffix.ends_with(&other.suffix);
        both.then_some(Self { prefix, suffix })
    }
}

/// A scope whose objects are being recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Recording {
    scope: Scope,
    /// What was created from this moment on counts as created while the scope was watched: milliseconds since the epoch.
    since: i64,
}

/// What is remembered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Progress {
    /// The bucket, and the server that it is on.
    of: (String, String),
    /// The number of the run. Rises with each.
    run: u64,
    complete: Option<Scope>,
    recording: Option<Recording>,
}

/// What a run goes by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) run: u64,
    /// What is watched.
    pub(crate) scope: Scope,
    /// What the inventory is complete for; nothing at first.
    pub(crate) complete: Option<Scope>,
    /// From when on what is not known was created while it was watched, where the inventory is not complete. Nothing
    /// when all of that is told by the live stream of this run.
    pub(crate) since: Option<i64>,
}

impl Progress {
    /// What earlier runs have left. What cannot be read counts as nothing.
    ///
    /// The inventory of another bucket, or of another server, says nothing of this one: it is cleared.
    pub(crate) async fn recall(outlet: &dyn Outlet, of: (String, String)) -> Result<Self, Error> {
        let remembered = outlet.recall(REMEMBERED).await?.unwrap_or_default();
        let progress = serde_json::from_slice(&remembered).unwrap_or_else(|_| Self::default());
        if progress.of == of {
            return Ok(progress);
        }
        outlet.inventory().clear().await?;
        Ok(Self { of, run: progress.run, ..Self::default() })
    }

    /// Begins a run that watches `scope`, whose live stream was opened at `now`, in milliseconds since the epoch.
    pub(crate) fn begin(&mut self, scope: Scope, now: i64) -> Plan {
        self.run += 1;
        // What is not watched any more will not stay complete.
        let complete = self.complete.take().and_then(|complete| complete.intersection(&scope));
        let mut since = None;
        if complete.as_ref() == Some(&scope) {
            self.recording = None;
        } else {
            let earlier = self.recording.take().filter(|recording| recording.scope == scope);
            since = earlier.map(|recording| recording.since);
            let recording = Recording { scope: scope.clone(), since: since.unwrap_or(now) };
            self.recording = Some(recording);
        }
        self.complete.clone_from(&complete);
        Plan { run: self.run, scope, complete, since }
    }

    /// Everything that the scope covers is in the inventory.
    pub(crate) fn completed(&mut self, scope: Scope) {
        self.complete = Some(scope);
        self.recording = None;
    }

    pub(crate) async fn remember(&self, outlet: &dyn Outlet) -> Result<(), Error> {
        let json = serde_json::to_vec(self).map_err(|error| Error::Outlet(error.to_string()))?;
        outlet.remember(REMEMBERED, Bytes::from(json)).await
    }
}

#[cfg(test)]
mod tests {
    use super::{Plan, Progress, Scope};

    fn scope(prefix: &str, suffix: &str) -> Scope {
        Scope { prefix: prefix.to_owned(), suffix: suffix.to_owned() }
    }

    fn plan(run: u64, scope: Scope, complete: Option<Scope>, since: Option<i64>) -> Plan {
        Plan { run, scope, complete, since }
    }

    #[test]
    fn what_was_there_first_is_recorded_and_later_runs_know_since_when() {
        let mut progress = Progress::default();
        let all = scope("", "");
        assert_eq!(progress.begin(all.clone(), 10), plan(1, all.clone(), None, None));
        assert_eq!(progress.begin(all.clone(), 20), plan(2, all.clone(), None, Some(10)));
        progress.completed(all.clone());
        assert_eq!(progress.begin(all.clone(), 30), plan(3, all.clone(), Some(all), None));
    }

    #[test]
    fn what_is_watched_anew_is_recorded_and_the_rest_goes_on() {
        let mut progress = Progress::default();
        progress.begin(scope("in/", ""), 10);
        progress.completed(scope("in/", ""));
        let wide = progress.begin(scope("", ".jpg"), 20);
        assert_eq!(wide, plan(2, scope("", ".jpg"), Some(scope("in/", ".jpg")), None));
        let again = progress.begin(scope("", ".jpg"), 30);
        assert_eq!(again, plan(3, scope("", ".jpg"), Some(scope("in/", ".jpg")), Some(20)));
        let back = progress.begin(scope("in/", ""), 40);
        assert_eq!(back, plan(4, scope("in/", ""), Some(scope("in/", ".jpg")), None));
        let other = progress.begin(scope("out/", ""), 50);
        assert_eq!(other, plan(5, scope("out/", ""), None, None));
    }

    #[test]
    fn a_narrowed_scope_is_complete_at_once() {
        let mut progress = Progress::default();
        progress.completed(scope("", ""));
        let narrow = scope("in/", ".jpg");
        assert_eq!(progress.begin(narrow.clone(), 1), plan(1, narrow.clone(), Some(narrow), None));
    }

    #[test]
    fn what_is_remembered_is_read() {
        let mut progress = Progress::default();
        progress.begin(scope("in/", ""), 10);
        let json = serde_json::to_vec(&progress).unwrap();
        assert_eq!(serde_json::from_slice::<Progress>(&json).unwrap(), progress);
    }
}
