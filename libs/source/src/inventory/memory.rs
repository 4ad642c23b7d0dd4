//! An inventory that is gone with the process.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard};

use bytes::Bytes;

use super::{Change, Entry, INVENTORY_BATCH_MAX, Inventory};
use crate::Error;

/// An inventory in memory: for tests, and for origins that are gone with the process themselves.
#[derive(Debug, Default)]
pub struct InMemory(Mutex<BTreeMap<Bytes, Bytes>>);

impl InMemory {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Bytes, Bytes>> {
        self.0.lock().expect("nothing panics while it holds this lock")
    }

    /// Every entry, in order.
    #[must_use]
    pub fn all(&self) -> Vec<Entry> {
        let entry =
            |(key, value): (&Bytes, &Bytes)| Entry { key: key.clone(), value: value.clone() };
        self.lock().iter().map(entry).collect()
    }
}

#[async_trait::async_trait]
impl Inventory for InMemory {
    async fn entries(&self, after: &[u8]) -> Result<Vec<Entry>, Error> {
        let map = self.lock();
        let above = map.range::<[u8], _>((Bound::Excluded(after), Bound::Unbounded));
        let entry =
            |(key, value): (&Bytes, &Bytes)| Entry { key: key.clone(), value: value.clone() };
        Ok(above.take(INVENTORY_BATCH_MAX).map(entry).collect())
    }

    async fn find(&self, keys: &[Bytes]) -> Result<Vec<Entry>, Error> {
        let map = self.lock();
        let entry = |key: &Bytes| Some(Entry { key: key.clone(), value: map.get(key)?.clone() });
        Ok(keys.iter().filter_map(entry).collect())
    }

    async fn write(&self, changes: &[Change]) -> Result<(), Error> {
        Change::check(changes)?;
        let mut map = self.lock();
        for Change { key, value } in changes {
            match value {
                Some(value) => map.insert(key.clone(), value.clone()),
                None => map.remove(key),
            };
        }
        Ok(())
    }

    async fn clear(&self) -> Result<(), Error> {
        self.lock().clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::InMemory;
    use crate::conformance;

    #[test]
    fn it_keeps_the_rules() {
        let inventory = InMemory::default();
        let polled = pin!(conformance(&inventory)).poll(&mut Context::from_waker(Waker::noop()));
        assert_eq!(polled, Poll::Ready(()), "it never waits");
    }
}
