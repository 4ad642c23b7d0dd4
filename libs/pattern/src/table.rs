//! Row numbers by hash, in parts that a copy shares until one of the two changes them.

use std::hash::{BuildHasher as _, Hash, Hasher as _};
use std::sync::Arc;

use hashbrown::{DefaultHashBuilder, HashTable};

/// A change copies, and growth rehashes, one part in so many.
const PARTS: usize = 64;

/// Finds row numbers by what the rows hold; the rows themselves are elsewhere.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    parts: Vec<Arc<HashTable<u32>>>,
}

impl Default for Table {
    fn default() -> Self {
        Self { parts: vec![Arc::default(); PARTS] }
    }
}

impl Table {
    #[inline]
    pub(crate) fn find(&self, hash: u64, is: impl Fn(u32) -> bool) -> Option<u32> {
        self.parts[part(hash)].find(hash, |&number| is(number)).copied()
    }

    /// Adds a number that is not in it. `rehash` tells the hash of any number in it.
    pub(crate) fn insert(&mut self, hash: u64, number: u32, rehash: impl Fn(u32) -> u64) {
        Arc::make_mut(&mut self.parts[part(hash)])
            .insert_unique(hash, number, |&number| rehash(number));
    }

    /// Puts another number in the place of this one, if it is there; or takes it out.
    pub(crate) fn replace(&mut self, hash: u64, number: u32, by: Option<u32>) {
        let part = Arc::make_mut(&mut self.parts[part(hash)]);
        if let Ok(mut found) = part.find_entry(hash, |&other| other == number) {
            match by {
                Some(other) => *found.get_mut() = other,
                None => drop(found.remove()),
            }
        }
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.parts.iter().all(|part| part.is_empty())
    }
}

/// The table within a part goes by the lowest and the highest bits.
#[inline]
fn part(hash: u64) -> usize {
    (hash >> 40) as usize % PARTS
}

/// How rows are hashed: with a seed of each matcher's own, so that nobody can choose texts that meet.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hashing {
    hasher: DefaultHashBuilder,
}

impl Hashing {
    pub(crate) fn of(&self, content: &impl Hash) -> u64 {
        self.hasher.hash_one(content)
    }

    #[inline]
    pub(crate) fn of_pair(&self, first: u32, second: u32) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        hasher.write_u64(u64::from(first) << 32 | u64::from(second));
        hasher.finish()
    }

    #[inline]
    pub(crate) fn of_bytes(&self, number: u64, bytes: &[u8]) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        hasher.write_u64(number);
        hasher.write(bytes);
        hasher.finish()
    }
}
