//! What every adapter of the cache must do. A new rule lands here, never in one adapter.
//!
//! A cache may forget, and answers `false` when in doubt, so each rule marks until the marks are seen; what it may never
//! do is claim to have seen what nobody marked, or remember for longer than it was told to.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::SeenKeys;

/// How long any one step may take before its rule counts as broken.
pub const STEP_TIMEOUT: Duration = Duration::from_secs(20);
/// Time between two looks.
const POLL: Duration = Duration::from_millis(5);
/// A window that no rule outlives.
const LONG: Duration = Duration::from_secs(600);
/// A window that a rule waits for.
const SHORT: Duration = Duration::from_millis(300);
/// A window that a rule acts within, and then waits for.
const MEDIUM: Duration = Duration::from_secs(2);

/// Holds a cache to every rule of [`SeenKeys`]. Uses keys that nobody else uses, so caches on one server can share it.
///
/// # Panics
/// When a rule is broken.
pub async fn seen_conformance(open: impl AsyncFn() -> Arc<dyn SeenKeys>) {
    let cache = open().await;
    answers_are_in_order(&*cache).await;
    all_bits_count(&*cache).await;
    nothing_is_fine(&*cache).await;
    a_window_ends(&*cache).await;
    marking_again_does_not_prolong(&*cache).await;
    a_window_of_nothing_marks_nothing(&*cache).await;
    many_at_once(&*cache).await;
}

async fn answers_are_in_order(cache: &dyn SeenKeys) {
    let [marked, unknown] = [fresh(), fresh()];
    mark_until_seen(cache, &[marked], LONG).await;
    let asked = [unknown, marked, unknown, marked, marked];
    until("the answers are in the order of the keys, repeated ones too", async || {
        cache.seen(&asked).await == [false, true, false, true, true]
    })
    .await;
}

async fn all_bits_count(cache: &dyn SeenKeys) {
    let key = fresh();
    mark_until_seen(cache, &[key], LONG).await;
    let near: Vec<u128> = (0..128).map(|bit| key ^ (1 << bit)).collect();
    let answers = cache.seen(&near).await;
    assert_eq!(answers, vec![false; near.len()], "keys that differ in one bit are different keys");
}

async fn nothing_is_fine(cache: &dyn SeenKeys) {
    cache.mark(&[], LONG).await;
    assert!(cache.seen(&[]).await.is_empty(), "no keys, no answers");
}

async fn a_window_ends(cache: &dyn SeenKeys) {
    let [short, long] = [fresh(), fresh()];
    mark_until_seen(cache, &[long], LONG).await;
    mark_until_seen(cache, &[short], SHORT).await;
    until("a key is forgotten when its own window ends", async || {
        cache.seen(&[short, long]).await == [false, true]
    })
    .await;
}

async fn marking_again_does_not_prolong(cache: &dyn SeenKeys) {
    let [mut key, kept] = [fresh(), fresh()];
    mark_until_seen(cache, &[kept], LONG).await;
    // The second mark must fall well inside the first window: on a machine that was too slow for that, once more.
    until("a key is marked twice", async || {
        key = fresh();
        let begun = Instant::now();
        mark_until_seen(cache, &[key], MEDIUM).await;
        cache.mark(&[key], LONG).await;
        begun.elapsed() < MEDIUM / 2
    })
    .await;
    until("the first mark sets the end", async || cache.seen(&[key, kept]).await == [false, true])
        .await;
}

async fn a_window_of_nothing_marks_nothing(cache: &dyn SeenKeys) {
    let [key, kept] = [fresh(), fresh()];
    cache.mark(&[key], Duration::ZERO).await;
    cache.mark(&[key], Duration::from_micros(999)).await;
    mark_until_seen(cache, &[kept], LONG).await;
    assert_eq!(cache.seen(&[key]).await, [false]);
}

async fn many_at_once(cache: &dyn SeenKeys) {
    let marked: Vec<u128> = (0..1_000).map(|_| fresh()).collect();
    mark_until_seen(cache, &marked, LONG).await;
    let unknown: Vec<u128> = (0..1_000).map(|_| fresh()).collect();
    assert!(!cache.seen(&unknown).await.contains(&true), "nobody marked these");
}

async fn mark_until_seen(cache: &dyn SeenKeys, keys: &[u128], window: Duration) {
    until("marked keys are seen", async || {
        cache.mark(keys, window).await;
        cache.seen(keys).await.iter().all(|seen| *seen)
    })
    .await;
}

async fn until(rule: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + STEP_TIMEOUT;
    while !holds().await {
        assert!(Instant::now() < deadline, "broken rule: {rule}");
        tokio::time::sleep(POLL).await;
    }
}

/// A key that nobody else uses. The standard library seeds every hasher state from the system.
fn fresh() -> u128 {
    let random = || u128::from(RandomState::new().hash_one(0_u8));
    (random() << 64) | random()
}
