//! How many transforms an API key may try at a time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tripline_kernel::Uid;
use tripline_sandbox::limits::PLACE_WAIT;

use crate::refusal::Refusal;

/// Most transforms that one API key tries at a time; further ones wait. Fewer than there are workers, so that nobody's
/// endless programs keep others from theirs.
const TRIALS_OF_KEY_MAX: usize = 2;
const _: () = assert!(TRIALS_OF_KEY_MAX < tripline_sandbox::limits::WORKERS_MAX);

/// The places of those who try transforms. Knows only the keys that have some, or wait for one.
#[derive(Debug, Default)]
pub(crate) struct Trials {
    of_keys: Mutex<HashMap<Uid, Arc<Semaphore>>>,
}

impl Trials {
    /// A place for this key, free again when it is dropped.
    pub(crate) async fn place(&self, key: Uid) -> Result<OwnedSemaphorePermit, Refusal> {
        let place = timeout(PLACE_WAIT, self.of_key(key).acquire_owned()).await;
        Ok(place.map_err(|_| Refusal::TooManyTests)?.expect("never closed"))
    }

    fn of_key(&self, key: Uid) -> Arc<Semaphore> {
        let mut of_keys = self.of_keys.lock().unwrap_or_else(PoisonError::into_inner);
        of_keys.retain(|_, places| Arc::strong_count(places) > 1);
        let new = || Arc::new(Semaphore::new(TRIALS_OF_KEY_MAX));
        Arc::clone(of_keys.entry(key).or_insert_with(new))
    }
}

#[cfg(test)]
mod tests {
    use tripline_kernel::Uid;

    use super::{TRIALS_OF_KEY_MAX, Trials};
    use crate::refusal::Refusal;

    #[tokio::test(start_paused = true)]
    async fn no_key_takes_the_places_of_others_and_each_place_comes_back() {
        let trials = Trials::default();
        let (one, other) = (Uid::from_bytes([1; 16]), Uid::from_bytes([2; 16]));
        let mut held = Vec::new();
        for _ in 0..TRIALS_OF_KEY_MAX {
            held.push(trials.place(one).await.unwrap());
        }
        assert_eq!(trials.place(one).await.unwrap_err(), Refusal::TooManyTests);
        drop(trials.place(other).await.unwrap());
        // The first waits until the second has given a place back.
        let (place, ()) = tokio::join!(trials.place(one), async { drop(held.pop()) });
        drop(place.unwrap());
        drop(held);
        drop(trials.place(other).await.unwrap());
        assert_eq!(trials.of_keys.lock().unwrap().len(), 1, "who has none is forgotten");
    }
}
