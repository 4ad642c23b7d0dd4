//! Whether the process is ready, and if not, why.

use std::sync::{Arc, Mutex};

/// Collects what the parts of a process say of themselves. Ready when every part is.
#[derive(Clone, Default)]
pub struct Health {
    parts: Arc<Mutex<Vec<Part>>>,
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

impl Health {
    /// A new part, which is not ready until it says so.
    #[must_use]
    pub fn part(&self, name: impl Into<String>) -> Check {
        let mut parts = self.parts.lock().expect("nothing panics while it holds this lock");
        parts.push(Part { name: name.into(), not_ready: Some("starting".to_owned()) });
        Check { health: self.clone(), index: parts.len() - 1 }
    }

    /// The parts that are not ready, and why. Empty when the process is ready.
    #[must_use]
    pub fn not_ready(&self) -> Vec<NotReady> {
        let parts = self.parts.lock().expect("nothing panics while it holds this lock");
        let reason = |part: &Part| {
            let reason = part.not_ready.clone()?;
            Some(NotReady { part: part.name.clone(), reason })
        };
        parts.iter().filter_map(reason).collect()
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
        let mut parts = self.health.parts.lock().expect("nothing panics while it holds this lock");
        parts[self.index].not_ready = not_ready;
    }
}
