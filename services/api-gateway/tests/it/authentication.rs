//! API keys: asked of auth seldom, trusted while it is away, refused once it says so.

use std::sync::atomic::Ordering;

use crate::support::{KEY, Stack, event};

#[tokio::test(flavor = "multi_thread")]
async fn a_good_key_is_asked_about_once_in_a_while() {
    let stack = Stack::start().await;
    for id in 0..20 {
        assert_eq!(stack.publish(&event(&id.to_string())).await.status, 202);
    }
    assert_eq!(stack.auth.asked.load(Ordering::SeqCst), 1);
    stack.clock.advance(31);
    assert_eq!(stack.get("/v1/buses").await.status, 200);
    assert_eq!(stack.get("/v1/buses").await.status, 200);
    assert_eq!(stack.auth.asked.load(Ordering::SeqCst), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_requests_with_a_new_key_ask_one_question() {
    let stack = Stack::start().await;
    let requests = (0..32).map(|_| stack.get("/v1/buses"));
    for answer in futures_util::future::join_all(requests).await {
        assert_eq!(answer.status, 200);
    }
    assert_eq!(stack.auth.asked.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_is_refused_once_its_answer_is_old() {
    let stack = Stack::start().await;
    assert_eq!(stack.get("/v1/buses").await.status, 200);
    stack.auth.revoked.store(true, Ordering::SeqCst);
    stack.clock.advance(31);
    stack.get("/v1/buses").await.problem(401, "invalid-api-key");
    stack.get("/v1/buses").await.problem(401, "invalid-api-key");
    assert_eq!(stack.auth.asked.load(Ordering::SeqCst), 2, "a bad key is remembered as well");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_known_key_is_trusted_for_ten_minutes_while_auth_is_away() {
    let stack = Stack::start().await;
    assert_eq!(stack.get("/v1/buses").await.status, 200);
    stack.auth.down.store(true, Ordering::SeqCst);
    stack.clock.advance(31);
    assert_eq!(stack.get("/v1/buses").await.status, 200);
    assert_eq!(stack.get("/v1/buses").await.status, 200);
    assert_eq!(stack.auth.asked.load(Ordering::SeqCst), 2, "auth is left alone for a moment");
    stack.clock.advance(540);
    assert_eq!(stack.get("/v1/buses").await.status, 200);
    stack.clock.advance(60);
    let answer = stack.get("/v1/buses").await;
    answer.problem(503, "auth-unavailable");
    assert_eq!(answer.header("retry-after"), "1");

    stack.auth.down.store(false, Ordering::SeqCst);
    assert_eq!(stack.get("/v1/buses").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hanging_auth_delays_one_request_and_not_the_others() {
    let stack = Stack::start().await;
    assert_eq!(stack.get("/v1/buses").await.status, 200);
    stack.auth.hanging.store(true, Ordering::SeqCst);
    stack.clock.advance(31);
    let (asks, served) = tokio::join!(stack.get("/v1/buses"), async {
        crate::support::eventually("auth is asked", || {
            stack.auth.asked.load(Ordering::SeqCst) == 2
        })
        .await;
        let started = std::time::Instant::now();
        let answer = stack.get("/v1/buses").await;
        assert!(started.elapsed().as_millis() < 1_000, "{:?}", started.elapsed());
        answer
    });
    assert_eq!((asks.status, served.status), (200, 200));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_key_is_no_bad_key_while_auth_is_away() {
    let stack = Stack::start().await;
    stack.auth.down.store(true, Ordering::SeqCst);
    let answer = stack.get("/v1/buses").await;
    answer.problem(503, "auth-unavailable");
    assert_eq!(answer.header("retry-after"), "1");
    stack.auth.down.store(false, Ordering::SeqCst);
    assert_eq!(stack.get("/v1/buses").await.status, 200, "at once");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_bearer_token_counts() {
    let stack = Stack::start().await;
    for (authorization, code) in [
        (KEY.to_owned(), "missing-api-key"),
        (format!("Basic {KEY}"), "missing-api-key"),
        ("Bearer".to_owned(), "missing-api-key"),
        ("Bearer ".to_owned(), "missing-api-key"),
        ("Bearer short".to_owned(), "invalid-api-key"),
        (format!("Bearer {}", "x".repeat(300)), "invalid-api-key"),
        (format!("Bearer {KEY} {KEY}"), "invalid-api-key"),
    ] {
        let request = stack.bare("GET", "/v1/buses").header("authorization", &authorization);
        request.send().await.problem(401, code);
    }
    let lower = stack.bare("GET", "/v1/buses").header("authorization", &format!("bearer {KEY}"));
    assert_eq!(lower.send().await.status, 200);
    assert_eq!(
        stack.auth.asked.load(Ordering::SeqCst),
        1,
        "what cannot be a key is not asked about"
    );
}
