//! Which triggers want an event.
//!
//! Triggers without a pattern need nothing of the event's body, and where no pattern asks, the body is not looked at.
//! Patterns of triggers that name a source are kept apart, so that only that source's events meet them.

use std::collections::HashMap;

use tripline_event::{Accepted, Origin, Subject, TriggerDefinition};
use tripline_kernel::Uid;
use tripline_pattern::{Matcher, Pattern, Scratch};

/// The triggers in force, ready to be asked.
#[derive(Default)]
pub(crate) struct Matching {
    rules: HashMap<Uid, Rule>,
    /// Triggers that name no source.
    any_source: Group,
    by_source: HashMap<Uid, Group>,
    matched: Vec<Uid>,
    scratch: Scratch,
}

struct Rule {
    revision: u64,
    function: Uid,
    source: Option<Uid>,
}

/// Triggers that hear the same origins.
#[derive(Default)]
struct Group {
    unconditional: Vec<Uid>,
    patterns: Matcher<Uid>,
}

/// A trigger that wants the event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hit {
    pub(crate) trigger: Uid,
    pub(crate) revision: u64,
    pub(crate) function: Uid,
    pub(crate) subject: Subject,
}

impl Matching {
    /// Puts a trigger in force, in place of its earlier definition.
    ///
    /// # Errors
    /// When the pattern cannot be read, as one that a newer version wrote. The trigger then wants nothing.
    pub(crate) fn set(
        &mut self,
        trigger: Uid,
        revision: u64,
        definition: &TriggerDefinition,
    ) -> Result<(), tripline_pattern::Error> {
        self.remove(trigger);
        let pattern = definition.pattern.as_deref().map(Pattern::restore).transpose()?;
        let (function, source) = (definition.function, definition.source);
        let group = match source {
            None => &mut self.any_source,
            Some(source) => self.by_source.entry(source).or_default(),
        };
        match pattern {
            None => group.unconditional.push(trigger),
            Some(pattern) => group.patterns.install(trigger, &pattern),
        }
        self.rules.insert(trigger, Rule { revision, function, source });
        Ok(())
    }

    /// Takes a trigger out of force.
    pub(crate) fn remove(&mut self, trigger: Uid) {
        let Some(rule) = self.rules.remove(&trigger) else { return };
        let Some(source) = rule.source else { return self.any_source.remove(trigger) };
        if let Some(group) = self.by_source.get_mut(&source) {
            group.remove(trigger);
            if group.is_empty() {
                self.by_source.remove(&source);
            }
        }
    }

    /// Adds the triggers that want this event of `bus` to `hits`.
    pub(crate) fn ask(&mut self, bus: Uid, accepted: &Accepted, hits: &mut Vec<Hit>) {
        let of_source = match accepted.origin {
            Origin::Source(source) => self.by_source.get(&source),
            Origin::ApiKey(_) => None,
        };
        for group in [Some(&self.any_source), of_source].into_iter().flatten() {
            self.matched.clear();
            if !group.patterns.is_empty()
                && let Err(error) = group.patterns.matches(
                    accepted.event.json(),
                    &mut self.scratch,
                    &mut self.matched,
                )
            {
                tracing::error!(%error, event = ?accepted.event, "an event in the log cannot be matched");
            }
            for trigger in group.unconditional.iter().chain(&self.matched) {
                let Some(rule) = self.rules.get(trigger) else { continue };
                let subject = rule.source.map_or(Subject::Bus(bus), Subject::Source);
                let (trigger, revision, function) = (*trigger, rule.revision, rule.function);
                hits.push(Hit { trigger, revision, function, subject });
            }
        }
    }
}

impl Group {
    fn remove(&mut self, trigger: Uid) {
        self.unconditional.retain(|other| *other != trigger);
        self.patterns.remove(trigger);
    }

    fn is_empty(&self) -> bool {
        self.unconditional.is_empty() && self.patterns.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tripline_event::{Accepted, Event, Origin, Subject, TriggerDefinition};
    use tripline_kernel::{Timestamp, Uid};

    use super::Matching;

    const BUS: Uid = Uid::from_bytes([9; 16]);

    fn uid(number: u8) -> Uid {
        Uid::from_bytes([number; 16])
    }

    fn accepted(origin: Origin, kind: &str) -> Accepted {
        let json = format!(r#"{{"specversion":"1.0","id":"1","source":"s","type":"{kind}"}}"#);
        let event = Event::from_json(Bytes::from(json)).unwrap();
        Accepted { origin, accepted_at: Timestamp::from_micros(0), traceparent: None, event }
    }

    fn asked(matching: &mut Matching, accepted: &Accepted) -> Vec<(Uid, Subject)> {
        let mut hits = Vec::new();
        matching.ask(BUS, accepted, &mut hits);
        hits.iter().map(|hit| (hit.trigger, hit.subject)).collect()
    }

    fn define(source: Option<Uid>, pattern: Option<&str>) -> TriggerDefinition {
        TriggerDefinition { source, pattern: pattern.map(Into::into), function: uid(8) }
    }

    #[test]
    fn who_brought_the_event_decides_and_not_what_it_says_of_itself() {
        let mut matching = Matching::default();
        matching.set(uid(1), 1, &define(None, None)).unwrap();
        matching.set(uid(2), 1, &define(Some(uid(7)), None)).unwrap();
        matching.set(uid(3), 1, &define(Some(uid(7)), Some(r#"{"type":["a"]}"#))).unwrap();
        let (whole_bus, of_source) = (Subject::Bus(BUS), Subject::Source(uid(7)));
        let by_key = accepted(Origin::ApiKey(uid(7)), "a");
        assert_eq!(asked(&mut matching, &by_key), [(uid(1), whole_bus)]);
        let by_source = accepted(Origin::Source(uid(7)), "a");
        let all = [(uid(1), whole_bus), (uid(2), of_source), (uid(3), of_source)];
        assert_eq!(asked(&mut matching, &by_source), all);
        let other_type = accepted(Origin::Source(uid(7)), "b");
        assert_eq!(asked(&mut matching, &other_type), all[..2]);
    }

    #[test]
    fn a_pattern_that_cannot_be_read_silences_its_trigger_alone() {
        let mut matching = Matching::default();
        matching.set(uid(1), 1, &define(None, None)).unwrap();
        matching.set(uid(2), 1, &define(None, None)).unwrap();
        let newer = define(None, Some(r#"{"type":[{"from-the-future":1}]}"#));
        assert!(matching.set(uid(2), 2, &newer).is_err());
        let event = accepted(Origin::ApiKey(uid(7)), "a");
        assert_eq!(asked(&mut matching, &event), [(uid(1), Subject::Bus(BUS))]);
    }
}
