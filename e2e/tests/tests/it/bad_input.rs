//! Whatever a caller gets wrong is answered with the place and the remedy, never with a 5xx, a hang or a loss.

use std::time::Duration;

use anyhow::Context as _;
use http::Method;
use serde_json::{Value, json};
use tripline_e2e::{Api, Edition, System, say};
use tripline_testkit::{Receiver, wait_for};

const DEADLINE: Duration = Duration::from_secs(30);
const JSON: &str = "application/json";
const EVENT: &str = "application/cloudevents+json";

/// What is sent, and what must come back: a status, a code, and the pointers of all faults.
struct Case {
    method: Method,
    path: &'static str,
    body: (&'static str, String),
    status: u16,
    code: &'static str,
    pointers: &'static [&'static str],
}

fn case(
    (method, path): (Method, &'static str),
    body: (&'static str, String),
    (status, code): (u16, &'static str),
    pointers: &'static [&'static str],
) -> Case {
    Case { method, path, body, status, code, pointers }
}

fn doc(value: &Value) -> (&'static str, String) {
    (JSON, value.to_string())
}

fn documents() -> Vec<Case> {
    let put = |path| (Method::PUT, path);
    vec![
        case(put("/v1/functions/f"), (JSON, "{\"target\": ".into()), (400, "malformed-json"), &[]),
        case(
            put("/v1/functions/f"),
            ("text/plain", "{}".into()),
            (415, "unsupported-media-type"),
            &[],
        ),
        case(
            put("/v1/functions/f"),
            (JSON, format!("{{\"target\": \"{}\"}}", "x".repeat(300_000))),
            (413, "body-too-large"),
            &[],
        ),
        case(
            put("/v1/functions/f"),
            doc(&json!({"tarket": {}, "timeout_ms": "soon"})),
            (422, "invalid-document"),
            &["/tarket", "/timeout_ms", "/target"],
        ),
        case(
            put("/v1/functions/f"),
            doc(&json!({"target": {"kind": "http", "url": "ftp://x"}})),
            (422, "invalid-function"),
            &["/target/url"],
        ),
        case(
            put("/v1/functions/Not_A_Name"),
            doc(&json!({"target": {"kind": "http", "url": "http://127.0.0.1:1"}})),
            (422, "invalid-name"),
            &[],
        ),
        case(
            put("/v1/triggers/t"),
            doc(&json!({"function": "nowhere", "source": "nothing", "pattern": {"type": "x"}})),
            (422, "invalid-trigger"),
            &["/function", "/source", "/pattern/type"],
        ),
        case(
            put("/v1/sources/s"),
            doc(&json!({"kind": "minio", "settings": {"endpoint": 5, "bukket": "x"}})),
            (422, "invalid-source"),
            &[
                "/settings/endpoint",
                "/settings/bukket",
                "/settings/bucket",
                "/settings/access_key",
                "/settings/secret_key",
            ],
        ),
    ]
}

fn requests() -> Vec<Case> {
    let publish = (Method::POST, "/v1/buses/default/events");
    vec![
        case(
            (Method::GET, "/v1/functions/none"),
            doc(&Value::Null),
            (404, "function-not-found"),
            &[],
        ),
        case((Method::GET, "/v1/nonsense"), doc(&Value::Null), (404, "route-not-found"), &[]),
        case(
            (Method::GET, "/v1/invocations?limit=0&state=odd"),
            doc(&Value::Null),
            (422, "invalid-query"),
            &[],
        ),
        case(
            publish.clone(),
            (EVENT, "{\"specversion\": \"1.0\"".into()),
            (400, "malformed-json"),
            &[],
        ),
        case(
            publish.clone(),
            (EVENT, "{\"specversion\": \"1.0\"}".into()),
            (422, "invalid-event"),
            &["/id", "/source", "/type"],
        ),
        case(
            publish.clone(),
            ("application/cloudevents+avro", "x".into()),
            (415, "unsupported-media-type"),
            &[],
        ),
        case(publish, (EVENT, "x".repeat(2 << 20)), (413, "body-too-large"), &[]),
        case(
            (Method::POST, "/v1/buses/other/events"),
            (EVENT, "{}".into()),
            (404, "bus-not-found"),
            &[],
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_wrong_is_named() -> anyhow::Result<()> {
    let system = System::start(Edition::Embedded).await?;
    let api = system.api();
    for case in documents().into_iter().chain(requests()) {
        let name = format!(
            "{} {} {}",
            case.method,
            case.path,
            case.body.1.chars().take(80).collect::<String>()
        );
        let (status, problem) =
            api.send(case.method, case.path, case.body).await.context(name.clone())?;
        assert_eq!(
            (status.as_u16(), problem["code"].as_str()),
            (case.status, Some(case.code)),
            "{name}: {problem}"
        );
        let found: Vec<_> = problem["errors"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|fault| fault["pointer"].as_str())
            .collect();
        for pointer in case.pointers {
            assert!(found.contains(pointer), "{name}: no fault at {pointer}: {problem}");
        }
    }
    let (status, _) = Api::new(system.url(), "wrong-key-wrong-key").get("/v1/functions").await?;
    assert_eq!(status, 401);
    Ok(())
}

/// A source that cannot run says why, and the rest goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_cannot_run_says_why() -> anyhow::Result<()> {
    let bucket = tripline_testkit::minio().await.bucket().await?;
    let system = System::start(Edition::Embedded).await?;
    let api = system.api();
    let settings = |endpoint: &str, name: &str, secret: &str| json!({"kind": "minio", "settings": {"endpoint": endpoint, "bucket": name, "access_key": bucket.access_key(), "secret_key": secret}});
    let closed = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let sources = [
        (
            "dead",
            settings(&format!("http://{closed}"), bucket.name(), bucket.secret_key()),
            "refused",
        ),
        ("stranger", settings(bucket.endpoint(), bucket.name(), "not-the-secret"), "signature"),
        ("missing", settings(bucket.endpoint(), "no-such-bucket", bucket.secret_key()), "bucket"),
    ];
    for (name, body, word) in &sources {
        api.put(&format!("/v1/sources/{name}"), body).await?;
        let reason = wait_for(DEADLINE, async || {
            let (_, status) = api.get(&format!("/v1/sources/{name}/status")).await.ok()?;
            (status["state"] == "failing")
                .then(|| status["reason"].as_str().unwrap_or_default().to_lowercase())
        })
        .await
        .context(*name)?;
        say(&format!("{name}: {reason}"));
        assert!(reason.contains(word), "{name}: {reason}");
    }
    let receiver = Receiver::start();
    let function = json!({"target": {"kind": "http", "url": receiver.url("/")}});
    api.put("/v1/functions/works", &function).await?;
    api.put_trigger("works", &json!({"function": "works"}), DEADLINE).await?;
    let event = json!({"specversion": "1.0", "id": "1", "source": "/s", "type": "t"});
    assert_eq!(api.publish(&event).await?.0, 202);
    receiver.wait_for(1, DEADLINE).await?;
    Ok(())
}
