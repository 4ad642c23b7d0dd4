//! What the gateway knows of the registry's resources without asking: buses to publish to, names of uids.

use std::collections::HashMap;
use std::sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use tripline_contracts::pb;
use tripline_kernel::Uid;

/// What publishing needs to know of a bus.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Bus {
    pub(crate) uid: Uid,
    pub(crate) partitions: u16,
    pub(crate) dedupe_window: Duration,
}

/// Follows the registry by revision: what is known of a resource never goes back to an older revision.
///
/// The lock is held for single look-ups and insertions only.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    tables: RwLock<Tables>,
}

/// By tenant and name: the newest revision, and what it says.
type ByName<T> = HashMap<Uid, HashMap<Box<str>, (u64, T)>>;

#[derive(Debug, Default)]
struct Tables {
    buses: ByName<Arc<Bus>>,
    functions: Names,
    triggers: Names,
    buses_of_triggers: HashMap<Uid, Uid>,
}

/// Uids by name and names by uid, of one kind of resource.
#[derive(Debug, Default)]
struct Names {
    uids: ByName<Uid>,
    names: HashMap<Uid, (Uid, Box<str>)>,
}

impl Snapshot {
    pub(crate) fn bus(&self, tenant: Uid, name: &str) -> Option<Arc<Bus>> {
        self.read().buses.get(&tenant)?.get(name).map(|(_, bus)| Arc::clone(bus))
    }

    pub(crate) fn function_uid(&self, tenant: Uid, name: &str) -> Option<Uid> {
        self.read().functions.uid(tenant, name)
    }

    pub(crate) fn trigger_uid(&self, tenant: Uid, name: &str) -> Option<Uid> {
        self.read().triggers.uid(tenant, name)
    }

    /// The function's name; its uid when it is not known, or no longer.
    pub(crate) fn function_name(&self, uid: &str) -> String {
        self.read().functions.name(uid)
    }

    /// The trigger's name; its uid when it is not known, or no longer.
    pub(crate) fn trigger_name(&self, uid: &str) -> String {
        self.read().triggers.name(uid)
    }

    /// Takes a bus in and gives what is known of it now. Nothing when the message is not a whole bus.
    pub(crate) fn put_bus(&self, message: &pb::Bus) -> Option<Arc<Bus>> {
        let meta = Meta::of(message.meta.as_ref())?;
        let bus = Arc::new(Bus {
            uid: meta.uid,
            partitions: u16::try_from(message.partitions).ok().filter(|count| *count > 0)?,
            dedupe_window: Duration::from_secs(message.dedupe_window_seconds.into()),
        });
        let mut tables = self.write();
        let known = tables.buses.entry(meta.tenant).or_default();
        let newest = known.entry(meta.name.into()).or_insert((meta.revision, Arc::clone(&bus)));
        if newest.0 < meta.revision {
            *newest = (meta.revision, bus);
        }
        Some(Arc::clone(&newest.1))
    }

    pub(crate) fn put_function(&self, meta: Option<&pb::Meta>) {
        if let Some(meta) = Meta::of(meta) {
            self.write().functions.put(&meta);
        }
    }

    pub(crate) fn put_trigger(&self, message: &pb::Trigger) {
        if let Some(meta) = Meta::of(message.meta.as_ref()) {
            let mut tables = self.write();
            tables.triggers.put(&meta);
            // A trigger never moves to another bus.
            tables.buses_of_triggers.extend(message.bus_uid.parse().map(|bus| (meta.uid, bus)));
        }
    }

    /// The bus that a trigger is on, unless it is not known, or no longer.
    pub(crate) fn bus_of_trigger(&self, uid: &str) -> Option<Uid> {
        self.read().buses_of_triggers.get(&uid.parse().ok()?).copied()
    }

    /// Takes in one change from the registry's feed.
    pub(crate) fn apply(&self, deleted: bool, resource: &pb::change::Resource) {
        use pb::change::Resource;
        match resource {
            Resource::Bus(bus) if deleted => self.remove_bus(bus.meta.as_ref()),
            Resource::Bus(bus) => drop(self.put_bus(bus)),
            Resource::Function(function) if deleted => {
                let meta = Meta::of(function.meta.as_ref());
                meta.into_iter().for_each(|meta| self.write().functions.remove(&meta));
            }
            Resource::Function(function) => self.put_function(function.meta.as_ref()),
            Resource::Trigger(trigger) if deleted => {
                let meta = Meta::of(trigger.meta.as_ref());
                if let Some(meta) = meta {
                    let mut tables = self.write();
                    tables.triggers.remove(&meta);
                    tables.buses_of_triggers.remove(&meta.uid);
                }
            }
            Resource::Trigger(trigger) => self.put_trigger(trigger),
            Resource::Source(_) | Resource::CaughtUp(_) => {}
        }
    }

    fn remove_bus(&self, meta: Option<&pb::Meta>) {
        let Some(meta) = Meta::of(meta) else { return };
        if let Some(buses) = self.write().buses.get_mut(&meta.tenant)
            && buses.get(meta.name).is_some_and(|(_, bus)| bus.uid == meta.uid)
        {
            buses.remove(meta.name);
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, Tables> {
        self.tables.read().expect("nothing panics while it holds this lock")
    }

    fn write(&self) -> RwLockWriteGuard<'_, Tables> {
        self.tables.write().expect("nothing panics while it holds this lock")
    }
}

impl Names {
    fn uid(&self, tenant: Uid, name: &str) -> Option<Uid> {
        self.uids.get(&tenant)?.get(name).map(|(_, uid)| *uid)
    }

    fn name(&self, uid: &str) -> String {
        let name = uid.parse::<Uid>().ok().and_then(|uid| self.names.get(&uid));
        name.map_or(uid, |(_, name)| name).to_owned()
    }

    fn put(&mut self, meta: &Meta<'_>) {
        let known = self.uids.entry(meta.tenant).or_default();
        let newest = known.entry(meta.name.into()).or_insert((0, meta.uid));
        if newest.0 <= meta.revision {
            *newest = (meta.revision, meta.uid);
        }
        self.names.insert(meta.uid, (meta.tenant, meta.name.into()));
    }

    fn remove(&mut self, meta: &Meta<'_>) {
        let Some((tenant, name)) = self.names.remove(&meta.uid) else { return };
        if let Some(known) = self.uids.get_mut(&tenant)
            && known.get(&name).is_some_and(|(_, uid)| *uid == meta.uid)
        {
            known.remove(&name);
        }
    }
}

/// A meta whose uids are uids.
struct Meta<'a> {
    tenant: Uid,
    uid: Uid,
    name: &'a str,
    revision: u64,
}

impl<'a> Meta<'a> {
    fn of(meta: Option<&'a pb::Meta>) -> Option<Self> {
        let meta = meta?;
        let (tenant, uid) = (meta.tenant.parse().ok()?, meta.uid.parse().ok()?);
        Some(Self { tenant, uid, name: &meta.name, revision: meta.revision })
    }
}

#[cfg(test)]
mod tests {
    use pb::change::Resource;
    use tripline_contracts::pb;
    use tripline_kernel::{DEFAULT_TENANT, Uid};

    use super::Snapshot;

    fn trigger(uid: Uid, revision: u64) -> Resource {
        let meta = pb::Meta {
            tenant: DEFAULT_TENANT.to_string(),
            name: "t".to_owned(),
            uid: uid.to_string(),
            revision,
            ..pb::Meta::default()
        };
        Resource::Trigger(pb::Trigger { meta: Some(meta), ..pb::Trigger::default() })
    }

    #[test]
    fn a_trigger_made_anew_keeps_its_name_when_the_old_one_goes() {
        let (old, new) = (Uid::from_bytes([1; 16]), Uid::from_bytes([2; 16]));
        let snapshot = Snapshot::default();
        snapshot.apply(false, &trigger(old, 1));
        assert_eq!(snapshot.trigger_name(&old.to_string()), "t");
        snapshot.apply(false, &trigger(new, 3));
        snapshot.apply(true, &trigger(old, 2));
        assert_eq!(snapshot.trigger_uid(DEFAULT_TENANT, "t"), Some(new));
        assert_eq!(
            snapshot.trigger_name(&old.to_string()),
            old.to_string(),
            "only its uid is left"
        );
        snapshot.apply(true, &trigger(new, 4));
        assert_eq!(snapshot.trigger_uid(DEFAULT_TENANT, "t"), None);
    }

    #[test]
    fn a_bus_never_goes_back_to_an_older_revision() {
        let bus = |revision, partitions| pb::Bus {
            meta: Some(pb::Meta {
                tenant: DEFAULT_TENANT.to_string(),
                name: "default".to_owned(),
                uid: Uid::NIL.to_string(),
                revision,
                ..pb::Meta::default()
            }),
            partitions,
            ..pb::Bus::default()
        };
        let snapshot = Snapshot::default();
        assert_eq!(snapshot.put_bus(&bus(2, 8)).unwrap().partitions, 8);
        assert_eq!(snapshot.put_bus(&bus(1, 4)).unwrap().partitions, 8);
        assert!(snapshot.put_bus(&bus(3, 0)).is_none(), "a bus has partitions");
        assert_eq!(snapshot.bus(DEFAULT_TENANT, "default").unwrap().partitions, 8);
        assert!(snapshot.bus(Uid::NIL, "default").is_none(), "tenants are apart");
    }
}
