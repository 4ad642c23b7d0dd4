//! Things to be done once, however often they are asked for.

use std::collections::VecDeque;
use std::sync::Mutex;

use tokio::sync::Notify;

/// A set of wishes that one task works off. It holds each wish once, so it is bounded by how many different ones there are.
pub(crate) struct Todo<T> {
    wanted: Mutex<VecDeque<T>>,
    changed: Notify,
}

impl<T> Default for Todo<T> {
    fn default() -> Self {
        Self { wanted: Mutex::default(), changed: Notify::new() }
    }
}

impl<T: PartialEq> Todo<T> {
    /// Asks for it, unless it is asked for already.
    pub(crate) fn put(&self, wish: T) {
        let mut wanted = self.wanted.lock().expect("nothing panics while it holds this lock");
        if !wanted.contains(&wish) {
            wanted.push_back(wish);
        }
        drop(wanted);
        self.changed.notify_one();
    }

    /// The oldest wish, once there is one. Cancel-safe.
    pub(crate) async fn next(&self) -> T {
        loop {
            let changed = self.changed.notified();
            match self.take() {
                Some(wish) => return wish,
                None => changed.await,
            }
        }
    }

    fn take(&self) -> Option<T> {
        self.wanted.lock().expect("nothing panics while it holds this lock").pop_front()
    }
}
