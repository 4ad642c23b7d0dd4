//! Compares two ordered streams, page by page: what the listing shows, and what the inventory knows.
//!
//! Holds one page of each, whatever their lengths. Does no IO: it says what it needs next.

use std::collections::VecDeque;

use bytes::Bytes;
use tripline_source::Entry;

use crate::listing::Listed;
use crate::place::Place;

/// A comparison under way.
#[derive(Debug, Default)]
pub(crate) struct Merge {
    listed: VecDeque<Listed>,
    all_listed: bool,
    known: VecDeque<Entry>,
    all_known: bool,
    /// The last place that was passed.
    at: Bytes,
    /// The last place that was listed.
    last_listed: Option<Place>,
}

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// The next page of the listing is needed.
    Listed,
    /// The next page of the inventory is needed: what stands above this.
    Known(Bytes),
    /// Something stands at this place, in one of the two or in both.
    Pair(Pair),
    /// All has been compared.
    End,
}

/// What both sides say of one place. At least one says something.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) place: Bytes,
    pub(crate) listed: Option<Listed>,
    /// The value in the inventory.
    pub(crate) known: Option<Bytes>,
    /// Whether this or another version of the key is listed.
    pub(crate) key_listed: bool,
}

impl Merge {
    /// The next page of the listing, in order; empty ones are fine.
    pub(crate) fn listed(&mut self, page: Vec<Listed>, last: bool) {
        self.listed.extend(page);
        self.all_listed = last;
    }

    /// The next page of the inventory, in order.
    pub(crate) fn known(&mut self, page: Vec<Entry>, last: bool) {
        self.known.extend(page);
        self.all_known = last;
    }

    /// Forgets what has been read of the inventory and was not compared yet, because it has changed since.
    pub(crate) fn read_again(&mut self) {
        self.known.clear();
        self.all_known = false;
    }

    /// The key of what comes next, where that is known without another page.
    pub(crate) fn key_ahead(&self) -> Option<&[u8]> {
        let listed = self.listed.front().map(|listed| listed.place.bytes());
        let known = self.known.front().map(|entry| &entry.key);
        let ready = (listed.is_some() || self.all_listed) && (known.is_some() || self.all_known);
        let first = [listed, known].into_iter().flatten().min().filter(|_| ready)?;
        first.split(|byte| *byte == 0).next()
    }

    pub(crate) fn next(&mut self) -> Next {
        if self.known.is_empty() && !self.all_known {
            return Next::Known(self.at.clone());
        }
        if self.listed.is_empty() && !self.all_listed {
            return Next::Listed;
        }
        let listed = self.listed.front().map(|listed| listed.place.bytes());
        let known = self.known.front().map(|entry| &entry.key);
        let Some(place) = [listed, known].into_iter().flatten().min().cloned() else {
            return Next::End;
        };
        let listed = self.listed.pop_front_if(|listed| *listed.place.bytes() == place);
        let known = self.known.pop_front_if(|entry| entry.key == place).map(|entry| entry.value);
        self.at = place.clone();
        if let Some(listed) = &listed {
            self.last_listed = Some(listed.place.clone());
        }
        // The listing comes with all versions of a key at once, so the next page holds no more of this one.
        let ahead = self.listed.front().map(|listed| &listed.place);
        let near = self.last_listed.iter().chain(ahead);
        let key = place.split(|byte| *byte == 0).next();
        let key_listed = near.into_iter().any(|near| Some(near.key().as_bytes()) == key);
        Next::Pair(Pair { place, listed, known, key_listed })
    }
}

impl Pair {
    /// The place; `None` when the inventory holds something that is none.
    pub(crate) fn place(&self) -> Option<Place> {
        match &self.listed {
            Some(listed) => Some(listed.place.clone()),
            None => Place::read(self.place.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use tripline_source::Entry;

    use super::{Merge, Next, Pair};
    use crate::listing::{Listed, Marker, Page, Pages, Sort};
    use crate::place::Place;

    fn listed(place: &Place, millis: i64) -> Listed {
        Listed { place: place.clone(), sort: Sort::Object, millis, etag: String::new(), size: 0 }
    }

    /// Pages of random lengths, empty ones among them.
    fn page<T>(from: &mut std::vec::IntoIter<T>, length: usize) -> (Vec<T>, bool) {
        let page = from.by_ref().take(length).collect();
        (page, from.len() == 0)
    }

    fn places() -> impl Strategy<Value = BTreeMap<Place, i64>> {
        let place = ("[ab/ é🚀\u{1}]{1,3}", "[ab1]{0,2}");
        let place = place.prop_map(|(key, version)| Place::new(&key, &version).expect("a place"));
        prop::collection::btree_map(place, 0..3_i64, 0..60)
    }

    proptest! {
        /// The oracle looks at every place there is.
        #[test]
        fn every_place_comes_once_and_in_order_whatever_the_pages(
            bucket in places(),
            inventory in places(),
            lengths in prop::collection::vec(0..7_usize, 1..40),
            again in prop::collection::vec(any::<bool>(), 1..40),
        ) {
            let all: std::collections::BTreeSet<_> = bucket.keys().chain(inventory.keys()).collect();
            let expected: Vec<_> = all.into_iter().map(|place| Pair {
                place: place.bytes().clone(),
                listed: bucket.get(place).map(|millis| listed(place, *millis)),
                known: inventory.get(place).map(|n| n.to_string().into()),
                key_listed: bucket.keys().any(|listed| listed.key() == place.key()),
            }).collect();

            let shown: Vec<_> = bucket.iter().map(|(place, millis)| listed(place, *millis)).collect();
            let (mut shown, mut merge, mut found) = (shown.into_iter(), Merge::default(), Vec::new());
            let mut pages = Pages::default();
            // Empty pages for ever would be no listing.
            let lengths = lengths.into_iter().chain([1]);
            let (mut lengths, mut again) = (lengths.cycle(), again.into_iter().cycle());
            loop {
                match merge.next() {
                    Next::Listed => {
                        let (page, last) = page(&mut shown, lengths.next().unwrap());
                        let next = (!last).then(Marker::default);
                        merge.listed(pages.take(Page { listed: page, next }).unwrap(), last);
                    }
                    Next::Known(after) => {
                        let above = inventory.iter().filter(|(place, _)| place.bytes() > &after);
                        let entry = |(place, n): (&Place, &i64)| Entry { key: place.bytes().clone(), value: n.to_string().into() };
                        let rest: Vec<_> = above.map(entry).collect();
                        let (page, last) = page(&mut rest.into_iter(), lengths.next().unwrap() + 1);
                        merge.known(page, last);
                    }
                    Next::Pair(pair) => {
                        if let Some(key) = merge.key_ahead() {
                            prop_assert!(key >= pair.place().unwrap().key().as_bytes());
                        }
                        found.push(pair);
                        if again.next().unwrap() {
                            merge.read_again();
                        }
                    }
                    Next::End => break,
                }
            }
            prop_assert_eq!(found, expected);
        }
    }
}
