//! Which of many like lines are logged.

use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Within this time of a line no other of its code is logged.
const QUIET: Duration = Duration::from_secs(1);
/// Codes that are remembered at once. Beyond it the one logged longest ago is forgotten.
const CODES_MAX: usize = 32;

/// Lets the first line of each code pass, then at most one in [`QUIET`], and counts the others.
pub(super) struct Thinner {
    codes: Mutex<Vec<Seen>>,
}

struct Seen {
    code: String,
    logged: Instant,
    /// Lines held back since then.
    unlogged: u64,
}

impl Thinner {
    pub(super) const fn new() -> Self {
        Self { codes: Mutex::new(Vec::new()) }
    }

    /// Whether a line of this code is to be logged, and if so how many were held back before it.
    pub(super) fn pass(&self, code: &str, now: Instant) -> Option<u64> {
        let mut codes = self.codes.lock().expect("nothing panics while it holds this lock");
        if let Some(seen) = codes.iter_mut().find(|seen| seen.code == code) {
            if now.saturating_duration_since(seen.logged) < QUIET {
                seen.unlogged = seen.unlogged.saturating_add(1);
                return None;
            }
            seen.logged = now;
            return Some(std::mem::take(&mut seen.unlogged));
        }
        if codes.len() == CODES_MAX {
            let oldest = codes.iter().enumerate().min_by_key(|(_, seen)| seen.logged);
            if let Some((at, _)) = oldest {
                codes.swap_remove(at);
            }
        }
        codes.push(Seen { code: code.to_owned(), logged: now, unlogged: 0 });
        Some(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_passes_and_then_one_a_second_that_counts_the_others() {
        let (thinner, start) = (Thinner::new(), Instant::now());
        let at = |ms| start + Duration::from_millis(ms);
        assert_eq!(thinner.pass("log-unavailable", at(0)), Some(0));
        for ms in 1..=999 {
            assert_eq!(thinner.pass("log-unavailable", at(ms)), None);
        }
        assert_eq!(thinner.pass("store-unavailable", at(500)), Some(0), "each code for itself");
        assert_eq!(thinner.pass("log-unavailable", at(1000)), Some(999));
        assert_eq!(thinner.pass("log-unavailable", at(5000)), Some(0));
    }

    #[test]
    fn it_remembers_a_bounded_number_of_codes() {
        let (thinner, start) = (Thinner::new(), Instant::now());
        for number in 0..10 * CODES_MAX {
            let now = start + Duration::from_micros(u64::try_from(number).unwrap());
            assert_eq!(thinner.pass(&number.to_string(), now), Some(0));
        }
        assert_eq!(thinner.codes.lock().unwrap().len(), CODES_MAX);
        let last = (10 * CODES_MAX - 1).to_string();
        assert_eq!(thinner.pass(&last, start), None, "the newest are kept");
    }
}
