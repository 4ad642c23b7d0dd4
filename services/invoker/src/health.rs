//! Whether a function answers, from how attempts at it ended. Pure.

use tripline_kernel::Timestamp;

use crate::judge::may_be_mended;
use crate::store::Answered;

/// How a function has answered lately.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Health {
    pub(crate) state: Standing,
    pub(crate) last_success_at: Option<Timestamp>,
    pub(crate) last_failure_at: Option<Timestamp>,
    /// Empty when none is known.
    pub(crate) last_failure: String,
}

/// Whether it answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It was not called lately.
    #[default]
    Unknown,
    /// It took what it was sent, or refused it for what it is: a refusal of one event says nothing of the others.
    Answering,
    /// The newest attempt failed in a way that a retry may mend.
    Failing,
}

impl Standing {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Answering => "answering",
            Self::Failing => "failing",
        }
    }
}

impl Health {
    /// From how attempts ended, in any order.
    pub(crate) fn of(attempts: &[Answered]) -> Self {
        let (succeeded, failed): (Vec<_>, Vec<_>) =
            attempts.iter().partition(|attempt| attempt.error.is_empty());
        let began = |attempt: &&Answered| attempt.started_at;
        let failure = failed.iter().copied().max_by_key(began);
        let last_success_at = succeeded.iter().map(began).max();
        let (mended, refused): (Vec<_>, Vec<_>) =
            failed.iter().copied().partition(|attempt| may_be_mended(attempt.status_code));
        let answered = refused.iter().map(began).max().max(last_success_at);
        let state = match (answered, mended.iter().map(began).max()) {
            (None, None) => Standing::Unknown,
            (answered, failing) if answered >= failing => Standing::Answering,
            _ => Standing::Failing,
        };
        Self {
            state,
            last_success_at,
            last_failure_at: failure.as_ref().map(began),
            last_failure: failure.map(|failure| failure.error.clone()).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use tripline_kernel::Timestamp;

    use super::{Health, Standing};
    use crate::store::Answered;

    fn attempt(at: i64, status_code: Option<u16>) -> Answered {
        let succeeded = status_code.is_some_and(|code| (200..300).contains(&code));
        let error = if succeeded { String::new() } else { format!("at {at}") };
        Answered { started_at: Timestamp::from_micros(at), status_code, error }
    }

    #[test]
    fn only_what_a_retry_may_mend_counts_as_failing() {
        for (attempts, state, last_failure) in [
            (vec![], Standing::Unknown, ""),
            (vec![attempt(1, Some(204))], Standing::Answering, ""),
            (vec![attempt(2, Some(503)), attempt(1, Some(200))], Standing::Failing, "at 2"),
            (vec![attempt(1, Some(200)), attempt(2, None)], Standing::Failing, "at 2"),
            (vec![attempt(1, Some(503)), attempt(2, Some(200))], Standing::Answering, "at 1"),
            (vec![attempt(1, Some(422))], Standing::Answering, "at 1"),
            (vec![attempt(1, None), attempt(2, Some(404))], Standing::Answering, "at 2"),
            (vec![attempt(3, Some(429)), attempt(2, Some(404))], Standing::Failing, "at 3"),
        ] {
            let health = Health::of(&attempts);
            assert_eq!(
                (health.state, &*health.last_failure),
                (state, last_failure),
                "{attempts:?}"
            );
        }
    }
}
