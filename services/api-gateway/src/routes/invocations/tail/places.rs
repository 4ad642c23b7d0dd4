//! How many may follow at a time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tripline_kernel::Uid;

/// Most tails at a time, of all callers.
const TAILS_MAX: usize = 32;
/// Most tails at a time of one API key: no key takes all the places.
const TAILS_OF_KEY_MAX: usize = 4;

/// The places of those who follow.
#[derive(Debug, Default)]
pub(crate) struct Tails {
    /// How many each key has; those that have none are not in it.
    taken: Arc<Mutex<HashMap<Uid, usize>>>,
}

/// One of them, which is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    taken: Arc<Mutex<HashMap<Uid, usize>>>,
    key: Uid,
}

impl Tails {
    /// A place for this key; nothing when it has as many as it may, or all are taken.
    pub(super) fn take(&self, key: Uid) -> Option<Place> {
        let mut taken = self.taken.lock().expect("nothing panics while it holds this lock");
        let of_key = taken.get(&key).copied().unwrap_or(0);
        if of_key >= TAILS_OF_KEY_MAX || taken.values().sum::<usize>() >= TAILS_MAX {
            return None;
        }
        taken.insert(key, of_key + 1);
        Some(Place { taken: Arc::clone(&self.taken), key })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.taken.lock().expect("nothing panics while it holds this lock");
        let left = taken.get(&self.key).map_or(0, |of_key| of_key - 1);
        if left == 0 {
            taken.remove(&self.key);
        } else {
            taken.insert(self.key, left);
        }
    }
}

#[cfg(test)]
mod tests {
    use tripline_kernel::Uid;

    use super::{TAILS_MAX, TAILS_OF_KEY_MAX, Tails};

    #[test]
    fn no_key_takes_all_places_and_each_place_comes_back() {
        let tails = Tails::default();
        let key = |number: usize| Uid::from_bytes([u8::try_from(number).unwrap(); 16]);
        let mut places: Vec<_> =
            (0..TAILS_OF_KEY_MAX).map(|_| tails.take(key(0)).unwrap()).collect();
        assert!(tails.take(key(0)).is_none(), "as many as one key may");
        places.extend((TAILS_OF_KEY_MAX..TAILS_MAX).map(|number| tails.take(key(number)).unwrap()));
        assert!(tails.take(key(TAILS_MAX)).is_none(), "as many as there are");
        places.remove(0);
        places.push(tails.take(key(0)).unwrap());
        drop(places);
        assert!(tails.taken.lock().unwrap().is_empty());
    }
}
