//! Asking registry and auth for what the snapshot does not hold: once, bounded, and never for long.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};
use tonic::Code;
use tripline_contracts::pb::auth_client::AuthClient;
use tripline_contracts::pb::registry_client::RegistryClient;
use tripline_contracts::pb::{GetRuleRequest, GetTriggerRevisionRequest};
use tripline_contracts::transport::Client;
use tripline_kernel::Uid;

use crate::convert;
use crate::snapshot::{Rule, Trigger};

/// How long a question may take.
const QUESTION_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a yes is remembered. A trigger's revision never changes; a rule that ends is forgotten at once.
const YES_FOR: Duration = Duration::from_secs(60);
/// How long a no is remembered, so that many rows ask once; and how long nobody is asked after nobody has answered.
const NO_FOR: Duration = Duration::from_secs(1);
/// Most answers remembered of each sort.
const ANSWERS_MAX: usize = 10_000;

/// What came of a question.
#[derive(Clone, Debug)]
pub(crate) enum Found<T> {
    Is(T),
    /// The one who must know says that there is no such thing.
    No,
    /// Nobody answered.
    Away,
}

/// Asks.
pub(crate) struct Lookup {
    registry: RegistryClient<Client>,
    auth: AuthClient<Client>,
    revisions: Answers<(Uid, u64), Arc<Trigger>>,
    rules: Answers<Rule, ()>,
}

impl Lookup {
    pub(crate) fn new(registry: Client, auth: Client) -> Self {
        Self {
            registry: RegistryClient::new(registry),
            auth: AuthClient::new(auth),
            revisions: Answers::default(),
            rules: Answers::default(),
        }
    }

    /// A trigger as it was at a revision of its definition.
    pub(crate) async fn revision(&self, trigger: Uid, revision: u64) -> Found<Arc<Trigger>> {
        let question = async {
            let trigger_uid = trigger.to_string();
            let request = GetTriggerRevisionRequest { trigger_uid, revision };
            let message = self.registry.clone().get_trigger_revision(request).await?.into_inner();
            Ok(Arc::new(convert::trigger(&message)?))
        };
        self.revisions.get((trigger, revision), question).await
    }

    /// Whether auth has this rule.
    pub(crate) async fn rule(&self, rule: Rule) -> Found<()> {
        let question = async {
            let request = GetRuleRequest {
                tenant: rule.tenant.to_string(),
                subject: Some(rule.subject.into()),
                function_uid: rule.function.to_string(),
            };
            self.auth.clone().get_rule(request).await?;
            Ok(())
        };
        self.rules.get(rule, question).await
    }

    /// Forgets a rule that has ended.
    pub(crate) fn forget(&self, rule: &Rule) {
        self.rules.lock().remove(rule);
    }
}

struct Answers<K, T> {
    known: Mutex<HashMap<K, (Instant, Found<T>)>>,
    /// Until when nobody is asked, since nobody answered.
    away_until: Mutex<Option<Instant>>,
    /// One question at a time: those who come meanwhile mostly want the same answer.
    turn: Semaphore,
}

impl<K, T> Default for Answers<K, T> {
    fn default() -> Self {
        Self { known: Mutex::default(), away_until: Mutex::default(), turn: Semaphore::new(1) }
    }
}

impl<K: Eq + Hash + Copy, T: Clone> Answers<K, T> {
    async fn get(
        &self,
        key: K,
        question: impl Future<Output = Result<T, tonic::Status>>,
    ) -> Found<T> {
        if let Some(known) = self.known(&key) {
            return known;
        }
        let _turn = self.turn.acquire().await.expect("the semaphore is never closed");
        if let Some(known) = self.known(&key) {
            return known;
        }
        let found = match timeout(QUESTION_TIMEOUT, question).await {
            Ok(Ok(answer)) => Found::Is(answer),
            Ok(Err(status)) if status.code() == Code::NotFound => Found::No,
            Ok(Err(_)) | Err(_) => Found::Away,
        };
        let lasts = match found {
            Found::Is(_) => YES_FOR,
            Found::No => NO_FOR,
            Found::Away => {
                *self.away_until() = Some(Instant::now() + NO_FOR);
                return found;
            }
        };
        let mut known = self.lock();
        if known.len() >= ANSWERS_MAX {
            known.clear();
        }
        known.insert(key, (Instant::now() + lasts, found.clone()));
        found
    }

    fn known(&self, key: &K) -> Option<Found<T>> {
        let now = Instant::now();
        let known = self.lock().get(key).cloned();
        match known {
            Some((until, found)) if until > now => Some(found),
            Some(_) | None => {
                let away = self.away_until().is_some_and(|until| until > now);
                away.then_some(Found::Away)
            }
        }
    }

    fn away_until(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.away_until.lock().expect("nothing panics while it holds this lock")
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<K, (Instant, Found<T>)>> {
        self.known.lock().expect("nothing panics while it holds this lock")
    }
}
