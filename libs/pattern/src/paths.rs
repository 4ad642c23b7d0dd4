//! Which paths of an event any pattern asks for.

use crate::bytes;
use crate::rows::Rows;
use crate::table::{Hashing, Table};

/// Stands for one path, while any pattern asks for it.
pub(crate) type FieldId = u32;
/// One place in the tree of wanted paths.
pub(crate) type Place = u32;

/// No field ends at this place.
const NONE: FieldId = FieldId::MAX;
/// Most names below one place that are compared one by one; more are hashed.
const COMPARED_MAX: usize = 12;

/// The tree of wanted paths.
#[derive(Clone, Debug)]
pub(crate) struct Paths {
    places: Rows<Step>,
    by_name: Table,
    hashing: Hashing,
}

#[derive(Clone, Debug, Default)]
struct Step {
    /// A bit for each name below, so that most other names are told without looking further.
    filter: u64,
    parent: Place,
    field: FieldId,
    children: u32,
    name: Box<[u8]>,
    /// The places below, while they are few enough.
    few: Vec<Child>,
}

/// A place below another, with enough of its name to tell most names apart.
#[derive(Clone, Copy, Debug)]
struct Child {
    head: u64,
    len: usize,
    place: Place,
}

impl Default for Paths {
    fn default() -> Self {
        let mut places = Rows::default();
        places.insert(Step { field: NONE, ..Step::default() });
        Self { places, by_name: Table::default(), hashing: Hashing::default() }
    }
}

impl Paths {
    /// Where every path begins.
    pub(crate) const ROOT: Place = 0;

    /// The place below, by a key as it stands in an event: a full stop in it parts names.
    #[inline]
    pub(crate) fn descend(&self, place: Place, key: &[u8], has_stop: bool) -> Option<Place> {
        if has_stop {
            return key
                .split(|&byte| byte == b'.')
                .try_fold(place, |place, name| self.child(place, name));
        }
        self.child(place, key)
    }

    #[inline]
    fn child(&self, place: Place, name: &[u8]) -> Option<Place> {
        let step = &self.places[place];
        if step.filter & filter_bit(name) == 0 {
            return None;
        }
        if step.few.len() == step.children as usize {
            let head = head(name);
            let same = |child: &&Child| child.head == head && child.len == name.len();
            let mut known = step.few.iter().filter(same).map(|child| child.place);
            return match name.len() {
                ..=HEAD_BYTES => known.next(),
                _ => known.find(|&place| bytes::same(&self.places[place].name, name)),
            };
        }
        self.by_name.find(self.hash(place, name), |other| {
            let other = &self.places[other];
            other.parent == place && bytes::same(&other.name, name)
        })
    }

    /// The field whose path ends here.
    #[inline]
    pub(crate) fn field(&self, place: Place) -> Option<FieldId> {
        Some(self.places[place].field).filter(|&field| field != NONE)
    }

    /// Whether any wanted path leads on from here.
    #[inline]
    pub(crate) fn leads_on(&self, place: Place) -> bool {
        self.places[place].children != 0
    }

    /// The place at the end of a path, its names joined by full stops, if a wanted path leads there.
    pub(crate) fn find(&self, path: &str) -> Option<Place> {
        self.descend(Self::ROOT, path.as_bytes(), true)
    }

    /// The field at the end of `path`, which `fresh` makes if the path was not wanted before.
    pub(crate) fn want(&mut self, path: &str, fresh: impl FnOnce() -> FieldId) -> FieldId {
        let mut place = Self::ROOT;
        for name in path.split('.') {
            place = self.child(place, name.as_bytes()).unwrap_or_else(|| self.add(place, name));
        }
        let step = &mut self.places[place];
        if step.field == NONE {
            step.field = fresh();
        }
        step.field
    }

    fn add(&mut self, parent: Place, name: &str) -> Place {
        let step = Step { parent, field: NONE, name: name.as_bytes().into(), ..Step::default() };
        let place = self.places.insert(step);
        let Self { places, by_name, hashing } = self;
        let hash = |place: Place| hash(hashing, places[place].parent, &places[place].name);
        by_name.insert(hash(place), place, hash);
        let above = &mut self.places[parent];
        above.filter |= filter_bit(name.as_bytes());
        if above.few.len() == above.children as usize && above.few.len() < COMPARED_MAX {
            above.few.push(Child { head: head(name.as_bytes()), len: name.len(), place });
        }
        above.children += 1;
        place
    }

    /// Takes a wanted path away, and what led only there.
    pub(crate) fn forget(&mut self, path: &str) {
        let Some(mut place) = self.find(path) else { return };
        self.places[place].field = NONE;
        while place != Self::ROOT && !self.leads_on(place) && self.field(place).is_none() {
            let hash = self.hash(self.places[place].parent, &self.places[place].name);
            self.by_name.replace(hash, place, None);
            let Step { parent, .. } = self.places.remove(place);
            let above = &mut self.places[parent];
            above.children -= 1;
            above.few.retain(|child| child.place != place);
            if above.children == 0 {
                above.filter = 0;
                above.few.clear();
            }
            place = parent;
        }
    }

    fn hash(&self, parent: Place, name: &[u8]) -> u64 {
        hash(&self.hashing, parent, name)
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.by_name.is_empty() && self.places.len() == 1
    }
}

fn hash(hashing: &Hashing, parent: Place, name: &[u8]) -> u64 {
    hashing.of_bytes(u64::from(parent), name)
}

const HEAD_BYTES: usize = size_of::<u64>();

/// The first bytes of a name; zeros follow a shorter one.
#[inline]
fn head(name: &[u8]) -> u64 {
    match name.first_chunk::<HEAD_BYTES>() {
        Some(head) => u64::from_le_bytes(*head),
        None => name.iter().rev().fold(0, |head, &byte| head << 8 | u64::from(byte)),
    }
}

#[inline]
fn filter_bit(name: &[u8]) -> u64 {
    let (first, last) = (name.first().copied(), name.last().copied());
    let mixed = name.len() ^ usize::from(first.unwrap_or(0)) ^ usize::from(last.unwrap_or(0)) << 2;
    1 << (mixed % 64)
}
