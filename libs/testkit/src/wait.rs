//! Waiting on state.

use std::time::Duration;

use anyhow::bail;
use rand::RngExt as _;
use tokio::time::Instant;

/// Time between two looks.
const POLL: Duration = Duration::from_millis(10);

/// Waits until `predicate` holds.
///
/// # Errors
/// When it does not within `deadline`.
pub async fn wait_until(
    deadline: Duration,
    mut predicate: impl AsyncFnMut() -> bool,
) -> anyhow::Result<()> {
    wait_for(deadline, async || predicate().await.then_some(())).await
}

/// Waits until `probe` gives something.
///
/// # Errors
/// When it does not within `deadline`.
pub async fn wait_for<T>(
    deadline: Duration,
    mut probe: impl AsyncFnMut() -> Option<T>,
) -> anyhow::Result<T> {
    let until = Instant::now() + deadline;
    loop {
        if let Some(found) = probe().await {
            return Ok(found);
        }
        if Instant::now() >= until {
            bail!("what was waited for did not come within {deadline:?}");
        }
        tokio::time::sleep(POLL).await;
    }
}

/// A name that no other test uses: `prefix`, a hyphen, and twelve random letters and digits, all lower case.
#[must_use]
pub fn unique(prefix: &str) -> String {
    const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    let mut random = rand::rng();
    let tail = (0..12).map(|_| char::from(LETTERS[random.random_range(0..LETTERS.len())]));
    format!("{prefix}-{}", tail.collect::<String>())
}
