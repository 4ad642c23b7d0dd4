//! Whether the process is ready, and if not, why.

use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::watch;

/// Collects what the parts of a process say of themselves. Ready when every part is.
#[derive(Clone)]
pub struct Health {
    state: Arc<Mutex<State>>,
    changed: watch::Sender<()>,
}

#[derive(Default)]
struct State {
    expected: Vec<String>,
    parts: Vec<Part>,
}

struct Part {
    name: String,
    not_ready: Option<String>,
}

/// One part that is not ready.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct NotReady {
    /// The part, such as `invoker: database`.
    pub part: String,
    /// Why it is not ready.
    pub reason: String,
}

impl Default for Health {
    fn default() -> Self {
        Self { state: Arc::default(), changed: watch::Sender::new(()) }
    }
}

impl Health {
    /// A new part, which is not ready until it says so.
    ///
    /// A service adds all its parts, named `<service>: <thing>`, before the first of them is ready.
    #[must_use]
    pub fn part(&self, name: impl Into<String>) -> Check {
        let mut state = self.lock();
        state.parts.push(Part { name: name.into(), not_ready: Some("starting".to_owned()) });
        Check { health: self.clone(), index: state.parts.len() - 1 }
    }

    /// From now on the process is not ready as long as `service` has not added a part.
    pub fn expect(&self, service: impl Into<String>) {
        self.lock().expected.push(service.into());
    }

    /// The parts that are not ready, and why. Empty when the process is ready.
    #[must_use]
    pub fn not_ready(&self) -> Vec<NotReady> {
        let state = self.lock();
        let silent = |service: &&String| {
            let of_service = |part: &Part| {
                part.name.strip_prefix(service.as_str()).is_some_and(|rest| rest.starts_with(':'))
            };
            !state.parts.iter().any(of_service)
        };
        let starting =
            |service: &String| NotReady { part: service.clone(), reason: "starting".to_owned() };
        let reason = |part: &Part| {
            let reason = part.not_ready.clone()?;
            Some(NotReady { part: part.name.clone(), reason })
        };
        let silent = state.expected.iter().filter(silent).map(starting);
        silent.chain(state.parts.iter().filter_map(reason)).collect()
    }

    /// Waits until the process is ready.
    pub async fn ready(&self) {
        let mut changed = self.changed.subscribe();
        while !self.not_ready().is_empty() {
            changed.changed().await.expect("the sender lives as long as this does");
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it holds this lock")
    }
}

/// Says whether one part is ready.
#[derive(Clone)]
pub struct Check {
    health: Health,
    index: usize,
}

impl Check {
    /// The part is ready.
    pub fn ready(&self) {
        self.set(None);
    }

    /// The part is not ready, for this reason.
    pub fn not_ready(&self, reason: impl Into<String>) {
        self.set(Some(reason.into()));
    }

    fn set(&self, not_ready: Option<String>) {
        self.health.lock().parts[self.index].not_ready = not_ready;
        self.health.changed.send_replace(());
    }
}

#[cfg(test)]
mod tests {
    use super::Health;

    #[tokio::test]
    async fn ready_once_every_expected_service_and_every_part_says_so() {
        let health = Health::default();
        health.expect("auth");
        let waiting = tokio::spawn({
            let health = health.clone();
            async move { health.ready().await }
        });
        assert_eq!(health.not_ready()[0].part, "auth");
        let database = health.part("auth: database");
        let other = health.part("authority: other");
        other.ready();
        assert_eq!(health.not_ready()[0].part, "auth: database");
        database.ready();
        waiting.await.unwrap();
        database.not_ready("gone");
        assert_eq!(health.not_ready()[0].reason, "gone");
    }
}
