//! Patterns are tried as they came.

use crate::support::Stack;
use crate::support::client::Answer;

async fn test(stack: &Stack, body: &str) -> Answer {
    stack.request("POST", "/v1/patterns/test").json(body).send().await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_texts_count_as_they_came() {
    let stack = Stack::start().await;
    // In a pattern the last of two keys counts, in an event both; numbers are compared by value, with no loss.
    let body = r#"{"pattern": {"a": [0], "a": [9007199254740993]}, "event": {"a": 1, "a": 9007199254740993.0}}"#;
    let answer = test(&stack, body).await;
    assert_eq!(answer.status, 200);
    let answer = answer.json();
    assert_eq!(answer["match"], true);
    let field = &answer["explain"]["ways"][0]["fields"][0];
    assert_eq!(field["values"], serde_json::json!(["1", "9007199254740993"]));
    let body = r#"{"pattern": {"a": [9007199254740993]}, "event": {"a": 9007199254740992}}"#;
    let answer = test(&stack, body).await.json();
    assert_eq!(answer["match"], false);
    let why = answer["explain"]["ways"][0]["fields"][0]["why"].as_str().unwrap();
    assert_eq!(why, "9007199254740992: no alternative matches");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_valid_is_named_with_its_place() {
    let stack = Stack::start().await;
    for (body, code, fault) in [
        (r#"{"pattern": {"a": 1}, "event": {}}"#, "invalid-pattern", "/pattern/a not-an-array"),
        (r#"{"pattern": {"a": [1]}, "event": [1]}"#, "invalid-document", "/event invalid-event"),
        (r#"{"pattern": {"a": [1]}}"#, "invalid-document", "/event required"),
    ] {
        assert_eq!(test(&stack, body).await.problem(422, code), [fault], "{body}");
    }
    for body in ["", "[]", r#"{"pattern": }"#] {
        test(&stack, body).await.problem(400, "malformed-json");
    }
}
