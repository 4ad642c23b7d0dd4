//! One attempt: making it, and what follows.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;
use tripline_kernel::Timestamp;
use tripline_target::{Answer, Call, Error};
use tripline_trace::{Kind, Span};
use url::Url;

use crate::core::Core;
use crate::dispatcher::{Job, Reply};
use crate::invocation::{Attempt, Invocation, Mode, Outcome, Record, reason};
use crate::judge::{Failed, Verdict, judge};
use crate::key::Told;
use crate::plan::Plan;
use crate::upkeep::Pause;
use crate::writer::Answered;

/// How much of a failed attempt's answer is kept.
const FAILED_EXCERPT_BYTES_MAX: usize = 4096;
/// How much of a successful one's.
const SUCCEEDED_EXCERPT_BYTES_MAX: usize = 1024;
/// Longest text that says why an attempt failed.
const ERROR_BYTES_MAX: usize = 1024;
/// Longest that a function can ask not to be called for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

impl Core {
    /// Runs a job and records what became of it.
    pub(crate) async fn run(&self, job: Job) {
        let Job { invocation, reply } = job;
        if !self.tenure.holds(invocation.epoch) {
            // It has been taken back, and runs elsewhere.
            return;
        }
        let caller_gone = invocation.mode == Mode::Synchronous
            && reply.as_ref().is_none_or(tokio::sync::oneshot::Sender::is_closed);
        let plan = if caller_gone {
            Err(Outcome::Cancelled(reason::CALLER_GONE))
        } else {
            self.plan(&invocation).await
        };
        match plan {
            Ok(plan) => {
                let (mut record, answer) = self.attempt(&invocation, plan).await;
                record.told = told(&invocation, Some(&answer));
                let answered = reply.map(|to| Answered { reply: answer, to });
                self.writer.record(record, answered).await;
            }
            Err(outcome) => {
                let outcome = match (invocation.mode, outcome) {
                    (Mode::Synchronous, Outcome::Pending { .. }) => {
                        Outcome::Cancelled(reason::CALLER_GONE)
                    }
                    _ => outcome,
                };
                let told = told(&invocation, None);
                let record = Record { outcome, told, ..record_of(&invocation) };
                // Without an answer the waiting caller learns that there is none.
                self.writer.record(record, None).await;
            }
        }
    }

    async fn attempt(&self, invocation: &Invocation, plan: Plan) -> (Record, Reply) {
        let number = invocation.attempts + 1;
        let started_at = self.clock.now();
        let span = self.begin_span(invocation, &plan, number);
        let below = span.as_ref().map(|span| span.context().to_string());
        let traceparent = below.as_deref().or(invocation.payload.traceparent.as_deref());
        let call = Call {
            headers: headers(invocation, &plan, (number, started_at), traceparent),
            content_type: invocation.payload.content_type().to_owned(),
            body: invocation.payload.body.clone(),
            timeout: plan.policy.timeout.unwrap_or(plan.function.timeout),
        };
        let started = Instant::now();
        let answer = plan.target.call(call).await;
        let took = started.elapsed();
        let verdict = judge(&answer);
        end_span(span, &answer, verdict);
        self.metrics.attempt(label(verdict), took);
        let attempt = Attempt {
            number,
            generation: invocation.generation,
            started_at,
            duration_ms: u32::try_from(took.as_millis()).unwrap_or(u32::MAX),
            status_code: answer.as_ref().ok().map(|answer| answer.status_code),
            error: error_text(&answer, verdict),
            address: plan.address,
            response: excerpt(&answer, verdict),
        };
        let hold_until = self.hold(invocation, &answer, verdict);
        let outcome = match (verdict, invocation.mode) {
            (Verdict::Succeeded, _) => Outcome::Succeeded,
            (Verdict::Final(reason), _) => Outcome::Dead(reason),
            (Verdict::Gone, _) => self.gone(invocation),
            (Verdict::Retry, Mode::Synchronous) => Outcome::Dead(reason::NOT_RETRIED),
            (Verdict::Retry, Mode::Event | Mode::Asynchronous) => plan.policy.after(Failed {
                attempts: number,
                accepted_at: invocation.accepted_at,
                now: self.clock.now(),
                retry_after: retry_after(&answer),
                unit_random: self.entropy.unit(),
            }),
        };
        let record =
            Record { attempt: Some(attempt), outcome, hold_until, ..record_of(invocation) };
        (record, answer)
    }

    /// The span of an attempt of a sampled trace; the function works below it.
    fn begin_span(&self, invocation: &Invocation, plan: &Plan, number: u32) -> Option<Span> {
        let traceparent = invocation.payload.traceparent.as_deref();
        let mut span = self.tracer.continued(traceparent, Kind::Client, "send")?;
        span.set("messaging.system", "tripline");
        span.set("messaging.operation.name", "send");
        span.set("messaging.operation.type", "send");
        span.set("messaging.message.id", invocation.id.to_string());
        // No more of the address: a path may hold a secret as well as a query.
        if let Ok(url) = Url::parse(&plan.address)
            && let Some(host) = url.host_str()
        {
            span.set("server.address", host.to_owned());
            span.set("server.port", i64::from(url.port_or_known_default().unwrap_or(0)));
        }
        if number > 1 {
            span.set("http.request.resend_count", i64::from(number - 1));
        }
        if let Some(trigger) = &plan.trigger {
            span.set("tripline.trigger", trigger.to_string());
        }
        Some(span)
    }

    /// `Retry-After` holds for the function as a whole.
    fn hold(&self, invocation: &Invocation, answer: &Reply, verdict: Verdict) -> Option<Timestamp> {
        if verdict != Verdict::Retry {
            return None;
        }
        let until = self.clock.now().after(retry_after(answer)?);
        self.dispatcher.hold(invocation.function, until);
        Some(until)
    }

    /// 410: the trigger pauses, and this row waits with the others.
    fn gone(&self, invocation: &Invocation) -> Outcome {
        let Some(trigger) = invocation.trigger else { return Outcome::Dead(reason::REJECTED) };
        self.snapshot.pause_here(trigger);
        self.snapshot.parked(trigger);
        self.pauses.put(Pause { tenant: invocation.tenant, trigger });
        Outcome::Pending { reason: reason::TRIGGER_PAUSED, at: None }
    }
}

fn end_span(span: Option<Span>, answer: &Reply, verdict: Verdict) {
    let Some(mut span) = span else { return };
    if let Ok(answer) = answer {
        span.set("http.response.status_code", i64::from(answer.status_code));
    }
    if verdict != Verdict::Succeeded {
        span.set("error.type", label(verdict));
        span.fail(error_text(answer, verdict));
    }
}

fn record_of(invocation: &Invocation) -> Record {
    Record {
        seq: invocation.seq,
        epoch: invocation.epoch,
        tenant: invocation.tenant,
        function: invocation.function,
        trigger: invocation.trigger,
        attempt: None,
        outcome: Outcome::Succeeded,
        hold_until: None,
        told: None,
    }
}

/// What is kept for the key of a synchronous call.
fn told(invocation: &Invocation, reply: Option<&Reply>) -> Option<Told> {
    let key = invocation.key.filter(|_| invocation.mode == Mode::Synchronous)?;
    // Who calls again then calls the function, not what it was kept from.
    let sent = |reply: &&Reply| !matches!(reply, Err(Error::Unreachable(_) | Error::Forbidden(_)));
    let reply = reply.filter(sent).cloned();
    Some(Told { key, invocation: invocation.id, reply })
}

fn headers(
    invocation: &Invocation,
    plan: &Plan,
    (number, at): (u32, Timestamp),
    traceparent: Option<&str>,
) -> Vec<(&'static str, String)> {
    let id = invocation.id.to_string();
    let body = &invocation.payload.body;
    let mut headers = Vec::with_capacity(7);
    let secrets = plan.function.secrets_at(at);
    if !secrets.is_empty() {
        let signature = tripline_signing::sign(secrets, &id, at, body);
        headers.push(("webhook-signature", signature));
    }
    headers.push(("webhook-timestamp", at.as_seconds().to_string()));
    headers.push(("tripline-attempt", number.to_string()));
    if let Some(trigger) = &plan.trigger {
        headers.push(("tripline-trigger", (**trigger).to_owned()));
    }
    if let Some(traceparent) = traceparent {
        headers.push(("traceparent", traceparent.to_owned()));
    }
    headers.push(("idempotency-key", id.clone()));
    headers.push(("webhook-id", id));
    headers
}

fn retry_after(answer: &Reply) -> Option<Duration> {
    answer.as_ref().ok()?.retry_after.map(|wait| wait.min(RETRY_AFTER_MAX))
}

fn label(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Succeeded => "succeeded",
        Verdict::Retry => "retry",
        Verdict::Gone => "gone",
        Verdict::Final(reason) => reason,
    }
}

fn error_text(answer: &Reply, verdict: Verdict) -> String {
    let mut text = match answer {
        Ok(_) if verdict == Verdict::Succeeded => return String::new(),
        Ok(Answer { status_code, retry_never, .. }) => {
            let never = if *retry_never { ", with Tripline-Retry: never" } else { "" };
            format!("the function answered {status_code}{never}")
        }
        Err(error) => error.to_string(),
    };
    text.truncate(text.floor_char_boundary(ERROR_BYTES_MAX));
    text
}

fn excerpt(answer: &Reply, verdict: Verdict) -> Bytes {
    let Ok(answer) = answer else { return Bytes::new() };
    let bytes_max = if verdict == Verdict::Succeeded {
        SUCCEEDED_EXCERPT_BYTES_MAX
    } else {
        FAILED_EXCERPT_BYTES_MAX
    };
    answer.body.slice(..answer.body.len().min(bytes_max))
}
