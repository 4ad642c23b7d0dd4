//! What this process knows of functions, triggers and rules, fed by the watch streams of registry and auth.
//!
//! It stays as it is when those services are away: the way of an event never waits for them.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use tripline_event::Subject;
use tripline_kernel::{Timestamp, Uid};
use tripline_signing::SigningSecret;
use tripline_target::Target;

use crate::judge::Policy;

/// Concurrency of a function that is not known yet: its invocations only find out that they must wait.
const CONCURRENCY_UNKNOWN: u32 = 4;
/// Deleted functions and triggers that are remembered, so that they are told from those not known yet.
const GONE_MAX: usize = 4096;

/// A function.
pub(crate) struct Function {
    pub(crate) uid: Uid,
    pub(crate) tenant: Uid,
    pub(crate) callable: Callable,
    pub(crate) timeout: Duration,
    pub(crate) concurrency: u32,
    /// What calls are signed with: the newest secret, and the one before it.
    pub(crate) secrets: Vec<SigningSecret>,
    /// Until when the one before still signs.
    pub(crate) earlier_until: Option<Timestamp>,
}

impl Function {
    /// What calls are signed with at this time.
    pub(crate) fn secrets_at(&self, now: Timestamp) -> &[SigningSecret] {
        let over = self.earlier_until.is_some_and(|until| now >= until);
        if over { self.secrets.get(..1).unwrap_or_default() } else { &self.secrets }
    }
}

/// Whether a function can be called from here.
pub(crate) enum Callable {
    /// It can. The address is where, for the record.
    Target(Arc<dyn Target>, Arc<str>),
    /// Its settings are not allowed here.
    Refused(String),
    /// This process does not know its kind.
    UnknownKind,
}

/// A trigger as it is now.
#[derive(Clone, Debug)]
pub(crate) struct Trigger {
    pub(crate) uid: Uid,
    pub(crate) tenant: Uid,
    pub(crate) name: Arc<str>,
    pub(crate) function: Uid,
    /// The revision of the definition.
    pub(crate) revision: u64,
    pub(crate) policy: Policy,
    pub(crate) standing: Standing,
}

/// Whether a trigger's invocations may run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Running,
    Paused,
    Deleting,
}

/// Who may invoke what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Rule {
    pub(crate) tenant: Uid,
    pub(crate) subject: Subject,
    pub(crate) function: Uid,
}

/// Something that is known, known to be gone, or not known yet.
#[derive(Clone, Debug)]
pub(crate) enum Known<T> {
    Is(T),
    Gone,
    NotYet,
}

/// All of it.
#[derive(Default)]
pub(crate) struct Snapshot {
    state: RwLock<State>,
    completed: Notify,
}

#[derive(Default)]
struct State {
    functions: HashMap<Uid, Arc<Function>>,
    triggers: HashMap<Uid, Arc<Trigger>>,
    rules: HashSet<Rule>,
    gone: HashSet<Uid>,
    gone_in_order: VecDeque<Uid>,
    /// Triggers that answered 410 here and are not yet paused everywhere.
    paused_here: HashSet<Uid>,
    /// Triggers with rows that wait for their resumption.
    parked: HashSet<Uid>,
    /// Functions with rows that wait for something to become known.
    waiting: HashSet<Uid>,
    /// Since when the registry's stream has shown everything, and is connected.
    complete_since: Option<Instant>,
}

/// What changing a trigger calls for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Consequence {
    Nothing,
    /// Its rows may run again.
    Resumed,
    /// Its rows are to be cancelled.
    Deleted,
}

impl Snapshot {
    pub(crate) fn function(&self, uid: Uid) -> Known<Arc<Function>> {
        let state = self.read();
        known(state.functions.get(&uid), &state.gone, uid)
    }

    pub(crate) fn trigger(&self, uid: Uid) -> Known<Arc<Trigger>> {
        let state = self.read();
        known(state.triggers.get(&uid), &state.gone, uid)
    }

    pub(crate) fn allows(&self, rule: &Rule) -> bool {
        self.read().rules.contains(rule)
    }

    /// How many calls of the function may run at once.
    pub(crate) fn concurrency(&self, function: Uid) -> u32 {
        let state = self.read();
        state.functions.get(&function).map_or(CONCURRENCY_UNKNOWN, |known| known.concurrency)
    }

    /// For how long the registry's stream has been connected with everything shown.
    pub(crate) fn complete_for(&self) -> Option<Duration> {
        self.read().complete_since.map(|since| since.elapsed())
    }

    /// Sets whether the registry's stream is connected and has shown everything.
    pub(crate) fn set_complete(&self, complete: bool) {
        let mut state = self.write();
        match (complete, state.complete_since) {
            (true, None) => {
                state.complete_since = Some(Instant::now());
                self.completed.notify_waiters();
            }
            (true, Some(_)) => {}
            (false, _) => state.complete_since = None,
        }
    }

    /// Waits until the registry's stream has shown everything.
    pub(crate) async fn complete(&self) {
        loop {
            let completed = self.completed.notified();
            if self.complete_for().is_some() {
                return;
            }
            completed.await;
        }
    }

    /// Whether the trigger answered 410 here.
    pub(crate) fn is_paused_here(&self, trigger: Uid) -> bool {
        self.read().paused_here.contains(&trigger)
    }

    /// Stops the trigger here, until the registry says how it stands.
    pub(crate) fn pause_here(&self, trigger: Uid) {
        self.write().paused_here.insert(trigger);
    }

    /// Remembers that rows of the trigger wait for its resumption.
    pub(crate) fn parked(&self, trigger: Uid) {
        self.write().parked.insert(trigger);
    }

    /// Remembers that rows of the function wait for something to become known.
    pub(crate) fn waits(&self, function: Uid) {
        if !self.read().waiting.contains(&function) {
            self.write().waiting.insert(function);
        }
    }

    /// Whether rows of the function were waiting; they are looked at now.
    pub(crate) fn wake(&self, function: Uid) -> bool {
        self.read().waiting.contains(&function) && self.write().waiting.remove(&function)
    }

    /// All functions with rows that wait for something to become known; they are looked at now.
    pub(crate) fn wake_all(&self) -> Vec<Uid> {
        self.write().waiting.drain().collect()
    }

    pub(crate) fn put_function(&self, function: Function) {
        self.write().functions.insert(function.uid, Arc::new(function));
    }

    pub(crate) fn remove_function(&self, uid: Uid) -> Option<Arc<Function>> {
        let mut state = self.write();
        state.bury(uid);
        state.functions.remove(&uid)
    }

    pub(crate) fn put_trigger(&self, trigger: Trigger) -> Consequence {
        let (uid, standing) = (trigger.uid, trigger.standing);
        let mut state = self.write();
        state.paused_here.remove(&uid);
        let before = state.triggers.insert(uid, Arc::new(trigger));
        let was_paused = before.is_some_and(|before| before.standing == Standing::Paused);
        match standing {
            Standing::Running if state.parked.remove(&uid) || was_paused => Consequence::Resumed,
            Standing::Deleting => Consequence::Deleted,
            Standing::Running | Standing::Paused => Consequence::Nothing,
        }
    }

    pub(crate) fn remove_trigger(&self, uid: Uid) {
        let mut state = self.write();
        state.bury(uid);
        state.triggers.remove(&uid);
        state.parked.remove(&uid);
        state.paused_here.remove(&uid);
    }

    pub(crate) fn put_rule(&self, rule: Rule) {
        self.write().rules.insert(rule);
    }

    pub(crate) fn remove_rule(&self, rule: &Rule) {
        self.write().rules.remove(rule);
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().expect("nothing panics while it holds this lock")
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().expect("nothing panics while it holds this lock")
    }
}

impl State {
    fn bury(&mut self, uid: Uid) {
        if self.gone.insert(uid) {
            self.gone_in_order.push_back(uid);
        }
        if self.gone_in_order.len() > GONE_MAX
            && let Some(oldest) = self.gone_in_order.pop_front()
        {
            self.gone.remove(&oldest);
        }
    }
}

fn known<T>(found: Option<&Arc<T>>, gone: &HashSet<Uid>, uid: Uid) -> Known<Arc<T>> {
    match found {
        Some(found) => Known::Is(Arc::clone(found)),
        None if gone.contains(&uid) => Known::Gone,
        None => Known::NotYet,
    }
}
