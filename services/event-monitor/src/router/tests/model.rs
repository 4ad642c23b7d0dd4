//! A router against a naive model, through crashes at any moment.
//!
//! Every event is handed to each trigger in force at its place, at least once, with the ids and revisions of the model;
//! nothing else is handed to anyone; what has one key keeps its order; the counts come out exact.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use tokio_util::sync::CancellationToken;
use tripline_event::{
    Accepted, InvocationId, LogEntry, Marker, Occurrence, Origin, TriggerDefinition,
};
use tripline_kernel::{DEFAULT_TENANT, Timestamp, Uid};

use super::fakes::{BUS, NOW, PARTITION, RETENTION, WINDOW, World, event, marker, uid};
use crate::router::host;

/// What happens to a partition, in order.
#[derive(Clone, Debug)]
enum Step {
    Event { id: u64, by_source: bool, seconds: i64 },
    Old { id: u64 },
    Define { trigger: u8, newer: bool, shape: u8 },
    Delete { trigger: u8, newer: bool },
}

fn step() -> impl Strategy<Value = Step> {
    let event = (0_u64..12, any::<bool>(), 0_i64..4);
    let define = (0_u8..3, prop::bool::weighted(0.8), 0_u8..4);
    prop_oneof![
        8 => event.prop_map(|(id, by_source, seconds)| Step::Event { id, by_source, seconds }),
        1 => (0_u64..12).prop_map(|id| Step::Old { id }),
        2 => define.prop_map(|(trigger, newer, shape)| Step::Define { trigger, newer, shape }),
        1 => (0_u8..3, any::<bool>()).prop_map(|(trigger, newer)| Step::Delete { trigger, newer }),
    ]
}

fn definition(shape: u8, revision: u64) -> TriggerDefinition {
    let pattern = [None, Some(r#"{"type":["a"]}"#), None, Some(r#"{"type":["b"]}"#)];
    TriggerDefinition {
        source: (shape >= 2).then(|| uid(7)),
        pattern: pattern[usize::from(shape)].map(Into::into),
        function: uid(100 + u8::try_from(revision % 100).unwrap()),
    }
}

fn entries(steps: &[Step]) -> Vec<LogEntry> {
    let (mut at, mut revisions) = (NOW.before(Duration::from_secs(900)), HashMap::new());
    let mut revision = |trigger: u8, newer: bool| {
        let revision: &mut u64 = revisions.entry(trigger).or_insert(0);
        *revision += u64::from(newer);
        *revision
    };
    let mut entry = |step: &Step| match *step {
        Step::Event { id, by_source, seconds } => {
            at = at.after(Duration::from_secs(seconds.unsigned_abs()));
            let origin = if by_source { Origin::Source(uid(7)) } else { Origin::ApiKey(uid(7)) };
            LogEntry::Event(event(id, origin, at))
        }
        Step::Old { id } => {
            let at = NOW.before(RETENTION + Duration::from_secs(1));
            LogEntry::Event(event(id, Origin::ApiKey(uid(7)), at))
        }
        Step::Define { trigger, newer, shape } => {
            let revision = revision(trigger, newer);
            marker(uid(trigger), revision, Some(definition(shape, revision)))
        }
        Step::Delete { trigger, newer } => marker(uid(trigger), revision(trigger, newer), None),
    };
    steps.iter().map(&mut entry).collect()
}

/// One hand-over: which trigger, at which revision, which function, which event.
type Handed = (Uid, u64, Uid, InvocationId);

#[derive(Default)]
struct Expected {
    handed: BTreeSet<Handed>,
    /// Invocations of one trigger and key, in the order of the log.
    order: BTreeMap<(Uid, String), Vec<InvocationId>>,
    accepted: u64,
    deduplicated: u64,
}

/// The model: no windows to rebuild, no index, no batches.
fn expect(entries: &[LogEntry]) -> Expected {
    let mut expected = Expected::default();
    let mut triggers: BTreeMap<Uid, (u64, Option<TriggerDefinition>)> = BTreeMap::new();
    let mut last_seen: HashMap<u128, Timestamp> = HashMap::new();
    for entry in entries {
        let accepted = match entry {
            LogEntry::Event(accepted) => accepted,
            LogEntry::Marker(Marker::Begin) => continue,
            LogEntry::Marker(Marker::Trigger { trigger, revision, definition }) => {
                if triggers.get(trigger).is_none_or(|(applied, _)| revision > applied) {
                    triggers.insert(*trigger, (*revision, definition.clone()));
                }
                continue;
            }
        };
        if accepted.accepted_at < NOW.before(RETENTION) {
            continue;
        }
        let seen = last_seen.insert(accepted.identity(), accepted.accepted_at);
        if seen.is_some_and(|seen| accepted.accepted_at.since(seen) < WINDOW) {
            expected.deduplicated += 1;
            continue;
        }
        expected.accepted += 1;
        for (trigger, (revision, definition)) in &triggers {
            let Some(definition) = definition else { continue };
            if wants(definition, accepted) {
                expected.hand(*trigger, *revision, definition.function, accepted);
            }
        }
    }
    expected
}

fn wants(definition: &TriggerDefinition, accepted: &Accepted) -> bool {
    let heard = definition.source.is_none_or(|source| accepted.origin == Origin::Source(source));
    let json = std::str::from_utf8(accepted.event.json()).unwrap();
    let fits = match definition.pattern.as_deref() {
        None => true,
        Some(pattern) if pattern.contains("\"a\"") => json.contains(r#""type":"a""#),
        Some(_) => json.contains(r#""type":"b""#),
    };
    heard && fits
}

impl Expected {
    fn hand(&mut self, trigger: Uid, revision: u64, function: Uid, accepted: &Accepted) {
        let occurrence = Occurrence { tenant: DEFAULT_TENANT, bus: BUS, trigger, replay: None };
        let invocation = InvocationId::of(&occurrence, &accepted.event);
        self.handed.insert((trigger, revision, function, invocation));
        let key = accepted.event.partition_key().unwrap().to_owned();
        let order = self.order.entry((trigger, key)).or_default();
        if !order.contains(&invocation) {
            order.push(invocation);
        }
    }
}

/// Puts the entries into frames of a few, with numbers left out here and there. Answers the end.
fn fill(world: &World, entries: &[LogEntry]) -> u64 {
    let (mut offset, mut rest) = (0, entries);
    while !rest.is_empty() {
        let count = 1 + usize::try_from(world.draws.below(6)).unwrap();
        let (frame, later) = rest.split_at(count.min(rest.len()));
        offset += world.draws.below(3);
        world.log.put(offset, frame);
        (offset, rest) = (offset + 1, later);
    }
    offset
}

async fn route_through_crashes(world: &World, crashes: &[u64], end: u64) {
    let mut epoch = 0;
    for crash_after_ms in crashes {
        epoch += 1;
        let routing = host(Arc::clone(&world.around), PARTITION, epoch, CancellationToken::new());
        let _ = tokio::time::timeout(Duration::from_millis(*crash_after_ms), routing).await;
    }
    let drain = CancellationToken::new();
    let routing = host(Arc::clone(&world.around), PARTITION, epoch + 1, drain.clone());
    let done = async {
        let at_end = async || world.checkpoints.state().checkpoint.next == end;
        let reached = tripline_testkit::wait_until(Duration::from_secs(3600), at_end).await;
        drain.cancel();
        reached
    };
    let ((), reached) = tokio::join!(routing, done);
    reached.unwrap();
}

fn check(world: &World, entries: &[LogEntry]) -> Result<(), TestCaseError> {
    let expected = expect(entries);
    let received = world.lanes.received();
    let mut handed = BTreeSet::new();
    let mut order: BTreeMap<(Uid, String), Vec<InvocationId>> = BTreeMap::new();
    for (_, entry) in &received {
        handed.insert((entry.trigger, entry.revision, entry.function, entry.invocation));
        let key = (entry.trigger, entry.accepted.event.partition_key().unwrap().to_owned());
        let order = order.entry(key).or_default();
        if !order.contains(&entry.invocation) {
            order.push(entry.invocation);
        }
    }
    prop_assert_eq!(handed, expected.handed);
    prop_assert_eq!(order, expected.order);
    let checkpoint = world.checkpoints.state().checkpoint;
    prop_assert_eq!(checkpoint.accepted, expected.accepted);
    prop_assert_eq!(checkpoint.deduplicated, expected.deduplicated);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn each_event_reaches_the_triggers_in_force_at_its_place_whatever_crashes(
        steps in prop::collection::vec(step(), 1..80),
        crashes in prop::collection::vec(0_u64..3000, 0..4),
        seed in any::<u64>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let world = World::new(seed, true);
            let entries = entries(&steps);
            let end = fill(&world, &entries);
            route_through_crashes(&world, &crashes, end).await;
            check(&world, &entries)
        })?;
    }
}
