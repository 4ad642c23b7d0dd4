//! What callers get wrong: always a 4xx that says what and where.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tripline_api_gateway::Options;

use crate::support::registry::FakeRegistry;
use crate::support::{KEY, SOON, Stack, event};

const EVENTS: &str = "/v1/buses/default/events";
const STRUCTURED: &str = "application/cloudevents+json";

/// Path, document, and the faults it has.
const DOCUMENTS: [(&str, &str, &[&str]); 21] = [
    ("/v1/functions/f", "[]", &[" wrong-type"]),
    ("/v1/functions/f", "null", &[" wrong-type"]),
    ("/v1/functions/f", "{}", &["/target missing-field"]),
    ("/v1/functions/f", r#"{"target":{"url":"u"}}"#, &["/target/kind missing-field"]),
    (
        "/v1/functions/f",
        r#"{"target":{"kind":"http"},"timout_ms":1}"#,
        &["/timout_ms unknown-field"],
    ),
    (
        "/v1/functions/f",
        r#"{"target":"http","timeout_ms":"10s","concurrency":0,"x":1}"#,
        &[
            "/target wrong-type",
            "/timeout_ms wrong-type",
            "/concurrency out-of-range",
            "/x unknown-field",
        ],
    ),
    ("/v1/functions/f", r#"{"target":{"kind":"http"},"name":"g"}"#, &["/name mismatch"]),
    (
        "/v1/functions/f",
        r#"{"target":{"kind":"http","a":1,"a":2}}"#,
        &["/target/a duplicate-field"],
    ),
    (
        "/v1/functions/f",
        r#"{"target":{"kind":"http"},"signing_secret":"s"}"#,
        &["/signing_secret unsupported-field"],
    ),
    ("/v1/sources/s", "{}", &["/kind missing-field", "/settings missing-field"]),
    ("/v1/sources/s", r#"{"kind":"minio","settings":[]}"#, &["/settings wrong-type"]),
    ("/v1/sources/s", r#"{"kind":"minio","settings":{},"bus":"B"}"#, &["/bus invalid-name"]),
    ("/v1/triggers/t", "{}", &["/function missing-field"]),
    ("/v1/triggers/t", r#"{"function":"f","pattern":"x"}"#, &["/pattern wrong-type"]),
    ("/v1/triggers/t", r#"{"function":"f","source":""}"#, &["/source out-of-range"]),
    ("/v1/triggers/t", r#"{"function":"f","patern":{}}"#, &["/patern unknown-field"]),
    ("/v1/triggers/t", r#"{"function":"f","transform":{}}"#, &["/transform unsupported-field"]),
    (
        "/v1/triggers/t",
        r#"{"function":"f","delivery":{"max_attempts":0,"max_age_seconds":1.5,"order":"key"}}"#,
        &[
            "/delivery/max_attempts out-of-range",
            "/delivery/max_age_seconds out-of-range",
            "/delivery/order unsupported-field",
        ],
    ),
    (
        "/v1/triggers/t",
        r#"{"function":"f","delivery":{"backoff":{"kind":"linear","base":1}}}"#,
        &["/delivery/backoff/kind unsupported-field", "/delivery/backoff/base unknown-field"],
    ),
    ("/v1/triggers/t", r#"{"function":"f","delivery":[]}"#, &["/delivery wrong-type"]),
    (
        "/v1/triggers/t",
        r#"{"function":"f","pattern":{"a":[{"b":1,"b":1}]}}"#,
        &["/pattern/a/0/b duplicate-field"],
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_of_a_document_is_told_with_its_place() {
    let stack = Stack::start().await;
    for (path, document, faults) in DOCUMENTS {
        let told = stack.put(path, document).await.problem(422, "invalid-document");
        assert_eq!(told, faults, "{path} {document}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_no_resource_can_have_is_refused() {
    let stack = Stack::start().await;
    for path in ["/v1/functions/F", "/v1/sources/s_s", "/v1/triggers/t%00", "/v1/triggers/%C3%A4"] {
        stack.put(path, "{}").await.problem(422, "invalid-name");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_json_is_refused_with_line_and_column() {
    let stack = Stack::start().await;
    let deep = format!(r#"{{"settings":{}{}}}"#, "[".repeat(1000), "]".repeat(1000));
    for body in ["", "{", "{\"a\"}", "\u{feff}{}", &deep] {
        let answer = stack.put("/v1/sources/s", body).await;
        answer.problem(400, "malformed-json");
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains("at line 1 column"), "{detail}");
    }
    for body in ["", "{", "7", "\u{feff}{}"] {
        stack.publish(body).await.problem(400, "malformed-json");
    }
    let latin1 =
        stack.request("PUT", "/v1/sources/s").body("application/json", b"{\"a\":\"\xe4\"}");
    latin1.send().await.problem(400, "malformed-json");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_content_type_that_is_not_spoken_is_refused() {
    let stack = Stack::start().await;
    let document = r#"{"kind":"minio","settings":{}}"#;
    for content_type in ["text/plain", "application/x-www-form-urlencoded", "application/jsonx"] {
        let put = stack.request("PUT", "/v1/sources/s").body(content_type, document);
        put.send().await.problem(415, "unsupported-media-type");
    }
    let typed =
        stack.request("PUT", "/v1/sources/s").body("Application/JSON; charset=utf-8", document);
    assert_eq!(typed.send().await.status, 201);
    let zipped =
        stack.request("PUT", "/v1/sources/s").json(document).header("content-encoding", "gzip");
    zipped.send().await.problem(415, "unsupported-media-type");
    for content_type in
        ["application/json", "application/cloudevents+avro", "application/cloudevents"]
    {
        let publish = stack.request("POST", EVENTS).body(content_type, event("1"));
        publish.send().await.problem(415, "unsupported-media-type");
    }
    stack.request("POST", EVENTS).send().await.problem(415, "unsupported-media-type");
    assert!(stack.log.entries().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_is_wrong_is_refused_with_every_fault() {
    let stack = Stack::start().await;
    for (path, faults) in [
        (
            "/v1/invocations?state=gone&limit=501",
            &["?state invalid-parameter", "?limit invalid-parameter"][..],
        ),
        ("/v1/invocations?created_after=yesterday", &["?created_after invalid-parameter"]),
        ("/v1/functions?limit=0", &["?limit invalid-parameter"]),
        ("/v1/triggers?limit=-1", &["?limit invalid-parameter"]),
        ("/v1/sources?filter=x", &["?filter unknown-parameter"]),
        ("/v1/dead-letters?state=dead", &["?state unknown-parameter"]),
        ("/v1/buses?cursor=a&cursor=b", &["?cursor duplicate-parameter"]),
    ] {
        assert_eq!(stack.get(path).await.problem(422, "invalid-query"), faults, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_over_its_limit_is_refused() {
    let options = Options {
        event_bytes_max: 2048,
        batch_bytes_max: 4096,
        document_bytes_max: 1024,
        ..Options::default()
    };
    let stack = Stack::with(options, FakeRegistry::default().into()).await.ready().await;
    let padded = |bytes: usize| {
        let start = r#"{"specversion":"1.0","id":"1","source":"/s","type":"t","data":""#;
        format!("{start}{}\"}}", "x".repeat(bytes - start.len() - 2))
    };
    assert_eq!(stack.publish(&padded(2048)).await.status, 202, "at the limit");
    stack.publish(&padded(2049)).await.problem(413, "body-too-large");
    stack.put("/v1/sources/s", &padded(1025)).await.problem(413, "body-too-large");
    let call =
        stack.request("POST", "/v1/functions/f/invocations").body("text/plain", padded(2049));
    assert_eq!(call.send().await.status, 404, "no function to call");
    let batch =
        stack.request("POST", EVENTS).body("application/cloudevents-batch+json", padded(4097));
    batch.send().await.problem(413, "body-too-large");

    let inside = format!("[{},{}]", padded(2049), event("2"));
    let batch = stack.request("POST", EVENTS).body("application/cloudevents-batch+json", inside);
    let answer = batch.send().await;
    assert_eq!(answer.status, 202);
    let events = answer.json()["events"].clone();
    assert_eq!(
        (&events[0]["status"], &events[1]["status"]),
        (&"rejected".into(), &"published".into())
    );
    assert_eq!(events[0]["error"]["code"], "body-too-large");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_over_its_limit_is_refused_before_it_is_read_whole() {
    let stack = Stack::start().await;
    let head = |length: &str| {
        format!(
            "POST {EVENTS} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\ncontent-type: {STRUCTURED}\r\n{length}\r\n\r\n"
        )
    };
    let announced = exchange(&stack, &head("content-length: 1000000000"), b"").await;
    assert!(announced.starts_with("HTTP/1.1 413"), "{announced}");

    let mut chunked = b"200000\r\n".to_vec();
    chunked.resize(chunked.len() + 0x0020_0000, b' ');
    let unannounced = exchange(&stack, &head("transfer-encoding: chunked"), &chunked).await;
    assert!(unannounced.starts_with("HTTP/1.1 413"), "{unannounced}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_finish_is_not_waited_for() {
    let options = Options { body_timeout_ms: 100, head_timeout_ms: 100, ..Options::default() };
    let stack = Stack::with(options, FakeRegistry::default().into()).await.ready().await;
    let head = format!(
        "POST {EVENTS} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\ncontent-type: {STRUCTURED}\r\ncontent-length: 100\r\n\r\n"
    );
    let slow_body = exchange(&stack, &head, b"{").await;
    assert!(slow_body.starts_with("HTTP/1.1 400"), "{slow_body}");
    assert!(slow_body.contains("body-incomplete"), "{slow_body}");
    let slow_head = exchange(&stack, "POST /v1/buses HTTP/1.1\r\n", b"").await;
    assert!(slow_head.starts_with("HTTP/1.1 408"), "{slow_head}");
}

/// Sends without ending the request, and reads what comes back until there is the start of a whole answer.
async fn exchange(stack: &Stack, head: &str, body: &[u8]) -> String {
    let exchange = async {
        let mut connection = TcpStream::connect(stack.address).await.unwrap();
        connection.write_all(head.as_bytes()).await.unwrap();
        let (mut reader, mut writer) = connection.split();
        // The server may close while this is still writing.
        let send = async { drop(writer.write_all(body).await) };
        let receive = async {
            let mut answer = Vec::new();
            let mut chunk = [0; 4096];
            while let Ok(length @ 1..) = reader.read(&mut chunk).await {
                answer.extend_from_slice(&chunk[..length]);
                let complete = answer.windows(4).any(|end| end == b"\r\n\r\n");
                if complete && (answer.ends_with(b"}") || answer.ends_with(b"\r\n\r\n")) {
                    break;
                }
            }
            String::from_utf8(answer).unwrap()
        };
        tokio::join!(send, receive).1
    };
    tokio::time::timeout(SOON, exchange).await.expect("an answer in time")
}
