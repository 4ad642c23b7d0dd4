//! What an answer means, and what follows from it. Pure.

use std::time::Duration;

use tripline_kernel::{Timestamp, backoff};
use tripline_target::{Answer, Error};

use crate::invocation::{Outcome, reason};

/// What an attempt came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// 2xx.
    Succeeded,
    /// 408, 425, 429, 5xx, or no answer: later it may work.
    Retry,
    /// 410: the function does not want this trigger's events any more.
    Gone,
    /// Final, for this reason.
    Final(&'static str),
}

/// Classifies an answer.
pub(crate) fn judge(answer: &Result<Answer, Error>) -> Verdict {
    let answer = match answer {
        Ok(answer) => answer,
        Err(Error::Timeout(_) | Error::Unreachable(_) | Error::BrokenOff(_)) => {
            return Verdict::Retry;
        }
        Err(Error::Forbidden(_)) => return Verdict::Final(reason::FORBIDDEN),
    };
    match answer.status_code {
        200..=299 => Verdict::Succeeded,
        _ if answer.retry_never => Verdict::Final(reason::RETRY_NEVER),
        410 => Verdict::Gone,
        code if may_be_mended(Some(code)) => Verdict::Retry,
        _ => Verdict::Final(reason::REJECTED),
    }
}

/// Whether an attempt that failed with this status, or without an answer, may succeed later.
pub(crate) const fn may_be_mended(status_code: Option<u16>) -> bool {
    matches!(status_code, None | Some(408 | 425 | 429 | 500..=599))
}

/// How a trigger's invocations are tried: its delivery policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Policy {
    pub(crate) attempts_max: u32,
    /// Counted from when the event was accepted.
    pub(crate) age_max: Duration,
    pub(crate) backoff_base: Duration,
    pub(crate) backoff_max: Duration,
    /// How long one attempt may take; `None` leaves it to the function.
    pub(crate) timeout: Option<Duration>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            attempts_max: 8,
            age_max: Duration::from_secs(86_400),
            backoff_base: Duration::from_secs(1),
            backoff_max: Duration::from_secs(600),
            timeout: None,
        }
    }
}

/// What is known of an invocation when an attempt at it has failed in a way that a retry may mend.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Failed {
    /// Attempts made so far, this one included.
    pub(crate) attempts: u32,
    pub(crate) accepted_at: Timestamp,
    pub(crate) now: Timestamp,
    /// How long the function asks not to be called for.
    pub(crate) retry_after: Option<Duration>,
    /// A draw from [0, 1).
    pub(crate) unit_random: f64,
}

impl Policy {
    /// When it is tried again, or why not.
    pub(crate) fn after(&self, failed: Failed) -> Outcome {
        if failed.attempts >= self.attempts_max {
            return Outcome::Dead(reason::ATTEMPTS_EXHAUSTED);
        }
        let attempt = failed.attempts.max(1);
        let wait = backoff(attempt, self.backoff_base, self.backoff_max, failed.unit_random);
        let at = failed.now.after(wait.max(failed.retry_after.unwrap_or_default()));
        if at > failed.accepted_at.after(self.age_max) {
            return Outcome::Dead(reason::TOO_OLD);
        }
        Outcome::Pending { reason: "", at: Some(at) }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use proptest::prelude::*;
    use tripline_kernel::Timestamp;
    use tripline_target::{Answer, Error};

    use super::{Failed, Policy, Verdict, judge};
    use crate::invocation::{Outcome, reason};

    fn answer(status_code: u16, retry_never: bool) -> Result<Answer, Error> {
        let (content_type, body) = (String::new(), Bytes::new());
        Ok(Answer { status_code, content_type, body, retry_after: None, retry_never })
    }

    #[test]
    fn every_status_has_its_class() {
        for status in 100..1000 {
            let expected = match status {
                200..=299 => Verdict::Succeeded,
                410 => Verdict::Gone,
                408 | 425 | 429 | 500..=599 => Verdict::Retry,
                _ => Verdict::Final(reason::REJECTED),
            };
            assert_eq!(judge(&answer(status, false)), expected, "{status}");
            let never = judge(&answer(status, true));
            let success = (200..=299).contains(&status);
            assert_eq!(never == Verdict::Succeeded, success, "{status}");
            assert_eq!(never == Verdict::Final(reason::RETRY_NEVER), !success, "{status}");
        }
        assert_eq!(judge(&Err(Error::Timeout(Duration::ZERO))), Verdict::Retry);
        assert_eq!(judge(&Err(Error::Unreachable(String::new()))), Verdict::Retry);
        assert_eq!(judge(&Err(Error::BrokenOff(String::new()))), Verdict::Retry);
        let forbidden = judge(&Err(Error::Forbidden(String::new())));
        assert_eq!(forbidden, Verdict::Final(reason::FORBIDDEN));
    }

    proptest! {
        #[test]
        fn a_retry_never_comes_before_it_was_asked_for_nor_after_the_age_allows(
            attempts in 1_u32..12, age_s in 0_u64..200_000, asked_s in prop::option::of(0_u64..200_000), unit_random in 0.0..1.0_f64,
        ) {
            let policy = Policy::default();
            let accepted_at = Timestamp::from_micros(1_700_000_000_000_000);
            let now = accepted_at.after(Duration::from_secs(age_s));
            let retry_after = asked_s.map(Duration::from_secs);
            match policy.after(Failed { attempts, accepted_at, now, retry_after, unit_random }) {
                Outcome::Pending { at: Some(at), reason: "" } => {
                    prop_assert!(attempts < policy.attempts_max);
                    prop_assert!(at >= now.after(retry_after.unwrap_or_default()));
                    prop_assert!(at <= accepted_at.after(policy.age_max));
                }
                Outcome::Dead(reason::ATTEMPTS_EXHAUSTED) => prop_assert!(attempts >= policy.attempts_max),
                Outcome::Dead(reason::TOO_OLD) => prop_assert!(attempts < policy.attempts_max),
                other => prop_assert!(false, "{other:?}"),
            }
        }
    }
}
