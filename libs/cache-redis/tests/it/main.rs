//! The cache on a real Redis: the rules of the port, and what happens when Redis fails.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use tripline_cache::SeenKeys;
use tripline_cache::conformance::seen_conformance;
use tripline_cache_redis::{Options, SEEN_TIMEOUT, Seen};
use tripline_testkit::{Redis, redis, unique, wait_until};

const DEADLINE: Duration = Duration::from_secs(20);
const WINDOW: Duration = Duration::from_secs(600);
/// What the scheduler of a busy machine may add to a time-out.
const SCHEDULING: Duration = Duration::from_millis(400);

fn open(url: String) -> Seen {
    Seen::open(&Options { url: url.into(), prefix: unique("test") }).unwrap()
}

async fn mark_until_seen(seen: &Seen, keys: &[u128]) {
    wait_until(DEADLINE, async || {
        seen.mark(keys, WINDOW).await;
        seen.seen(keys).await.iter().all(|known| *known)
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn redis_keeps_the_rules() {
    let url = redis().await.database();
    seen_conformance(async || Arc::new(open(url.clone())) as Arc<dyn SeenKeys>).await;
}

#[tokio::test]
async fn replicas_share_what_they_have_seen_and_installations_do_not() {
    let options = Options { url: redis().await.database().into(), prefix: unique("test") };
    let (one, other) = (Seen::open(&options).unwrap(), Seen::open(&options).unwrap());
    mark_until_seen(&one, &[7]).await;
    wait_until(DEADLINE, async || other.seen(&[7]).await == [true]).await.unwrap();
    let stranger = Seen::open(&Options { prefix: unique("test"), ..options }).unwrap();
    mark_until_seen(&stranger, &[8]).await;
    assert_eq!(stranger.seen(&[7]).await, [false]);
}

#[tokio::test]
async fn a_flushed_redis_has_seen_nothing_and_goes_on() {
    let server = Redis::start().await.unwrap();
    let seen = open(server.url());
    mark_until_seen(&seen, &[1, 2]).await;
    let client = ::redis::Client::open(server.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let () = ::redis::cmd("FLUSHALL").query_async(&mut connection).await.unwrap();
    assert_eq!(seen.seen(&[1, 2]).await, [false, false]);
    mark_until_seen(&seen, &[1, 2]).await;
}

#[tokio::test]
async fn a_redis_that_is_killed_hangs_or_was_never_there_answers_false_in_time() {
    let mut server = Redis::start().await.unwrap();
    let seen = open(server.url());
    mark_until_seen(&seen, &[1]).await;

    server.pause().unwrap();
    assert_false_in_time(&seen).await;
    server.resume().unwrap();
    wait_until(DEADLINE, async || seen.seen(&[1]).await == [true]).await.unwrap();

    server.kill().await.unwrap();
    assert_false_in_time(&seen).await;
    assert_false_in_time(&open(server.url())).await;
    server.restart().await.unwrap();
    mark_until_seen(&seen, &[1]).await;
}

async fn assert_false_in_time(seen: &Seen) {
    let begun = Instant::now();
    assert_eq!(seen.seen(&[1, 2]).await, [false, false]);
    assert!(begun.elapsed() < SEEN_TIMEOUT + SCHEDULING, "{:?}", begun.elapsed());
    let begun = Instant::now();
    seen.mark(&[3], WINDOW).await;
    assert!(begun.elapsed() < SCHEDULING, "{:?}", begun.elapsed());
    let begun = Instant::now();
    for _ in 0..100 {
        assert_eq!(seen.seen(&[1]).await, [false]);
    }
    let hundred = begun.elapsed();
    assert!(
        hundred < SEEN_TIMEOUT * 20,
        "a failing cache costs one time-out, not one a call: {hundred:?}"
    );
}
