//! Whose an API key is. Asked of auth once, then known here for a while.
//!
//! A key is kept as its hash. Nobody waits for auth while there is an answer to go by: a known key whose answer has
//! become old is checked again by one request while the others go on with the old answer, and stays good while auth
//! cannot be reached, for at most [`STALE_MAX`].

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest};
use futures_util::FutureExt as _;
use futures_util::future::{Ready, Shared, ready};
use moka::sync::Cache;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio_util::task::TaskTracker;
use tripline_contracts::pb::auth_client::AuthClient;
use tripline_contracts::pb::{AuthenticateRequest, AuthenticateResponse};
use tripline_contracts::transport::Client;
use tripline_kernel::{Classify as _, Clock, ErrorKind, Timestamp, Uid};
use tripline_runtime::Problem;
use tripline_signing::ApiKey;
use tripline_trace::{current, within};

use crate::peers::answer;
use crate::refusal::Refusal;

/// How long a good answer is gone by without asking again: the longest that a revoked key lives on.
const FRESH: Duration = Duration::from_secs(30);
/// How long a good answer is gone by while auth cannot be reached.
const STALE_MAX: Duration = Duration::from_secs(600);
/// How long a bad key is refused without asking again.
const REFUSED: Duration = Duration::from_secs(5);
/// How long an old answer is gone by after auth could not be reached, before it is asked again.
const RETRY: Duration = Duration::from_secs(5);
/// How long auth may take to answer.
const ANSWER_WAIT: Duration = Duration::from_secs(2);
/// Most good keys that are remembered.
const KEYS_MAX: u64 = 10_000;
/// Most bad keys that are remembered; apart from the good ones, so that guessing does not drive those out.
const REFUSED_MAX: u64 = 1_024;
/// Most keys that auth is asked about at a time.
const QUESTIONS_MAX: usize = 256;

/// Who sent a request, proved by an API key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) tenant: Uid,
    pub(crate) api_key: Uid,
}

impl FromRequest for Caller {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    /// What the middleware in front of every route under `/v1` found out.
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let caller = request.extensions().get::<Self>().copied();
        ready(caller.ok_or_else(|| Refusal::ApiKeyMissing.into()))
    }
}

type KeyHash = [u8; 32];
/// What auth said: whose the key is, or that it is nobody's. `None` when it did not say.
type Said = Option<Result<Caller, ()>>;
type Question = Shared<oneshot::Receiver<Said>>;

/// A good answer, and from when on it is to be checked again.
#[derive(Clone, Copy)]
struct Known {
    caller: Caller,
    said_at: Timestamp,
    check_at: Timestamp,
}

/// Checks API keys. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Authenticator {
    inner: Arc<Inner>,
}

struct Inner {
    auth: AuthClient<Client>,
    clock: Arc<dyn Clock>,
    known: Cache<KeyHash, Known>,
    refused: Cache<KeyHash, ()>,
    questions: Mutex<HashMap<KeyHash, Question>>,
    tasks: TaskTracker,
    /// Questions outlive the request, and the worker thread, that asked them.
    runtime: Handle,
}

impl Authenticator {
    /// Asks over `auth`. Questions run on the current tokio runtime.
    pub(crate) fn new(auth: AuthClient<Client>, clock: Arc<dyn Clock>, tasks: TaskTracker) -> Self {
        let known = Cache::builder().max_capacity(KEYS_MAX).time_to_live(STALE_MAX).build();
        let refused = Cache::builder().max_capacity(REFUSED_MAX).time_to_live(REFUSED).build();
        let (questions, runtime) = (Mutex::default(), Handle::current());
        let inner = Inner { auth, clock, known, refused, questions, tasks, runtime };
        Self { inner: Arc::new(inner) }
    }

    /// Whose the key in this `Authorization` header is.
    pub(crate) async fn caller(&self, authorization: Option<&[u8]>) -> Result<Caller, Refusal> {
        let authorization = authorization.ok_or(Refusal::ApiKeyMissing)?;
        let key = bearer(authorization).ok_or(Refusal::ApiKeyMissing)?;
        let key: ApiKey = key.parse().map_err(|_| Refusal::ApiKeyInvalid)?;
        let hash = *key.hash().as_bytes();
        let now = self.inner.clock.now();
        let Some(known) = self.inner.known.get(&hash) else {
            if self.inner.refused.contains_key(&hash) {
                return Err(Refusal::ApiKeyInvalid);
            }
            let (question, _) = self.question(key, hash).ok_or(Refusal::AuthUnavailable)?;
            let said = question.await.ok().flatten().ok_or(Refusal::AuthUnavailable)?;
            return said.map_err(|()| Refusal::ApiKeyInvalid);
        };
        // A clock that was set back must not make old answers young.
        if (known.said_at..known.check_at).contains(&now) {
            return Ok(known.caller);
        }
        let usable = now.since(known.said_at) < STALE_MAX;
        match self.question(key, hash) {
            Some((_, false)) if usable => Ok(known.caller),
            Some((question, _)) => match question.await.ok().flatten() {
                Some(said) => said.map_err(|()| Refusal::ApiKeyInvalid),
                None if usable => Ok(known.caller),
                None => Err(Refusal::AuthUnavailable),
            },
            None if usable => Ok(known.caller),
            None => Err(Refusal::AuthUnavailable),
        }
    }

    /// The question about this key, and whether it is asked by this call. Nothing when too many are open.
    fn question(&self, key: ApiKey, hash: KeyHash) -> Option<(Question, bool)> {
        let inner = &self.inner;
        let mut questions =
            inner.questions.lock().expect("nothing panics while it holds this lock");
        if let Some(question) = questions.get(&hash) {
            return Some((question.clone(), false));
        }
        if questions.len() >= QUESTIONS_MAX {
            return None;
        }
        let (tell, said) = oneshot::channel();
        let question = said.shared();
        // An answer is remembered before its question is forgotten: it may have come since the caller looked.
        if let Some(known) = inner.known.get(&hash)
            && (known.said_at..known.check_at).contains(&inner.clock.now())
        {
            tell.send(Some(Ok(known.caller))).expect("the question is held here");
            return Some((question, true));
        }
        questions.insert(hash, question.clone());
        let asking = within(current(), Arc::clone(inner).ask(key, hash, tell));
        inner.tasks.spawn_on(asking, &inner.runtime);
        Some((question, true))
    }
}

impl Inner {
    async fn ask(self: Arc<Self>, key: ApiKey, hash: KeyHash, tell: oneshot::Sender<Said>) {
        let mut auth = self.auth.clone();
        let request = AuthenticateRequest { api_key: key.expose().to_owned() };
        let said = match answer(ANSWER_WAIT, auth.authenticate(request)).await {
            Ok(response) => caller(&response).map(Ok),
            Err(error) if error.kind() == ErrorKind::Unauthenticated => Some(Err(())),
            Err(error) => {
                tracing::warn!(%error, "an API key cannot be checked");
                None
            }
        };
        self.remember(hash, said);
        self.questions.lock().expect("nothing panics while it holds this lock").remove(&hash);
        // Whoever asked may have gone.
        let _ = tell.send(said);
    }

    fn remember(&self, hash: KeyHash, said: Said) {
        let now = self.clock.now();
        match said {
            Some(Ok(caller)) => {
                let known = Known { caller, said_at: now, check_at: now.after(FRESH) };
                self.known.insert(hash, known);
            }
            Some(Err(())) => {
                self.known.invalidate(&hash);
                self.refused.insert(hash, ());
            }
            None => {
                // Its time to live begins anew with this, its age does not.
                if let Some(known) = self.known.get(&hash)
                    && now.since(known.said_at) < STALE_MAX
                {
                    self.known.insert(hash, Known { check_at: now.after(RETRY), ..known });
                }
            }
        }
    }
}

fn caller(response: &AuthenticateResponse) -> Option<Caller> {
    let tenant = response.tenant.parse().ok()?;
    let api_key = response.api_key_uid.parse().ok()?;
    Some(Caller { tenant, api_key })
}

/// The token of a `Bearer` authorization.
fn bearer(authorization: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(authorization).ok()?;
    let (scheme, token) = text.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim()).filter(|token| !token.is_empty())
}
