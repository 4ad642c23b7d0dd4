//! What holds for every route alike. A route that is not in the table fails the test.

use std::collections::BTreeSet;

use serde_json::json;

use crate::support::Stack;
use crate::support::client::Answer;

const FUNCTION: &str = r#"{"target":{"kind":"http","url":"http://f"}}"#;
const SOURCE: &str = r#"{"kind":"minio","settings":{"bucket":"b"}}"#;
const TRIGGER: &str = r#"{"function":"f"}"#;
const PATCH: &str = "application/merge-patch+json";
const JSON: &str = "application/json";
const EVENT: &str = "application/cloudevents+json";
/// Above every limit of a body that is neither an event nor a batch.
const DOCUMENT_TOO_LARGE: usize = (256 << 10) + 1;
const EVENT_TOO_LARGE: usize = (1 << 20) + 1;

/// What a tenant sees where another one has something.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Foreign {
    /// That there is nothing.
    NotFound,
    /// A list without items.
    Empty,
    /// Numbers, all of them zero.
    Zero,
    /// Its own resource of that name: a PUT makes it.
    Own,
    /// The same: it is nobody's.
    Same,
}

/// One method of one route.
struct Row {
    pattern: &'static str,
    method: &'static str,
    path: &'static str,
    foreign: Foreign,
    /// The media type and the body of a good request, and the size of a body that is too large.
    body: Option<(&'static str, &'static str, usize)>,
    /// Whether it takes `If-Match`.
    conditional: bool,
    /// Whether its body is a document, whose fields are known.
    document: bool,
}

const fn reads(pattern: &'static str, path: &'static str, foreign: Foreign) -> Row {
    let (body, conditional, document) = (None, false, false);
    Row { pattern, method: "GET", path, foreign, body, conditional, document }
}

const fn acts(pattern: &'static str, method: &'static str, path: &'static str) -> Row {
    let row = reads(pattern, path, Foreign::NotFound);
    Row { method, conditional: true, ..row }
}

const fn puts(pattern: &'static str, path: &'static str, document: &'static str) -> Row {
    let row = acts(pattern, "PUT", path);
    let body = Some((JSON, document, DOCUMENT_TOO_LARGE));
    Row { foreign: Foreign::Own, body, document: true, ..row }
}

const fn patches(pattern: &'static str, path: &'static str) -> Row {
    let row = acts(pattern, "PATCH", path);
    Row { body: Some((PATCH, "{}", DOCUMENT_TOO_LARGE)), document: true, ..row }
}

const fn sends(
    pattern: &'static str,
    path: &'static str,
    body: (&'static str, &'static str),
) -> Row {
    let row = acts(pattern, "POST", path);
    Row { body: Some((body.0, body.1, EVENT_TOO_LARGE)), conditional: false, ..row }
}

const UPDATE: &str = r#"{"action":"update","name":"m","suffix":".png"}"#;
const TRANSFORM_TEST: &str = r#"{"transform":{"constant":1},"event":{"a":1}}"#;
const TEST: &str = r#"{"pattern":{"a":[1]},"event":{"a":1}}"#;
const THE_EVENT: &str = r#"{"specversion":"1.0","id":"1","source":"/s","type":"t"}"#;

fn table() -> Vec<Row> {
    const EVENTS: &str = "/v1/buses/{bus}/events";
    const BUS: &str = "/v1/buses/{name}";
    const FUNCTION_AT: &str = "/v1/functions/{name}";
    const SOURCE_AT: &str = "/v1/sources/{name}";
    const TRIGGER_AT: &str = "/v1/triggers/{name}";
    let invocation = "/v1/invocations/0123456789abcdef0123456789abcdef01234567";
    let dead_letter = "/v1/dead-letters/0123456789abcdef0123456789abcdef01234567";
    let minio = acts("/v1/minio-triggers", "POST", "/v1/minio-triggers");
    vec![
        reads(EVENTS, "/v1/buses/default/events?source=/s&id=1", Foreign::NotFound),
        sends(EVENTS, "/v1/buses/default/events", (EVENT, THE_EVENT)),
        reads("/v1/buses", "/v1/buses", Foreign::Empty),
        reads(BUS, "/v1/buses/default", Foreign::NotFound),
        puts(BUS, "/v1/buses/default", "{}"),
        patches(BUS, "/v1/buses/b"),
        acts(BUS, "DELETE", "/v1/buses/b"),
        reads("/v1/functions", "/v1/functions", Foreign::Empty),
        reads(FUNCTION_AT, "/v1/functions/f", Foreign::NotFound),
        puts(FUNCTION_AT, "/v1/functions/f", FUNCTION),
        patches(FUNCTION_AT, "/v1/functions/g"),
        acts(FUNCTION_AT, "DELETE", "/v1/functions/g"),
        acts("/v1/functions/{name}/rotate-secret", "POST", "/v1/functions/g/rotate-secret"),
        sends("/v1/functions/{name}/invocations", "/v1/functions/g/invocations", (JSON, "{}")),
        reads("/v1/sources", "/v1/sources", Foreign::Empty),
        reads(SOURCE_AT, "/v1/sources/s", Foreign::NotFound),
        puts(SOURCE_AT, "/v1/sources/s", SOURCE),
        patches(SOURCE_AT, "/v1/sources/m"),
        acts(SOURCE_AT, "DELETE", "/v1/sources/m"),
        reads("/v1/sources/{name}/status", "/v1/sources/m/status", Foreign::NotFound),
        Row { conditional: false, ..acts("/v1/sources/{name}/test", "POST", "/v1/sources/m/test") },
        acts("/v1/sources/{name}/pause", "POST", "/v1/sources/m/pause"),
        acts("/v1/sources/{name}/resume", "POST", "/v1/sources/m/resume"),
        reads("/v1/triggers", "/v1/triggers", Foreign::Empty),
        reads(TRIGGER_AT, "/v1/triggers/t", Foreign::NotFound),
        puts(TRIGGER_AT, "/v1/triggers/t", TRIGGER),
        patches(TRIGGER_AT, "/v1/triggers/m"),
        acts(TRIGGER_AT, "DELETE", "/v1/triggers/m"),
        reads("/v1/triggers/{name}/explain", "/v1/triggers/m/explain", Foreign::NotFound),
        acts("/v1/triggers/{name}/pause", "POST", "/v1/triggers/m/pause"),
        acts("/v1/triggers/{name}/resume", "POST", "/v1/triggers/m/resume"),
        Row { body: Some((JSON, UPDATE, DOCUMENT_TOO_LARGE)), document: true, ..minio },
        reads("/v1/invocations", "/v1/invocations", Foreign::Empty),
        reads("/v1/invocations/{id}", invocation, Foreign::NotFound),
        reads("/v1/dead-letters", "/v1/dead-letters", Foreign::Empty),
        reads("/v1/dead-letters/{id}", dead_letter, Foreign::NotFound),
        Row {
            body: Some((JSON, TEST, DOCUMENT_TOO_LARGE)),
            document: true,
            method: "POST",
            ..reads("/v1/patterns/test", "/v1/patterns/test", Foreign::Same)
        },
        reads("/v1/stats", "/v1/stats", Foreign::Zero),
        reads("/v1/tail", "/v1/tail?trigger=m", Foreign::NotFound),
        Row {
            body: Some((JSON, TRANSFORM_TEST, DOCUMENT_TOO_LARGE)),
            document: true,
            method: "POST",
            ..reads("/v1/transforms/test", "/v1/transforms/test", Foreign::Same)
        },
    ]
}

/// A gateway whose tenant has one of everything.
async fn furnished() -> Stack {
    let stack = Stack::start().await;
    stack.put("/v1/buses/b", "{}").await;
    for function in ["f", "g"] {
        stack.put(&format!("/v1/functions/{function}"), FUNCTION).await;
    }
    for name in ["s", "m"] {
        stack.put(&format!("/v1/sources/{name}"), SOURCE).await;
    }
    for name in ["t", "m"] {
        let made = stack.put(&format!("/v1/triggers/{name}"), TRIGGER).await;
        assert_eq!(made.status, 201);
    }
    stack
}

impl Row {
    async fn send(&self, stack: &Stack, who: Who, header: Option<(&str, &str)>) -> Answer {
        let mut request = match who {
            Who::Nobody => stack.bare(self.method, self.path),
            Who::Stranger => stack.foreign(self.method, self.path),
            Who::Owner => stack.request(self.method, self.path),
        };
        if let Some((name, value)) = header {
            request = request.header(name, value);
        }
        match self.body {
            Some((content_type, body, _)) => request.body(content_type, body).send().await,
            None => request.send().await,
        }
    }

    fn says(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

#[derive(Clone, Copy)]
enum Who {
    Nobody,
    Stranger,
    Owner,
}

#[test]
fn every_route_is_in_the_table() {
    let served: BTreeSet<(&str, String)> = tripline_api_gateway::routes()
        .into_iter()
        .flat_map(|(pattern, allow)| {
            let methods: Vec<_> = allow.split(", ").map(str::to_owned).collect();
            methods.into_iter().map(move |method| (pattern, method))
        })
        // HEAD is GET without the body; the webhook handshake says nothing that is not public.
        .filter(|(_, method)| method != "HEAD" && method != "OPTIONS")
        .collect();
    let listed = table().iter().map(|row| (row.pattern, row.method.to_owned())).collect();
    assert_eq!(served, listed);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_served_without_a_key() {
    let stack = furnished().await;
    for row in table() {
        row.send(&stack, Who::Nobody, None).await.problem(401, "missing-api-key");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_tenant_has_is_not_there() {
    let stack = furnished().await;
    for row in table() {
        let answer = row.send(&stack, Who::Stranger, None).await;
        match row.foreign {
            Foreign::NotFound => assert_eq!(answer.status, 404, "{}", row.says()),
            Foreign::Empty => assert_eq!(answer.json()["items"], json!([]), "{}", row.says()),
            Foreign::Own => assert_eq!(answer.status, 201, "{}", row.says()),
            Foreign::Same => assert_eq!(answer.status, 200, "{}", row.says()),
            Foreign::Zero => {
                let numbers = answer.json();
                let numbers = numbers.as_object().unwrap();
                assert!(numbers.values().all(|number| *number == 0), "{}", row.says());
            }
        }
    }
    for row in table().iter().filter(|row| row.foreign == Foreign::Own) {
        let ours = stack.get(row.path).await;
        assert_eq!(ours.status, 200, "{}: still there", row.says());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_names_another_revision_is_not_done() {
    let stack = furnished().await;
    for row in table().iter().filter(|row| row.conditional) {
        let answer = row.send(&stack, Who::Owner, Some(("if-match", "\"999\""))).await;
        assert_eq!(answer.status, 412, "{}: {:?}", row.says(), answer.body);
        answer.problem(412, "revision-mismatch");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_field_is_named_with_its_place() {
    let stack = furnished().await;
    for row in table().iter().filter(|row| row.document) {
        let (content_type, body, _) = row.body.unwrap();
        let mut document: serde_json::Value = serde_json::from_str(body).unwrap();
        document["nope"] = json!(1);
        let request = stack.request(row.method, row.path);
        let answer = request.body(content_type, document.to_string()).send().await;
        let faults = answer.problem(422, "invalid-document");
        assert_eq!(faults, ["/nope unknown-field"], "{}", row.says());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_over_its_limit_is_not_read() {
    let stack = furnished().await;
    for row in table() {
        let Some((content_type, _, too_large)) = row.body else { continue };
        let request = stack.request(row.method, row.path);
        let answer = request.body(content_type, vec![b' '; too_large]).send().await;
        assert_eq!(answer.status, 413, "{}", row.says());
        answer.problem(413, "body-too-large");
    }
}
