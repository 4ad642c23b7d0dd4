//! When each function's stored rows are to be looked at. One timer, no ticking.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard};

use tokio::sync::Notify;
use tripline_kernel::{Clock, Timestamp, Uid};

/// When to look for due rows, by function.
#[derive(Default)]
pub(crate) struct Schedule {
    times: Mutex<Times>,
    changed: Notify,
}

#[derive(Default)]
struct Times {
    by_function: HashMap<Uid, Timestamp>,
    in_order: BTreeSet<(Timestamp, Uid)>,
    reload: bool,
}

/// What is to be done now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// Rows of this function are due.
    Function(Uid),
    /// Anyone's rows may be.
    Reload,
}

impl Schedule {
    /// Looks at the function's rows at `time`, or earlier where that was asked for.
    pub(crate) fn at(&self, function: Uid, time: Timestamp) {
        let mut times = self.lock();
        if times.by_function.get(&function).is_some_and(|&known| known <= time) {
            return;
        }
        if let Some(later) = times.by_function.insert(function, time) {
            times.in_order.remove(&(later, function));
        }
        times.in_order.insert((time, function));
        let is_first = times.in_order.first() == Some(&(time, function));
        drop(times);
        if is_first {
            self.changed.notify_one();
        }
    }

    /// Looks at everyone's rows.
    pub(crate) fn reload(&self) {
        self.lock().reload = true;
        self.changed.notify_one();
    }

    /// Waits for what is due next. Cancel-safe.
    pub(crate) async fn next(&self, clock: &dyn Clock) -> Due {
        loop {
            let changed = self.changed.notified();
            let first = match self.take(clock.now()) {
                Ok(due) => return due,
                Err(first) => first,
            };
            let Some(first) = first else {
                changed.await;
                continue;
            };
            tokio::select! {
                () = changed => {}
                () = tokio::time::sleep(first.since(clock.now())) => {}
            }
        }
    }

    /// Takes out what is due, or says when the next is.
    pub(crate) fn take(&self, now: Timestamp) -> Result<Due, Option<Timestamp>> {
        let mut times = self.lock();
        if std::mem::take(&mut times.reload) {
            return Ok(Due::Reload);
        }
        let Some(&(time, function)) = times.in_order.first() else { return Err(None) };
        if time > now {
            return Err(Some(time));
        }
        times.in_order.pop_first();
        times.by_function.remove(&function);
        Ok(Due::Function(function))
    }

    fn lock(&self) -> MutexGuard<'_, Times> {
        self.times.lock().expect("nothing panics while it holds this lock")
    }
}

#[cfg(test)]
mod tests {
    use tripline_kernel::{Timestamp, Uid};

    use super::{Due, Schedule};

    #[test]
    fn the_earliest_time_of_a_function_counts_and_order_is_by_time() {
        let (a, b) = (Uid::from_bytes([1; 16]), Uid::from_bytes([2; 16]));
        let at = Timestamp::from_micros;
        let schedule = Schedule::default();
        schedule.at(a, at(30));
        schedule.at(b, at(20));
        schedule.at(a, at(10));
        schedule.at(a, at(40));
        assert_eq!(schedule.take(at(5)), Err(Some(at(10))));
        assert_eq!(schedule.take(at(25)), Ok(Due::Function(a)));
        assert_eq!(schedule.take(at(25)), Ok(Due::Function(b)));
        assert_eq!(schedule.take(at(99)), Err(None));
        schedule.reload();
        assert_eq!(schedule.take(at(0)), Ok(Due::Reload));
    }
}
