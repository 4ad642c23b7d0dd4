//! Who should do what: partitions and sources are spread over the living replicas as evenly as numbers allow.

use std::collections::{BTreeMap, BTreeSet};

use tripline_kernel::{Timestamp, Uid};

use crate::registry::Snapshot;
use crate::store::{Lease, Unit, UnitKind};

/// What a replica sees when it plans.
pub(super) struct View<'a> {
    pub(super) leases: &'a [Lease],
    pub(super) snapshot: &'a Snapshot,
    pub(super) me: Uid,
    pub(super) now: Timestamp,
}

/// What a replica should do next.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// Units that have no lease yet.
    pub(super) enlist: Vec<Unit>,
    /// Free units to take.
    pub(super) take: Vec<Unit>,
    /// Units to work on, once they are held.
    pub(super) keep: BTreeSet<Unit>,
    /// Held units to give back.
    pub(super) give_back: BTreeSet<Unit>,
    /// Sources that are gone.
    pub(super) retire: Vec<Unit>,
}

impl Plan {
    pub(super) fn of(view: &View<'_>) -> Self {
        let mut plan = Self::default();
        let partitions = partitions(view.snapshot);
        plan.share_out(view, UnitKind::Partition, &partitions);
        // As long as the sources are not known, none of them is begun, ended or taken for gone.
        if let Some(sources) = sources(view.snapshot) {
            plan.share_out(view, UnitKind::Source, &sources);
            let gone = view.leases.iter().filter(|lease| {
                lease.unit.kind == UnitKind::Source
                    && !sources.contains(&lease.unit)
                    && (lease.holder == view.me || lease.until <= view.now)
            });
            plan.retire = gone.map(|lease| lease.unit).collect();
            plan.give_back.retain(|unit| !plan.retire.contains(unit));
        }
        plan
    }

    fn share_out(&mut self, view: &View<'_>, kind: UnitKind, units: &BTreeSet<Unit>) {
        let leases = view.leases.iter().filter(|lease| lease.unit.kind == kind);
        let leases: BTreeMap<Unit, &Lease> = leases.map(|lease| (lease.unit, lease)).collect();
        let held = |unit: &Unit| leases.get(unit).is_some_and(|lease| lease.holder == view.me);
        let mine: Vec<Unit> = units.iter().copied().filter(held).collect();
        let share = fair_share(view, kind, units.len());
        self.keep.extend(mine.iter().take(share));
        self.give_back.extend(mine.iter().skip(share));
        self.give_back.extend(leases.keys().filter(|unit| held(unit) && !units.contains(unit)));
        let free = |unit: &&Unit| leases.get(*unit).is_none_or(|lease| lease.until <= view.now);
        let free = units.iter().filter(free).filter(|unit| !held(unit));
        let take: Vec<Unit> = free.copied().take(share.saturating_sub(mine.len())).collect();
        self.keep.extend(&take);
        self.enlist.extend(take.iter().filter(|unit| !leases.contains_key(unit)));
        self.take.extend(take);
    }
}

/// How many of `units` units this replica should have. What does not divide evenly goes to the first replicas for
/// partitions, and to the last ones for sources.
fn fair_share(view: &View<'_>, kind: UnitKind, units: usize) -> usize {
    let replicas = view.leases.iter().filter(|lease| lease.unit.kind == UnitKind::Replica);
    let living = replicas.filter(|lease| lease.until > view.now).map(|lease| lease.unit.uid);
    let mut living: BTreeSet<Uid> = living.collect();
    living.insert(view.me);
    let before_me = living.range(..view.me).count();
    let rank = match kind {
        UnitKind::Source => living.len() - 1 - before_me,
        UnitKind::Partition | UnitKind::Replica => before_me,
    };
    units / living.len() + usize::from(rank < units % living.len())
}

fn partitions(snapshot: &Snapshot) -> BTreeSet<Unit> {
    let of_bus = |bus: &std::sync::Arc<crate::registry::Bus>| {
        let (tenant, uid) = (bus.tenant, bus.uid);
        let kind = UnitKind::Partition;
        (0..bus.partitions).map(move |partition| Unit { tenant, kind, uid, partition })
    };
    snapshot.buses.values().flat_map(of_bus).collect()
}

fn sources(snapshot: &Snapshot) -> Option<BTreeSet<Unit>> {
    let sources = snapshot.sources.as_ref()?.values();
    let kind = UnitKind::Source;
    let unit = |source: &std::sync::Arc<crate::registry::Source>| Unit {
        tenant: source.tenant,
        kind,
        uid: source.uid,
        partition: 0,
    };
    Some(sources.map(unit).collect())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;
    use std::time::Duration;

    use tripline_kernel::{DEFAULT_TENANT, Timestamp, Uid};

    use super::{Plan, View};
    use crate::registry::{Bus, Snapshot, Source};
    use crate::store::{Lease, Unit, UnitKind};

    const NOW: Timestamp = Timestamp::from_micros(1_000);
    const LATER: Timestamp = Timestamp::from_micros(2_000);

    fn uid(number: u8) -> Uid {
        Uid::from_bytes([number; 16])
    }

    fn snapshot(partitions: u16, sources: u8) -> Snapshot {
        let bus = Bus {
            tenant: DEFAULT_TENANT,
            uid: uid(100),
            name: "default".to_owned(),
            revision: 1,
            partitions,
            retention: Duration::MAX,
            dedupe_window: Duration::ZERO,
        };
        let source = |number| Source {
            tenant: DEFAULT_TENANT,
            uid: uid(number),
            name: "source".to_owned(),
            revision: 1,
            kind: "file".to_owned(),
            settings: serde_json::Map::new(),
            bus: uid(100),
            paused: false,
        };
        let sources = (150..150 + sources).map(|number| (uid(number), Arc::new(source(number))));
        Snapshot {
            buses: BTreeMap::from([(bus.uid, Arc::new(bus))]),
            sources: Some(sources.collect()),
        }
    }

    fn replica(number: u8, until: Timestamp) -> Lease {
        let unit =
            Unit { tenant: Uid::NIL, kind: UnitKind::Replica, uid: uid(number), partition: 0 };
        Lease { unit, holder: uid(number), epoch: 0, until }
    }

    /// Lets the replicas plan in turn until nothing changes, and counts what each holds.
    fn settle(leases: &mut Vec<Lease>, snapshot: &Snapshot, replicas: &[u8]) -> Vec<usize> {
        for _ in 0..10 {
            for &me in replicas {
                let view = View { leases, snapshot, me: uid(me), now: NOW };
                let plan = Plan::of(&view);
                leases.extend(plan.enlist.iter().map(|unit| Lease {
                    unit: *unit,
                    holder: Uid::NIL,
                    epoch: 0,
                    until: Timestamp::from_micros(0),
                }));
                leases.retain(|lease| !plan.retire.contains(&lease.unit));
                for lease in leases.iter_mut() {
                    if plan.take.contains(&lease.unit) {
                        assert!(lease.until <= NOW, "only what is free is taken");
                        (lease.holder, lease.until) = (uid(me), LATER);
                    } else if plan.give_back.contains(&lease.unit) {
                        assert_eq!(lease.holder, uid(me));
                        (lease.holder, lease.until) = (Uid::NIL, Timestamp::from_micros(0));
                    }
                }
            }
        }
        let held = |me: &u8| {
            let of = |lease: &&Lease| lease.holder == uid(*me);
            leases.iter().filter(of).filter(|lease| lease.unit.kind != UnitKind::Replica).count()
        };
        replicas.iter().map(held).collect()
    }

    #[test]
    fn work_spreads_evenly_and_moves_when_a_replica_comes_or_dies() {
        let snapshot = snapshot(5, 3);
        let mut leases = vec![replica(1, LATER)];
        assert_eq!(settle(&mut leases, &snapshot, &[1]), [8]);
        leases.push(replica(2, LATER));
        assert_eq!(settle(&mut leases, &snapshot, &[1, 2]), [4, 4]);
        leases.retain(|lease| lease.unit.uid != uid(1));
        for lease in leases.iter_mut().filter(|lease| lease.holder == uid(1)) {
            lease.until = NOW;
        }
        assert_eq!(settle(&mut leases, &snapshot, &[2]), [8]);
    }

    #[test]
    fn a_source_is_gone_only_if_the_registry_said_so() {
        let mut known = snapshot(1, 1);
        let mut leases = vec![replica(1, LATER)];
        assert_eq!(settle(&mut leases, &known, &[1]), [2]);
        let all = leases.clone();
        known.sources = None;
        assert_eq!(settle(&mut leases, &known, &[1]), [2]);
        assert_eq!(leases, all);
        known.sources = Some(BTreeMap::new());
        assert_eq!(settle(&mut leases, &known, &[1]), [1]);
        assert_eq!(leases.len(), 2, "the replica and the partition");
    }
}
