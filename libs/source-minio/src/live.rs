//! What a notification of the live stream means: the id of its event, and what is known from then on.

use std::collections::HashMap;

use crate::events::{DELETE, DELETE_MARKER, WRITES};
use crate::id::{Id, Other};
use crate::known::{By, Known, State};
use crate::place::Place;
use crate::record::Notice;

/// What is known of the places that a batch of notifications is about.
pub(crate) type Places = HashMap<Place, Option<Known>>;

/// Whether what is known of its place decides the notification's id.
pub(crate) fn asks_for(notice: &Notice) -> Option<Place> {
    let place = notice.place()?;
    let unversioned = notice.event_name() == DELETE && place.version().is_empty();
    (unversioned || notice.event_name() == DELETE_MARKER).then_some(place)
}

/// The marker of which it cannot be said whether the notification tells that it was made or that it was removed: a listing
/// of this run has shown it, perhaps before the stream told that it was made.
pub(crate) fn in_doubt(notice: &Notice, places: &Places, run: u64) -> Option<Place> {
    let place = notice.place().filter(|place| !place.version().is_empty())?;
    let known = places.get(&place).copied().flatten()?;
    let listed = known.state == State::DeleteMarker && known.by == By::Listing && known.run == run;
    (listed && notice.event_name() == DELETE_MARKER).then_some(place)
}

/// The id of the event, in view of what is known; notes in `places` what is known afterwards.
///
/// With `keep_gone`, what is removed leaves a trace, for as long as a listing under way may still show it.
pub(crate) fn take(notice: &Notice, places: &mut Places, run: u64, keep_gone: bool) -> Id {
    let Some(place) = notice.place() else { return other(notice) };
    let known = places.get(&place).copied().flatten();
    let effect = Effect { notice, place: &place, known, run };
    let (id, state) = match notice.event_name() {
        name if WRITES.contains(&name) => effect.written(),
        DELETE => effect.removed(),
        DELETE_MARKER => effect.delete_marker(),
        _ => return other(notice),
    };
    let (state, own_id) = state;
    let stays = state != State::Gone || keep_gone;
    let millis = notice.millis();
    let known = Known { state, by: By::Stream, run, millis, id: own_id };
    places.insert(place, stays.then_some(known));
    id
}

fn other(notice: &Notice) -> Id {
    Id::other(&Other {
        bucket: notice.bucket(),
        key: notice.key(),
        version: notice.version(),
        event_name: notice.event_name(),
        request_id: notice.request_id(),
        sequencer: notice.sequencer(),
    })
}

struct Effect<'n> {
    notice: &'n Notice,
    place: &'n Place,
    known: Option<Known>,
    run: u64,
}

/// The id of the event; then what stands at the place, and the id that made it.
type Outcome = (Id, (State, Id));

impl Effect<'_> {
    fn version(&self) -> Option<Id> {
        let version = self.place.version();
        let id = || Id::version(self.notice.bucket(), self.place.key(), version);
        (!version.is_empty()).then(id)
    }

    /// Whether a listing of this run has shown this.
    fn listed_now(&self, known: &Known) -> bool {
        known.by == By::Listing && known.run == self.run
    }

    fn written(&self) -> Outcome {
        let notice = self.notice;
        let (bucket, key) = (notice.bucket(), self.place.key());
        let written = || Id::written(bucket, key, notice.millis(), notice.etag());
        let id = self.version().unwrap_or_else(written);
        (id, (State::Object, id))
    }

    fn removed(&self) -> Outcome {
        // What the listing has shown to be gone is told under the same id.
        let object = self.known.filter(|known| match known.state {
            State::Object => true,
            State::Gone => self.listed_now(known),
            State::DeleteMarker => false,
        });
        let object = object.map(|known| known.id);
        let unknown =
            || Id::unknown_removal(self.notice.bucket(), self.place.key(), self.notice.sequencer());
        let made = self.version().or(object);
        let id = made.map_or_else(unknown, Id::removal);
        (id, (State::Gone, made.unwrap_or(id)))
    }

    /// The server tells under this name that a delete marker was made, and also that one was removed.
    fn delete_marker(&self) -> Outcome {
        let millis = self.notice.millis();
        let Some(version) = self.version() else {
            let millis = millis.to_string();
            let own = Id::unknown_removal(self.notice.bucket(), self.place.key(), &millis);
            let id = match self.known {
                Some(known) if known.state == State::Object => known.id.removal(),
                Some(known) if known.state == State::DeleteMarker && self.listed_now(&known) => {
                    known.id
                }
                _ => own,
            };
            return (id, (State::DeleteMarker, id));
        };
        let made_before = self
            .known
            .is_some_and(|known| known.state == State::DeleteMarker && !self.listed_now(&known));
        if made_before {
            (version.removal(), (State::Gone, version))
        } else {
            (version, (State::DeleteMarker, version))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Places, asks_for, in_doubt, take};
    use crate::events::{DELETE, DELETE_MARKER, PUT};
    use crate::id::Id;
    use crate::known::{By, Known, State};
    use crate::place::Place;
    use crate::record::{Notice, notices};

    /// A notification at this many milliseconds.
    fn notice(name: &str, version: &str, millis: i64) -> Notice {
        let sequencer = format!("{:X}", millis * 1_000_000 + 123_456);
        let object = json!({"key": "a", "eTag": "e", "versionId": version, "sequencer": sequencer});
        let line = json!({"Records": [{
            "eventSource": "minio:s3", "eventName": name,
            "s3": {"bucket": {"name": "b"}, "object": object},
        }]});
        notices(line.to_string().as_bytes()).unwrap().remove(0)
    }

    fn place(version: &str) -> Place {
        Place::new("a", version).unwrap()
    }

    #[test]
    fn a_removal_goes_by_what_was_written_last() {
        let mut places = Places::new();
        let put = take(&notice(PUT, "", 1_000), &mut places, 1, false);
        assert_eq!(put, Id::written("b", "a", 1_000, "e"));
        let removal = notice(DELETE, "null", 2_000);
        assert_eq!(asks_for(&removal), Some(place("")));
        assert_eq!(take(&removal, &mut places, 1, false), put.removal());
        assert_eq!(places[&place("")], None);
        let again = take(&notice(DELETE, "", 3_000), &mut places, 1, true);
        let unknown = Id::unknown_removal("b", "a", removal_sequencer(3_000).as_str());
        assert_eq!(again, unknown);
        assert_eq!(places[&place("")].unwrap().state, State::Gone, "kept while a listing is read");
    }

    fn removal_sequencer(millis: i64) -> String {
        notice(DELETE, "", millis).sequencer().to_owned()
    }

    #[test]
    fn versions_are_made_and_removed_by_their_ids() {
        let mut places = Places::new();
        let version = Id::version("b", "a", "v1");
        assert_eq!(take(&notice(PUT, "v1", 1), &mut places, 1, false), version);
        let removal = notice(DELETE, "v1", 2);
        assert_eq!(asks_for(&removal), None, "the id is known without asking");
        assert_eq!(take(&removal, &mut Places::new(), 1, false), version.removal());
    }

    #[test]
    fn the_same_name_tells_that_a_delete_marker_was_made_and_that_it_was_removed() {
        let mut places = Places::new();
        let marker = Id::version("b", "a", "m");
        assert_eq!(take(&notice(DELETE_MARKER, "m", 1), &mut places, 1, false), marker);
        assert_eq!(places[&place("m")].unwrap().state, State::DeleteMarker);
        assert_eq!(take(&notice(DELETE_MARKER, "m", 2), &mut places, 1, false), marker.removal());
        assert_eq!(places[&place("m")], None);

        let listed =
            |run| Known { state: State::DeleteMarker, by: By::Listing, run, millis: 2, id: marker };
        let again = notice(DELETE_MARKER, "m", 3);
        for (run, expected, doubt) in [(7, marker, Some(place("m"))), (6, marker.removal(), None)] {
            let mut places = Places::from([(place("m"), Some(listed(run)))]);
            assert_eq!(in_doubt(&again, &places, 7), doubt);
            assert_eq!(take(&again, &mut places, 7, false), expected);
        }
    }

    #[test]
    fn a_delete_marker_without_a_version_removes_what_stood_there() {
        let mut places = Places::new();
        let put = take(&notice(PUT, "null", 1), &mut places, 1, false);
        let marker = notice(DELETE_MARKER, "null", 2);
        assert_eq!(take(&marker, &mut places, 1, false), put.removal());
        let own = Id::unknown_removal("b", "a", "2");
        assert_eq!(take(&marker, &mut places, 1, false), own);
    }

    #[test]
    fn a_removal_that_a_listing_has_shown_before_is_told_under_the_same_id() {
        let object = Id::written("b", "a", 1, "e");
        let gone = Known { state: State::Gone, by: By::Listing, run: 7, millis: 1, id: object };
        let mut places = Places::from([(place(""), Some(gone))]);
        let removal = notice(DELETE, "", 2);
        assert_eq!(take(&removal, &mut places, 7, true), object.removal());
        let unknown = Id::unknown_removal("b", "a", removal.sequencer());
        assert_eq!(take(&removal, &mut places, 7, true), unknown, "but once");
    }

    #[test]
    fn all_else_leaves_what_is_known() {
        let mut places = Places::new();
        let tagging = "s3:ObjectCreated:PutTagging";
        let one = take(&notice(tagging, "", 1), &mut places, 1, false);
        assert_ne!(one, take(&notice(tagging, "", 2), &mut places, 1, false));
        assert!(places.is_empty());
    }
}
