//! Transforms are tried as they came, and hurt nobody.

use crate::support::Stack;
use crate::support::client::Answer;

async fn test(stack: &Stack, body: &str) -> Answer {
    stack.request("POST", "/v1/transforms/test").json(body).send().await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_has_an_output_and_numbers_keep_their_spelling() {
    let stack = Stack::start().await;
    let event = r#"{"data": {"n": 12345678901234567890.10, "who": "a\"b"}}"#;
    for (transform, output) in [
        (r#"{"part": "$.data.n"}"#, "12345678901234567890.10"),
        (r#"{"constant": {"a": [1.0]}}"#, r#"{"a":[1.0]}"#),
        (
            r#"{"input_paths": {"n": "$.data.n"}, "template": "{\"n\": <n>}"}"#,
            r#"{"n":12345678901234567890.10}"#,
        ),
        (
            r#"{"input_paths": {"who": "$.data.who"}, "template": "\"1 <who>\"\n\"2\""}"#,
            r#""\"1 a\\\"b\"\n\"2\"""#,
        ),
        (r#"{"jq": ".data | {n, w: (.who | length)}"}"#, r#"{"n":12345678901234567890.10,"w":3}"#),
        (r#"{"jsonata": "{\"w\": $uppercase(data.who)}"}"#, r#"{"w":"A\"B"}"#),
    ] {
        let body = format!(r#"{{"transform": {transform}, "event": {event}}}"#);
        let answer = test(&stack, &body).await;
        assert_eq!(answer.status, 200, "{transform}");
        let told = str::from_utf8(&answer.body).unwrap();
        assert_eq!(told, format!(r#"{{"output":{output}}}"#));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_valid_is_named_with_its_place() {
    let stack = Stack::start().await;
    for (body, code, fault) in [
        (
            r#"{"transform": {"prat": 1}, "event": {}}"#,
            "invalid-transform",
            "/transform/prat unknown-field",
        ),
        (
            r#"{"transform": {"jq": ".a |"}, "event": {}}"#,
            "invalid-transform",
            "/transform/jq invalid-program",
        ),
        (
            r#"{"transform": {"jsonata": "a.("}, "event": {}}"#,
            "invalid-transform",
            "/transform/jsonata invalid-program",
        ),
        (r#"{"transform": {"jq": "."}, "event": [1]}"#, "invalid-document", "/event invalid-event"),
        (
            r#"{"transform": {"constant": 1}, "event": 1}"#,
            "invalid-document",
            "/event invalid-event",
        ),
        (r#"{"transform": {"constant": 1}}"#, "invalid-document", "/event required"),
    ] {
        let faults = test(&stack, body).await.problem(422, code);
        assert_eq!(faults[0], fault, "{body}");
    }
    test(&stack, "[]").await.problem(400, "malformed-json");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_fails_is_the_callers_fault() {
    let stack = Stack::start().await;
    for (transform, code) in [
        (r#"{"part": "$.data"}"#, "transform-failed"),
        (r#"{"jq": "error(1)"}"#, "transform-failed"),
        (r#"{"jsonata": "nothing"}"#, "transform-failed"),
        (r#"{"jq": "def f: f; f"}"#, "transform-limit"),
        (r#"{"jq": "\"x\" * 1000000000"}"#, "transform-limit"),
        (r#"{"jsonata": "$pad('x', 2000000000)"}"#, "transform-limit"),
    ] {
        let body = format!(r#"{{"transform": {transform}, "event": {{}}}}"#);
        assert_eq!(test(&stack, &body).await.problem(422, code), [""; 0], "{transform}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn others_are_answered_while_programs_run() {
    let stack = Stack::start().await;
    let endless =
        r#"{"transform": {"jsonata": "($f := function($x) {$f($x)}; $f(1))"}, "event": {}}"#;
    // As many as one key may run at a time.
    let running = futures_util::future::join_all((0..2).map(|_| test(&stack, endless)));
    let others = async {
        assert_eq!(stack.request("GET", "/v1/buses").send().await.status, 200);
        let body = r#"{"transform": {"jq": "1"}, "event": {}}"#;
        let request = stack.foreign("POST", "/v1/transforms/test");
        assert_eq!(request.json(body).send().await.status, 200);
    };
    let mut running = std::pin::pin!(running);
    tokio::select! {
        _ = &mut running => panic!("others were held up"),
        () = others => {}
    }
    for answer in running.await {
        answer.problem(422, "transform-limit");
    }
}
