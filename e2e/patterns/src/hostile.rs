//! The worst events that we know for the worst patterns that are accepted: how long is each matched for?
//!
//! A pattern of at most 4 KiB that is accepted must not keep an event of at most 64 KiB longer than 5 ms. Each family makes
//! patterns of one kind as large as they are accepted, and an event that is made for them.

mod arrays;
mod values;

use std::time::{Duration, Instant};

use tripline_pattern::{Matcher, Pattern, Scratch};

/// Longest pattern, in bytes.
const PATTERN_BYTES_MAX: usize = 4 * 1024;
/// Longest event, in bytes.
pub(crate) const EVENT_BYTES_MAX: usize = 64 * 1024;
/// What an event may take.
const TIME_MAX: Duration = Duration::from_millis(5);
/// How often each is matched. The least time counts: others do more on this machine.
const TRIES: u32 = 10;

/// Patterns of one kind, and an event for them.
pub(crate) struct Family {
    pub(crate) name: String,
    /// The pattern of a size: alternatives, fields or ways to match.
    pub(crate) pattern: Box<dyn Fn(usize) -> String>,
    pub(crate) event: String,
}

impl Family {
    pub(crate) fn new(
        name: impl Into<String>,
        event: String,
        pattern: impl Fn(usize) -> String + 'static,
    ) -> Self {
        Self { name: name.into(), pattern: Box::new(pattern), event }
    }

    /// The largest size whose pattern is accepted, with the pattern.
    fn largest(&self) -> (usize, String, Pattern) {
        let accepted = |size: usize| {
            let text = (self.pattern)(size);
            let fits = text.len() <= PATTERN_BYTES_MAX;
            Pattern::parse(&text).ok().filter(|_| fits).map(|pattern| (size, text, pattern))
        };
        let (mut low, mut high) = (1, PATTERN_BYTES_MAX);
        let mut largest = accepted(low).expect("the smallest pattern of each family is accepted");
        while low < high {
            let size = (low + high).div_ceil(2);
            match accepted(size) {
                Some(found) => (low, largest) = (size, found),
                None => high = size - 1,
            }
        }
        largest
    }
}

/// Measures all families, and prints them. Whether none took longer than it may.
#[allow(clippy::print_stdout, reason = "a command reports to whoever gave it")]
pub(crate) fn run() -> anyhow::Result<bool> {
    println!("{:36} {:>5} {:>8} {:>8} {:>8}", "", "size", "pattern", "event", "ms");
    let mut slowest = Duration::ZERO;
    for family in values::families().into_iter().chain(arrays::families()) {
        let (size, text, pattern) = family.largest();
        let event = family.event.as_bytes();
        anyhow::ensure!(
            event.len() <= EVENT_BYTES_MAX,
            "the event of '{}' is too long",
            family.name
        );
        let time = time(&pattern, event)?;
        slowest = slowest.max(time);
        let milliseconds = time.as_secs_f64() * 1e3;
        println!(
            "{:36} {size:>5} {:>8} {:>8} {milliseconds:>8.3}",
            family.name,
            text.len(),
            event.len()
        );
    }
    println!(
        "slowest: {:.3} ms; allowed: {:.0} ms",
        slowest.as_secs_f64() * 1e3,
        TIME_MAX.as_secs_f64() * 1e3
    );
    Ok(slowest <= TIME_MAX)
}

fn time(pattern: &Pattern, event: &[u8]) -> anyhow::Result<Duration> {
    let (mut matcher, mut scratch, mut matched) = (Matcher::new(), Scratch::default(), Vec::new());
    matcher.install(0_u32, pattern);
    let mut least = Duration::MAX;
    for _ in 0..TRIES {
        let start = Instant::now();
        matcher.matches(event, &mut scratch, &mut matched)?;
        least = least.min(start.elapsed());
    }
    Ok(least)
}

/// As many items, parted by commas, as an event has room for between these two.
pub(crate) fn filled(before: &str, item: impl Fn(usize) -> String, after: &str) -> String {
    let mut event = before.to_owned();
    for number in 0.. {
        let item = item(number);
        if event.len() + item.len() + after.len() + 1 > EVENT_BYTES_MAX {
            break;
        }
        if number > 0 {
            event.push(',');
        }
        event += &item;
    }
    event + after
}

/// An array of the field `a` of an event, filled.
pub(crate) fn array(item: impl Fn(usize) -> String) -> String {
    filled("{\"a\":[", item, "]}")
}

/// So many items, parted by commas.
pub(crate) fn list(count: usize, item: impl Fn(usize) -> String) -> String {
    (0..count).map(item).collect::<Vec<_>>().join(",")
}
