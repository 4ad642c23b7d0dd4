//! Which triggers are in force at one place of a partition.
//!
//! A marker counts only if its revision is above the one applied. So that this holds for deleted triggers too, the
//! revisions of the latest deletions are kept: a marker that the registry repeats late does not bring one back.

use std::collections::BTreeMap;
use std::sync::Arc;

use tripline_event::TriggerDefinition;
use tripline_kernel::Uid;

/// Most deletions that are remembered; those of the lowest revisions are forgotten first.
const GONE_MAX: usize = 1024;

/// The triggers in force at one place, as stored with the checkpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Definitions {
    triggers: BTreeMap<Uid, Defined>,
    gone: BTreeMap<Uid, u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
struct Defined {
    revision: u64,
    definition: Arc<TriggerDefinition>,
}

/// One change of what is in force.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    /// The trigger is as defined here, or gone.
    Trigger { trigger: Uid, revision: u64, definition: Option<Arc<TriggerDefinition>> },
    /// Everything is as told here: after a gap.
    Everything(Arc<Definitions>),
}

impl Definitions {
    /// The definitions that this JSON text holds; none for an empty text.
    ///
    /// # Errors
    /// When the text is not what [`Self::to_json`] writes.
    pub(crate) fn from_json(text: &str) -> Result<Self, serde_json::Error> {
        if text.is_empty() { Ok(Self::default()) } else { serde_json::from_str(text) }
    }

    pub(crate) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("a map with text keys can be written as JSON")
    }

    /// These triggers, and no memory of others.
    pub(crate) fn of(
        triggers: impl IntoIterator<Item = (Uid, u64, Arc<TriggerDefinition>)>,
    ) -> Self {
        let defined = |(trigger, revision, definition)| (trigger, Defined { revision, definition });
        Self { triggers: triggers.into_iter().map(defined).collect(), gone: BTreeMap::new() }
    }

    /// Every trigger in force, with its revision.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Uid, u64, &TriggerDefinition)> {
        self.triggers.iter().map(|(uid, defined)| (*uid, defined.revision, &*defined.definition))
    }

    /// Whether a marker of this revision would change anything.
    pub(crate) fn is_news(&self, trigger: Uid, revision: u64) -> bool {
        let applied = self.triggers.get(&trigger).map(|defined| defined.revision);
        let gone = self.gone.get(&trigger).copied();
        applied.max(gone).is_none_or(|known| revision > known)
    }

    /// Applies a change that [`Self::is_news`].
    pub(crate) fn apply(&mut self, change: Change) {
        match change {
            Change::Everything(definitions) => self.clone_from(&definitions),
            Change::Trigger { trigger, revision, definition: Some(definition) } => {
                self.gone.remove(&trigger);
                self.triggers.insert(trigger, Defined { revision, definition });
            }
            Change::Trigger { trigger, revision, definition: None } => {
                self.triggers.remove(&trigger);
                self.gone.insert(trigger, revision);
                if self.gone.len() > GONE_MAX {
                    let oldest = self.gone.iter().min_by_key(|(_, revision)| **revision);
                    let oldest = oldest.map(|(trigger, _)| *trigger);
                    oldest.map(|trigger| self.gone.remove(&trigger));
                }
            }
        }
    }
}

/// The revision of a trigger's definition that is in force where a checkpoint was stored with these definitions. Reads
/// over the definitions themselves, and keeps none.
///
/// # Errors
/// When the text is not what [`Definitions::to_json`] writes.
pub(crate) fn revision_in_force(
    text: &str,
    trigger: Uid,
) -> Result<Option<u64>, serde_json::Error> {
    #[derive(serde::Deserialize)]
    struct Revisions {
        triggers: BTreeMap<Uid, Revision>,
    }
    #[derive(serde::Deserialize)]
    struct Revision {
        revision: u64,
    }
    if text.is_empty() {
        return Ok(None);
    }
    let stored: Revisions = serde_json::from_str(text)?;
    Ok(stored.triggers.get(&trigger).map(|stored| stored.revision))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tripline_event::TriggerDefinition;
    use tripline_kernel::Uid;

    use super::{Change, Definitions, GONE_MAX, revision_in_force};

    fn uid(number: u64) -> Uid {
        let mut bytes = [0; 16];
        bytes[8..].copy_from_slice(&number.to_be_bytes());
        Uid::from_bytes(bytes)
    }

    fn definition() -> Option<Arc<TriggerDefinition>> {
        Some(Arc::new(TriggerDefinition { source: None, pattern: None, function: Uid::NIL }))
    }

    #[test]
    fn a_late_copy_of_an_old_marker_brings_nothing_back() {
        let mut definitions = Definitions::default();
        let trigger = uid(1);
        definitions.apply(Change::Trigger { trigger, revision: 5, definition: definition() });
        assert!(!definitions.is_news(trigger, 5));
        definitions.apply(Change::Trigger { trigger, revision: 6, definition: None });
        let again = Definitions::from_json(&definitions.to_json()).unwrap();
        assert_eq!(again, definitions, "what was deleted is stored too");
        assert!(!again.is_news(trigger, 5));
        assert!(!again.is_news(trigger, 6));
        assert!(again.is_news(trigger, 7));
    }

    #[test]
    fn the_revision_in_force_is_that_of_the_stored_definition() {
        assert_eq!(revision_in_force("", uid(1)).unwrap(), None);
        let mut definitions = Definitions::default();
        for (number, definition) in [(1, definition()), (2, definition()), (3, None)] {
            let (trigger, revision) = (uid(number), number + 10);
            definitions.apply(Change::Trigger { trigger, revision, definition });
        }
        let text = definitions.to_json();
        let found = |number| revision_in_force(&text, uid(number)).unwrap();
        assert_eq!([1, 2, 3, 4].map(found), [Some(11), Some(12), None, None]);
        assert!(revision_in_force("{", uid(1)).is_err());
    }

    #[test]
    fn the_memory_of_deletions_is_bounded() {
        let mut definitions = Definitions::default();
        for number in 0..GONE_MAX as u64 + 10 {
            definitions.apply(Change::Trigger {
                trigger: uid(number),
                revision: number,
                definition: None,
            });
        }
        assert_eq!(definitions.gone.len(), GONE_MAX);
        assert!(!definitions.is_news(uid(10), 10), "the newest are kept");
    }
}
