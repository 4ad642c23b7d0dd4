//! What the comparison of listing and inventory means: what is to be told, and what is known from then on.

use tripline_source::Change;

use crate::id::Id;
use crate::known::{By, Known, State};
use crate::listing::{Listed, Sort};
use crate::merge::Pair;
use crate::place::Place;
use crate::progress::Plan;

/// Judges the places of one bucket, for one run.
#[derive(Debug)]
pub(crate) struct Judge<'s> {
    pub(crate) bucket: &'s str,
    pub(crate) plan: &'s Plan,
}

/// What follows for one place.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) tell: Option<Found>,
    pub(crate) write: Option<Change>,
}

/// A change that was found by listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) what: What,
    pub(crate) place: Place,
    pub(crate) id: Id,
    /// What is listed; nothing for what is gone.
    pub(crate) listed: Option<Listed>,
}

/// What kind of change was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum What {
    Removed,
    Created,
    DeleteMarkerMade,
}

impl Judge<'_> {
    pub(crate) fn judge(&self, pair: Pair) -> Verdict {
        let known = pair.known.as_deref().and_then(Known::read);
        let Some(place) = pair.place() else { return forget(pair.place) };
        // What this run's stream has told is newer than a page that may have been begun before.
        if known.is_some_and(|known| known.run == self.plan.run && known.by == By::Stream) {
            return Verdict::default();
        }
        let known = known.filter(|known| known.state != State::Gone);
        match (pair.listed, known) {
            (Some(listed), Some(known)) => self.both(listed, known),
            (Some(listed), None) => self.appeared(listed),
            (None, Some(known)) => self.gone(place, known, pair.key_listed),
            (None, None) => forget(pair.place),
        }
    }

    /// It was known. What has a version id never changes, so only what has none can differ.
    fn both(&self, listed: Listed, known: Known) -> Verdict {
        let id = self.id(&listed);
        let markers = listed.sort == Sort::DeleteMarker && known.state == State::DeleteMarker;
        if known.id == id || (markers && known.millis == listed.millis) {
            return Verdict::default();
        }
        let tell = match (listed.sort, known.state) {
            (Sort::Object, _) => Some((What::Created, id)),
            (Sort::DeleteMarker, State::Object) => {
                Some((What::DeleteMarkerMade, known.id.removal()))
            }
            (Sort::DeleteMarker, State::DeleteMarker | State::Gone) => None,
        };
        let write = Some(self.write(&listed, tell.map_or(known.id, |(_, id)| id)));
        let place = listed.place.clone();
        let found = |(what, id)| Found { what, place, id, listed: Some(listed) };
        Verdict { tell: tell.map(found), write }
    }

    fn appeared(&self, listed: Listed) -> Verdict {
        let id = self.id(&listed);
        let write = Some(self.write(&listed, id));
        let complete = self.plan.complete.as_ref();
        let told = complete.is_some_and(|complete| complete.covers(listed.place.key()))
            || self.plan.since.is_some_and(|since| listed.millis >= since);
        let what = match listed.sort {
            Sort::Object => What::Created,
            Sort::DeleteMarker => What::DeleteMarkerMade,
        };
        let place = listed.place.clone();
        let tell = told.then_some(Found { what, place, id, listed: Some(listed) });
        Verdict { tell, write }
    }

    fn gone(&self, place: Place, known: Known, key_listed: bool) -> Verdict {
        // The stream may be about to tell the same: this is what it was.
        let gone = Known { state: State::Gone, by: By::Listing, run: self.plan.run, ..known };
        let trace = Change { key: place.bytes().clone(), value: Some(gone.to_bytes()) };
        // A delete marker without a version id stands where an object might: that it is gone removes nothing. Nor does it
        // when nothing else is left of the key; and the stream tells of markers on keys that never were, which the
        // server does not keep.
        let removed = known.state == State::Object || (!place.version().is_empty() && key_listed);
        // What is not watched any more is not listed, and may well be there.
        if !removed || !self.plan.scope.covers(place.key()) {
            return forget(place.bytes().clone());
        }
        let found = Found { what: What::Removed, place, id: known.id.removal(), listed: None };
        Verdict { tell: Some(found), write: Some(trace) }
    }

    fn id(&self, listed: &Listed) -> Id {
        let (key, version) = (listed.place.key(), listed.place.version());
        match listed.sort {
            _ if !version.is_empty() => Id::version(self.bucket, key, version),
            Sort::Object => Id::written(self.bucket, key, listed.millis, &listed.etag),
            Sort::DeleteMarker => Id::unknown_removal(self.bucket, key, &listed.millis.to_string()),
        }
    }

    fn write(&self, listed: &Listed, id: Id) -> Change {
        let state = match listed.sort {
            Sort::Object => State::Object,
            Sort::DeleteMarker => State::DeleteMarker,
        };
        let run = self.plan.run;
        let known = Known { state, by: By::Listing, run, millis: listed.millis, id };
        Change { key: listed.place.bytes().clone(), value: Some(known.to_bytes()) }
    }
}

fn forget(place: bytes::Bytes) -> Verdict {
    Verdict { tell: None, write: Some(Change { key: place, value: None }) }
}

#[cfg(test)]
mod tests {
    use super::{Judge, Verdict, What};
    use crate::id::Id;
    use crate::known::{By, Known, State};
    use crate::listing::{Listed, Sort};
    use crate::merge::Pair;
    use crate::place::Place;
    use crate::progress::{Plan, Scope};

    const RUN: u64 = 5;

    fn listed(key: &str, version: &str, sort: Sort) -> Listed {
        let place = Place::new(key, version).unwrap();
        Listed { place, sort, millis: 7, etag: "e".to_owned(), size: 1 }
    }

    fn known(state: State, id: Id) -> Known {
        Known { state, by: By::Listing, run: RUN - 1, millis: 3, id }
    }

    fn plan(complete: bool) -> Plan {
        let scope = Scope { prefix: "in/".to_owned(), suffix: String::new() };
        Plan { run: RUN, complete: complete.then(|| scope.clone()), scope, since: None }
    }

    fn judge(plan: &Plan, listed: Option<Listed>, known: Option<Known>) -> Verdict {
        let place = listed.as_ref().map(|listed| listed.place.clone());
        let place = place.unwrap_or_else(|| Place::new("in/a", "").unwrap());
        let known = known.map(Known::to_bytes);
        let pair = Pair { place: place.bytes().clone(), listed, known, key_listed: false };
        Judge { bucket: "b", plan }.judge(pair)
    }

    fn told(verdict: &Verdict) -> Option<(What, Id)> {
        verdict.tell.as_ref().map(|found| (found.what, found.id))
    }

    fn stored(verdict: &Verdict) -> Option<Option<Known>> {
        let change = verdict.write.as_ref()?;
        Some(change.value.as_deref().and_then(Known::read))
    }

    #[test]
    fn what_is_new_is_told_where_the_inventory_is_complete() {
        let object = || Some(listed("in/a", "", Sort::Object));
        let id = Id::written("b", "in/a", 7, "e");
        let verdict = judge(&plan(true), object(), None);
        assert_eq!(told(&verdict), Some((What::Created, id)));
        assert_eq!(stored(&verdict).unwrap().unwrap().id, id);

        let recorded = judge(&plan(false), object(), None);
        assert_eq!(told(&recorded), None);
        assert_eq!(recorded.write, verdict.write);

        for (since, tells) in [(7, true), (8, false)] {
            let plan = Plan { since: Some(since), ..plan(false) };
            assert_eq!(told(&judge(&plan, object(), None)).is_some(), tells);
        }
        let marker = judge(&plan(true), Some(listed("in/a", "v", Sort::DeleteMarker)), None);
        let id = Id::version("b", "in/a", "v");
        assert_eq!(told(&marker), Some((What::DeleteMarkerMade, id)));
    }

    #[test]
    fn what_is_as_it_was_is_left_alone() {
        let id = Id::written("b", "in/a", 7, "e");
        let same = judge(
            &plan(true),
            Some(listed("in/a", "", Sort::Object)),
            Some(known(State::Object, id)),
        );
        assert_eq!(same, Verdict::default());
    }

    #[test]
    fn an_overwrite_is_told_and_a_removal_goes_by_what_it_removed() {
        let old = Id::written("b", "in/a", 3, "e");
        let object = Some(listed("in/a", "", Sort::Object));
        let verdict = judge(&plan(true), object, Some(known(State::Object, old)));
        assert_eq!(told(&verdict), Some((What::Created, Id::written("b", "in/a", 7, "e"))));
        let gone = judge(&plan(true), None, Some(known(State::Object, old)));
        assert_eq!(told(&gone), Some((What::Removed, old.removal())));
        let trace = stored(&gone).unwrap().unwrap();
        assert_eq!((trace.state, trace.by, trace.id), (State::Gone, By::Listing, old));
        let marker = Some(listed("in/a", "", Sort::DeleteMarker));
        let marked = judge(&plan(true), marker, Some(known(State::Object, old)));
        assert_eq!(told(&marked), Some((What::DeleteMarkerMade, old.removal())));
    }

    #[test]
    fn what_is_not_watched_any_more_is_forgotten_and_not_told() {
        let place = Place::new("out/a", "").unwrap();
        let known = known(State::Object, Id([1; 20])).to_bytes();
        let (place, known) = (place.bytes().clone(), Some(known));
        let pair = Pair { place, listed: None, known, key_listed: false };
        let verdict = Judge { bucket: "b", plan: &plan(true) }.judge(pair);
        assert_eq!((told(&verdict), stored(&verdict)), (None, Some(None)));
    }

    #[test]
    fn what_the_stream_has_told_in_this_run_stands() {
        for state in [State::Object, State::DeleteMarker, State::Gone] {
            let known = Known { by: By::Stream, run: RUN, ..known(state, Id([1; 20])) };
            let object = Some(listed("in/a", "", Sort::Object));
            assert_eq!(judge(&plan(true), object, Some(known)), Verdict::default());
            assert_eq!(judge(&plan(true), None, Some(known)), Verdict::default());
        }
        let earlier = Known { by: By::Stream, ..known(State::Gone, Id([1; 20])) };
        let object = Some(listed("in/a", "", Sort::Object));
        assert!(told(&judge(&plan(true), object, Some(earlier))).is_some());
        assert_eq!(stored(&judge(&plan(true), None, Some(earlier))), Some(None), "swept away");
    }

    #[test]
    fn a_delete_marker_is_told_as_removed_where_that_uncovers_something() {
        let (plan, marker) = (plan(true), Id::version("b", "in/a", "m"));
        for (key_listed, expected) in
            [(true, Some((What::Removed, marker.removal()))), (false, None)]
        {
            let place = Place::new("in/a", "m").unwrap().bytes().clone();
            let known = Some(known(State::DeleteMarker, marker).to_bytes());
            let pair = Pair { place, listed: None, known, key_listed };
            let verdict = Judge { bucket: "b", plan: &plan }.judge(pair);
            assert_eq!(told(&verdict), expected);
            assert_ne!(
                stored(&verdict).unwrap().map(|known| known.state),
                Some(State::DeleteMarker)
            );
        }
    }

    #[test]
    fn what_is_no_place_is_forgotten() {
        let known = Some("y".into());
        let pair = Pair { place: "x".into(), listed: None, known, key_listed: false };
        let verdict = Judge { bucket: "b", plan: &plan(true) }.judge(pair);
        assert_eq!((told(&verdict), stored(&verdict)), (None, Some(None)));
    }
}
