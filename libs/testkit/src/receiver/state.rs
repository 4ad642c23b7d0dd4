//! What a receiver remembers, and what it is to answer.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::request::Parts;
use tokio::sync::Notify;
use tripline_kernel::Timestamp;
use tripline_signing::{SigningSecret, verify};

use super::{Answer, Recording, Request};

/// How far from now a signature may have been made.
const SIGNED_TOLERANCE: Duration = Duration::from_secs(300);

#[derive(Debug)]
pub(super) struct Shared {
    recording: Recording,
    state: Arc<Mutex<State>>,
    pub(super) arrival: Notify,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) otherwise: Answer,
    pub(super) requests: VecDeque<Request>,
    pub(super) count: u64,
    pub(super) invalid: u64,
    body_bytes: usize,
    plans: HashMap<String, Plan>,
}

/// What one path answers, and how often it was called.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) script: VecDeque<Answer>,
    pub(super) always: Option<Answer>,
    pub(super) secrets: Vec<SigningSecret>,
    pub(super) count: u64,
    pub(super) running_max: u64,
    running: u64,
}

/// A call that is being answered.
pub(super) struct Running {
    state: Arc<Mutex<State>>,
    path: String,
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut state = self.state.lock().expect("nothing panics while it holds this lock");
        if let Some(plan) = state.plans.get_mut(&self.path) {
            plan.running -= 1;
        }
    }
}

impl Shared {
    pub(super) fn new(recording: Recording) -> Self {
        let state = State {
            otherwise: Answer::ok(),
            requests: VecDeque::new(),
            count: 0,
            invalid: 0,
            body_bytes: 0,
            plans: HashMap::new(),
        };
        Self { recording, state: Arc::new(Mutex::new(state)), arrival: Notify::new() }
    }

    pub(super) fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().expect("nothing panics while it holds this lock"))
    }

    pub(super) fn with_path<T>(&self, path: &str, act: impl FnOnce(&mut Plan) -> T) -> T {
        self.with(|state| act(state.plan(path)))
    }

    /// Records a call and says what to answer.
    pub(super) fn arrive(&self, parts: Parts, body: Bytes) -> (Answer, Running) {
        let path = parts.uri.path().to_owned();
        let mut request = Request {
            method: parts.method,
            query: parts.uri.query().map(str::to_owned),
            path: path.clone(),
            headers: parts.headers,
            body,
            arrived: Instant::now(),
            signature_valid: None,
        };
        let answer = self.with(|state| {
            let plan = state.plan(&path);
            plan.count += 1;
            plan.running += 1;
            plan.running_max = plan.running_max.max(plan.running);
            if !plan.secrets.is_empty() {
                request.signature_valid = Some(is_signed(&request, &plan.secrets));
            }
            let answer = plan.script.pop_front().or_else(|| plan.always.clone());
            state.invalid += u64::from(request.signature_valid == Some(false));
            state.record(request, self.recording);
            answer.unwrap_or_else(|| state.otherwise.clone())
        });
        self.arrival.notify_waiters();
        (answer, Running { state: Arc::clone(&self.state), path })
    }
}

impl State {
    fn plan(&mut self, path: &str) -> &mut Plan {
        if !self.plans.contains_key(path) {
            self.plans.insert(path.to_owned(), Plan::default());
        }
        self.plans.get_mut(path).expect("it was just put there")
    }

    fn record(&mut self, request: Request, recording: Recording) {
        self.count += 1;
        self.body_bytes += request.body.len();
        self.requests.push_back(request);
        while self.requests.len() > recording.requests_max
            || self.body_bytes > recording.body_bytes_max
        {
            let Some(oldest) = self.requests.pop_front() else { return };
            self.body_bytes -= oldest.body.len();
        }
    }

    pub(super) fn forget(&mut self) {
        self.requests.clear();
        (self.count, self.invalid, self.body_bytes) = (0, 0, 0);
        for plan in self.plans.values_mut() {
            (plan.count, plan.running_max) = (0, plan.running);
        }
    }
}

fn is_signed(request: &Request, secrets: &[SigningSecret]) -> bool {
    let headers = ["webhook-id", "webhook-timestamp", "webhook-signature"];
    let [Some(id), Some(timestamp), Some(signatures)] = headers.map(|name| request.header(name))
    else {
        return false;
    };
    let window = (now(), SIGNED_TOLERANCE);
    let by = |secret: &SigningSecret| {
        verify(secret, (id, timestamp, signatures), &request.body, window).is_ok()
    };
    secrets.iter().any(by)
}

#[allow(clippy::disallowed_methods, reason = "a receiver judges by the clock of the machine")]
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
