//! Every route, and what is none.

use crate::support::Stack;

const ID: &str = "0123456789abcdef0123456789abcdef01234567";

const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH"];

#[tokio::test(flavor = "multi_thread")]
async fn every_route_demands_a_good_key_and_takes_only_its_methods() {
    let stack = Stack::start().await;
    for (pattern, allow) in tripline_api_gateway::routes() {
        let path = pattern.replace("{bus}", "default").replace("{name}", "f").replace("{id}", ID);
        let (path, allow) = (path.as_str(), allow.as_str());
        for method in METHODS {
            let without = stack.bare(method, path).send().await;
            let wrong =
                stack.bare(method, path).header("authorization", "Bearer a-wrong-key-of-the-test");
            let wrong = wrong.send().await;
            assert_eq!((without.status, wrong.status), (401, 401), "{method} {path}");
            assert_eq!(without.header("www-authenticate"), "Bearer");
            if method != "HEAD" {
                without.problem(401, "missing-api-key");
                wrong.problem(401, "invalid-api-key");
            }
            let with = stack.request(method, path).send().await;
            if allow.split(", ").any(|allowed| allowed == method) {
                assert_ne!(with.status, 405, "{method} {path}");
                assert!(with.status < 500, "{method} {path}: {}", with.status);
            } else {
                assert_eq!(with.header("allow"), allow);
                if method == "HEAD" {
                    assert_eq!(with.status, 405);
                } else {
                    with.problem(405, "method-not-allowed");
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_a_problem_and_hidden_without_a_key() {
    let stack = Stack::start().await;
    for path in [
        "/v1",
        "/v1/",
        "/v1/nothing",
        "/v1/buses/",
        "/v1/buses/default/events/1",
        "/v1/minio-triggers/x",
        "/v1/triggers/t/eat",
    ] {
        stack.get(path).await.problem(404, "route-not-found");
        stack.bare("GET", path).send().await.problem(401, "missing-api-key");
    }
    for path in ["/", "/v2/buses", "/livez"] {
        stack.bare("GET", path).send().await.problem(404, "route-not-found");
    }
    for (path, code) in [
        ("/v1/buses/NO", "bus-not-found"),
        ("/v1/functions/%20", "function-not-found"),
        ("/v1/sources/a_b", "source-not-found"),
        ("/v1/triggers/-a", "trigger-not-found"),
        ("/v1/invocations/1", "invocation-not-found"),
        ("/v1/dead-letters/x", "dead-letter-not-found"),
    ] {
        stack.get(path).await.problem(404, code);
    }
    for kind in ["function", "source", "trigger"] {
        for method in ["GET", "DELETE"] {
            for name in ["absent", &"a".repeat(64)] {
                let answer = stack.request(method, &format!("/v1/{kind}s/{name}")).send().await;
                answer.problem(404, &format!("{kind}-not-found"));
            }
        }
    }
    let absent = stack.get(&format!("/v1/invocations/{ID}")).await;
    absent.problem(404, "invocation-not-found");
}

#[tokio::test(flavor = "multi_thread")]
async fn head_answers_as_get_without_the_body() {
    let stack = Stack::start().await;
    let (get, head) = (
        stack.get("/v1/buses/default").await,
        stack.request("HEAD", "/v1/buses/default").send().await,
    );
    assert_eq!((get.status, head.status), (200, 200));
    assert_eq!(head.header("etag"), "\"1\"");
    assert_eq!(head.header("content-length"), get.body.len().to_string());
    assert!(head.body.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_webhook_handshake_needs_no_key() {
    let stack = Stack::start().await;
    let asked = stack
        .bare("OPTIONS", "/v1/buses/default/events")
        .header("webhook-request-origin", "eventemitter.example.com")
        .header("webhook-request-rate", "120")
        .send()
        .await;
    assert_eq!(asked.status, 200);
    assert_eq!(asked.header("allow"), "POST");
    assert_eq!(asked.header("webhook-allowed-origin"), "eventemitter.example.com");
    assert_eq!(asked.header("webhook-allowed-rate"), "*");

    let plain = stack.bare("OPTIONS", "/v1/buses/default/events").send().await;
    assert_eq!(plain.header("allow"), "POST");
    assert_eq!(plain.header("webhook-allowed-origin"), "", "consent only where it was asked for");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_counted_by_route_and_status() {
    let stack = Stack::start().await;
    stack.get("/v1/buses/default").await;
    stack.get("/v1/buses/other").await;
    stack.get("/nothing").await;
    stack.publish(&crate::support::event("1")).await;
    let metrics = stack.context.metrics.render();
    for line in [
        r#"tripline_http_requests_total{route="/v1/buses/{name}",status="2xx"} 1"#,
        r#"tripline_http_requests_total{route="/v1/buses/{name}",status="4xx"} 1"#,
        r#"tripline_http_requests_total{route="none",status="4xx"} 1"#,
        "tripline_http_requests_in_flight 0",
        "tripline_publish_duration_seconds_count 1",
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
}
