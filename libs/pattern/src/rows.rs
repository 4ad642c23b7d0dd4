//! Rows by number, in chunks that a copy shares until one of the two changes them.
//!
//! So copying a matcher of 100,000 patterns costs some thousand reference counts, and changing the copy costs the chunks
//! that are touched.

use std::ops::{Index, IndexMut};
use std::sync::Arc;

/// Rows of one chunk: what a change copies at most, for each row that it touches.
const CHUNK_ROWS: usize = 128;

/// Rows that keep their number until they are removed; then it is given again.
#[derive(Clone, Debug)]
pub(crate) struct Rows<T> {
    chunks: Vec<Arc<[T]>>,
    /// How many numbers were ever given.
    given: usize,
    unused: Vec<u32>,
}

impl<T> Default for Rows<T> {
    fn default() -> Self {
        Self { chunks: Vec::new(), given: 0, unused: Vec::new() }
    }
}

impl<T: Clone + Default> Rows<T> {
    pub(crate) fn insert(&mut self, row: T) -> u32 {
        if let Some(number) = self.unused.pop() {
            self[number] = row;
            return number;
        }
        if self.given.is_multiple_of(CHUNK_ROWS) {
            self.chunks.push((0..CHUNK_ROWS).map(|_| T::default()).collect());
        }
        let number = u32::try_from(self.given).expect("memory ends before the numbers do");
        self.given += 1;
        self[number] = row;
        number
    }

    /// Takes a row out; its number may be given again.
    pub(crate) fn remove(&mut self, number: u32) -> T {
        self.unused.push(number);
        std::mem::take(&mut self[number])
    }

    /// How many rows there are.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.given - self.unused.len()
    }
}

fn place(number: u32) -> (usize, usize) {
    (number as usize / CHUNK_ROWS, number as usize % CHUNK_ROWS)
}

impl<T> Index<u32> for Rows<T> {
    type Output = T;

    fn index(&self, number: u32) -> &T {
        let (chunk, row) = place(number);
        &self.chunks[chunk][row]
    }
}

impl<T: Clone> IndexMut<u32> for Rows<T> {
    fn index_mut(&mut self, number: u32) -> &mut T {
        let (chunk, row) = place(number);
        &mut Arc::make_mut(&mut self.chunks[chunk])[row]
    }
}

#[cfg(test)]
mod tests {
    use super::{CHUNK_ROWS, Rows};

    #[test]
    fn a_copy_does_not_see_what_changes_later() {
        let mut rows = Rows::default();
        let numbers: Vec<u32> = (0..3 * CHUNK_ROWS).map(|row| rows.insert(row)).collect();
        let copy = rows.clone();
        rows[numbers[1]] = 99;
        assert_eq!(rows.remove(numbers[2]), 2);
        assert_eq!((rows.insert(7), rows.len()), (numbers[2], 3 * CHUNK_ROWS));
        assert_eq!((rows[numbers[1]], rows[numbers[2]]), (99, 7));
        assert_eq!((copy[numbers[1]], copy[numbers[2]]), (1, 2));
        let last = numbers[3 * CHUNK_ROWS - 1];
        assert_eq!((rows[last], copy[last]), (3 * CHUNK_ROWS - 1, 3 * CHUNK_ROWS - 1));
    }
}
