//! A bucket that keeps no versions, as simple as it can be.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::json;
use tripline_source::Change;

use super::BUCKET;
use crate::events::{DELETE, PUT};
use crate::id::Id;
use crate::known::{By, Known, State};
use crate::listing::{Listed, Sort};
use crate::place::Place;
use crate::record::{Notice, notices};

/// What is done to a bucket.
#[derive(Clone, Copy, Debug)]
pub(super) enum Act {
    Put(u8),
    Remove(u8),
}

impl Act {
    pub(super) fn place(self) -> Place {
        let (Self::Put(key) | Self::Remove(key)) = self;
        Place::new(&format!("key-{key}"), "").expect("a place")
    }
}

pub(super) fn act() -> impl Strategy<Value = Act> {
    prop_oneof![(0..6_u8).prop_map(Act::Put), (0..6_u8).prop_map(Act::Remove)]
}

#[derive(Clone, Default)]
pub(super) struct Model {
    now: i64,
    objects: BTreeMap<Place, Listed>,
    /// The ids of everything that was ever written at a place.
    past: BTreeMap<Place, Vec<Id>>,
    /// The ids of everything that happened.
    history: BTreeSet<String>,
}

impl Model {
    /// Does it; answers what the live stream tells of it.
    pub(super) fn act(&mut self, act: Act) -> Option<Notice> {
        self.now += 1;
        let place = act.place();
        let key = place.key().to_owned();
        let sequencer = format!("{:X}", self.now * 1_000_000 + 17);
        let name = match act {
            Act::Put(_) => {
                let etag = "e".to_owned();
                let listed = Listed {
                    place: place.clone(),
                    sort: Sort::Object,
                    millis: self.now,
                    etag,
                    size: 1,
                };
                self.history.insert(id(&listed).to_string());
                self.past.entry(place.clone()).or_default().push(id(&listed));
                self.objects.insert(place, listed);
                PUT
            }
            Act::Remove(_) => {
                self.objects.remove(&place)?;
                // A listener goes by the object that it knew last, or by the time.
                let past = self.past.get(&place).into_iter().flatten();
                self.history.extend(past.map(|id| id.removal().to_string()));
                let unknown = Id::unknown_removal(BUCKET, &key, &sequencer);
                self.history.insert(unknown.to_string());
                DELETE
            }
        };
        let etag = if name == PUT { "e" } else { "" };
        let object = json!({"key": key, "eTag": etag, "sequencer": sequencer});
        let line = json!({"Records": [{"eventSource": "minio:s3", "eventName": name,
            "s3": {"bucket": {"name": BUCKET}, "object": object}}]});
        notices(line.to_string().as_bytes()).ok()?.pop()
    }

    /// What a listing shows.
    pub(super) fn listed(&self) -> Vec<Listed> {
        self.objects.values().cloned().collect()
    }

    /// What is there.
    pub(super) fn objects(&self) -> BTreeMap<Place, Id> {
        self.objects.iter().map(|(place, listed)| (place.clone(), id(listed))).collect()
    }

    /// What an inventory would hold.
    pub(super) fn inventory(&self, run: u64) -> Vec<Change> {
        let change = |(place, listed): (&Place, &Listed)| {
            let (state, by) = (State::Object, By::Stream);
            let known = Known { state, by, run, millis: listed.millis, id: id(listed) };
            Change { key: place.bytes().clone(), value: Some(known.to_bytes()) }
        };
        self.objects.iter().map(change).collect()
    }

    /// The ids of what differs in `after`, but for places that were touched later.
    pub(super) fn changes_to(&self, after: &Self, touched: &BTreeSet<Place>) -> Vec<Id> {
        let mut ids = Vec::new();
        let places: BTreeSet<_> = self.objects.keys().chain(after.objects.keys()).collect();
        for place in places.difference(&touched.iter().collect()) {
            let (old, new) = (self.objects.get(*place), after.objects.get(*place));
            if old != new {
                let removal = old.map(|old| id(old).removal());
                ids.extend(new.map(id).or(removal));
            }
        }
        ids
    }

    pub(super) fn happened(&self, id: &str) -> bool {
        self.history.contains(id)
    }
}

fn id(listed: &Listed) -> Id {
    Id::written(BUCKET, listed.place.key(), listed.millis, &listed.etag)
}
