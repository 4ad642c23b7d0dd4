//! Whatever secret is given to the system, in good requests and in bad ones: no log, metric, answer, file or table
//! shows it.

mod gather;
mod needles;
mod world;

use std::time::Duration;

use anyhow::{Context as _, ensure};
use gather::{gather, post};
use http::Method;
use needles::{Finder, Place, Secret};
use serde_json::{Value, json};
use tripline_e2e::{Answer, Api, Edition, say};
use tripline_signing::SigningSecret;
use tripline_testkit::{Receiver, wait_until};
use world::{
    HEADER, MARKER, MINIO_ACCESS, MINIO_SECRET, QUERY, WRONG_API_KEY, WRONG_MINIO_SECRET, World,
};

/// How long anything may take in processes that log everything.
const DEADLINE: Duration = Duration::from_secs(60);
const JSON: &str = "application/json";
const MERGE_PATCH: &str = "application/merge-patch+json";
/// The MinIO trigger.
const PAIR: &str = MARKER;
/// What functions are called, which is their path at the receiver too.
const FUNCTIONS: [&str; 4] = ["ok", "fails", "gone", "unreachable"];

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_comes_out_embedded() -> anyhow::Result<()> {
    no_secret_comes_out(Edition::Embedded).await
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_comes_out_split() -> anyhow::Result<()> {
    no_secret_comes_out(Edition::Split).await
}

async fn no_secret_comes_out(edition: Edition) -> anyhow::Result<()> {
    let receiver = Receiver::start();
    receiver.always("/fails", tripline_testkit::Answer::status(500));
    receiver.always("/gone", tripline_testkit::Answer::status(410));
    let world = World::start(edition).await?;
    let api = world.api();
    let mut secrets = world::planted();
    for name in FUNCTIONS {
        secrets.push(signing(name, &put_function(&api, &receiver, name).await?)?);
    }
    sources(&world).await?;
    events(&api, &receiver).await?;
    let rotated = post(&api, "/v1/functions/ok/rotate-secret", &json!({})).await;
    let (_, rotated) = rotated.context("a secret is rotated")?;
    secrets.push(signing("ok, rotated", &rotated)?);
    writes_without_secrets_keep_them(&world, &receiver).await?;
    let mut places = refused(&world.url, &api).await?;
    for (what, word, said) in world::started_wrongly(&world).await? {
        ensure!(said.contains(word), "{what}: {said}");
        places.push(Place::new(what, said));
    }
    places.extend(gather(&world).await?);
    is_searched(edition, &places);
    let finder = Finder::new(&secrets);
    let leaks: Vec<_> = places.iter().flat_map(|place| finder.leaks(place)).collect();
    let bytes: usize = places.iter().map(|place| place.content.len()).sum();
    say(&format!("{} secrets, {} places, {bytes} bytes", secrets.len(), places.len()));
    let shown: Vec<_> = leaks.iter().take(40).map(String::as_str).collect();
    assert!(leaks.is_empty(), "{} leaks:\n{}", leaks.len(), shown.join("\n"));
    Ok(())
}

/// The signing secret that an answer shows this once.
fn signing(name: &str, answer: &Value) -> anyhow::Result<Secret> {
    let text = answer["signing_secret"].as_str().context("a signing secret")?;
    text.parse::<SigningSecret>()?;
    let key = text.trim_start_matches("whsec_");
    let bytes = data_encoding::BASE64.decode(key.as_bytes())?;
    Ok(Secret::new(format!("the signing secret of {name}"), bytes))
}

async fn put_function(api: &Api, receiver: &Receiver, name: &str) -> anyhow::Result<Value> {
    let url = match name {
        "unreachable" => format!("http://127.0.0.1:1/?token={QUERY}"),
        _ => receiver.url(&format!("/{name}?token={QUERY}")),
    };
    let headers = json!({"authorization": format!("Bearer {HEADER}"), "x-key": HEADER});
    let function = json!({"target": {"kind": "http", "url": url, "headers": headers}});
    let answer = api.put(&format!("/v1/functions/{name}"), &function).await?;
    let hidden = json!({"authorization": {"secret": "set"}, "x-key": {"secret": "set"}});
    assert_eq!(answer["target"]["headers"], hidden, "header values are never read back");
    let delivery = json!({"max_attempts": 2, "backoff": {"base_ms": 1, "max_ms": 1}});
    let pattern = json!({"type": [format!("kanarie.{name}")]});
    let trigger = json!({"function": name, "pattern": pattern, "delivery": delivery});
    api.put_trigger(name, &trigger, DEADLINE).await?;
    Ok(answer)
}

/// A bucket that is watched, and two sources that fail.
async fn sources(world: &World) -> anyhow::Result<()> {
    let api = world.api();
    let settings = |endpoint: &str, secret: &str| {
        json!({"endpoint": endpoint, "bucket": world.bucket.name(), "access_key": MINIO_ACCESS,
               "secret_key": secret, "events": ["s3:ObjectCreated:*"]})
    };
    let mut pair = settings(world.bucket.endpoint(), MINIO_SECRET);
    for (field, value) in [("action", "create"), ("name", PAIR), ("function", "ok")] {
        pair[field] = value.into();
    }
    let (status, answer) = post(&api, "/v1/minio-triggers", &pair).await?;
    ensure!(status == 201, "{status} {answer}");
    let failing = [
        ("stranger", settings(world.bucket.endpoint(), WRONG_MINIO_SECRET)),
        ("nowhere", settings("http://127.0.0.1:1", MINIO_SECRET)),
    ];
    for (name, settings) in failing {
        let source = json!({"kind": "minio", "settings": settings});
        api.put(&format!("/v1/sources/{name}"), &source).await?;
        is_in_state(&api, name, "failing").await?;
    }
    is_in_state(&api, PAIR, "running").await
}

async fn is_in_state(api: &Api, source: &str, state: &str) -> anyhow::Result<()> {
    let path = format!("/v1/sources/{source}/status");
    let is = async || api.get(&path).await.is_ok_and(|(_, status)| status["state"] == state);
    wait_until(DEADLINE, is).await.with_context(|| format!("{source} is not {state}"))
}

/// Events that are delivered, copied, retried and given up, and one that pauses its trigger.
async fn events(api: &Api, receiver: &Receiver) -> anyhow::Result<()> {
    for name in FUNCTIONS {
        for copy in 0..2 {
            let event = json!({"specversion": "1.0", "id": format!("{name}-1"), "source": "/kanarie",
                "type": format!("kanarie.{name}"), "data": {"marker": MARKER}});
            let (status, answer) = api.publish(&event).await?;
            ensure!(status == 202, "{name} {copy}: {status} {answer}");
        }
    }
    let call = receiver.wait_for_path("/ok", 1, DEADLINE).await?;
    assert_eq!(call[0].header("x-key"), Some(HEADER), "the function is sent what it needs");
    let (status, _) = post(api, "/v1/functions/ok/invocations", &json!({"marker": MARKER})).await?;
    ensure!(status == 200, "a direct call: {status}");
    let dead = async || api.list("/v1/dead-letters").await.is_ok_and(|dead| dead.len() == 2);
    wait_until(DEADLINE, dead).await.context("two events are given up")?;
    let paused = async || {
        api.get("/v1/triggers/gone").await.is_ok_and(|(_, trigger)| trigger["state"] == "paused")
    };
    wait_until(DEADLINE, paused).await.context("a function that is gone pauses its trigger")
}

/// Changes that say nothing of the secrets leave them in force.
async fn writes_without_secrets_keep_them(
    world: &World,
    receiver: &Receiver,
) -> anyhow::Result<()> {
    let api = world.api();
    for (path, patch) in [
        ("/v1/functions/ok".to_owned(), json!({"timeout_ms": 9000})),
        (format!("/v1/sources/{PAIR}"), json!({"settings": {"prefix": "in/"}})),
    ] {
        let answer = api.send(Method::PATCH, &path, (MERGE_PATCH, patch.to_string())).await?;
        ensure!(answer.0 == 200, "{path}: {answer:?}");
    }
    let (_, read) = api.get("/v1/functions/ok").await?;
    let answer = api.put("/v1/functions/ok", &read).await?;
    assert_eq!(answer["revision"], read["revision"], "what was read can be put back");
    is_in_state(&api, PAIR, "running").await?;
    let before = receiver.count_to("/ok");
    world.bucket.put("in/kanarie", MARKER).await?;
    let calls = receiver.wait_for_path("/ok", before + 1, DEADLINE).await?;
    let call = calls.last().context("a call")?;
    assert_eq!(call.header("x-key"), Some(HEADER), "the header is still sent");
    let signatures = call.header("webhook-signature").unwrap_or_default();
    assert_eq!(signatures.split(' ').count(), 2, "signed with both secrets: {signatures}");
    Ok(())
}

/// Requests that are refused although, or because, they hold secrets: what they were answered.
async fn refused(url: &str, api: &Api) -> anyhow::Result<Vec<Place>> {
    let minio = |field: &str, value: Value| {
        let mut settings = json!({"endpoint": "http://127.0.0.1:1", "bucket": MARKER,
            "access_key": MINIO_ACCESS, "secret_key": MINIO_SECRET});
        settings[field] = value;
        json!({"kind": "minio", "settings": settings}).to_string()
    };
    let http = |url: &str, headers: Value| {
        json!({"target": {"kind": "http", "url": url, "headers": headers}}).to_string()
    };
    let (function, source) = ("/v1/functions/refused", "/v1/sources/refused");
    let cases = [
        (source, minio("secret_key", json!([MINIO_SECRET]))),
        (source, minio("secret_kee", json!(MINIO_SECRET))),
        (source, minio("bucket", json!("UPPER CASE"))),
        (source, minio("endpoint", json!(format!("http://x:{MINIO_SECRET}@127.0.0.1:1")))),
        (source, minio("secret_key", json!({"secret": "set"}))),
        (source, format!("{{\"settings\": {{\"secret_key\": \"{MINIO_SECRET}")),
        (function, http("http://127.0.0.1:1", json!({"x-key": [HEADER]}))),
        (function, http("http://127.0.0.1:1", json!({"x-key": format!("{HEADER}\n")}))),
        (function, http("http://127.0.0.1:1", json!({"webhook-id": HEADER}))),
        (function, http(&format!("http://x:{HEADER}@127.0.0.1:1"), json!({}))),
        (function, http(&format!("ftp://127.0.0.1/?token={QUERY}"), json!({"x-key": HEADER}))),
        (function, json!({"signing_secret": HEADER, "target": {"kind": "http"}}).to_string()),
    ];
    let mut places = Vec::new();
    for (path, body) in cases {
        let answer: Answer = api.send(Method::PUT, path, (JSON, body.clone())).await?;
        ensure!(answer.0.is_client_error(), "{path} {body}: {answer:?}");
        places.push(Place::new(format!("refusal of {path}"), answer.1.to_string()));
    }
    for name in ["stranger", "nowhere"] {
        let (status, answer) = post(api, &format!("/v1/sources/{name}/test"), &json!({})).await?;
        ensure!(status == 200 && answer["works"] == false, "{name}: {status} {answer}");
        places.push(Place::new(format!("test of {name}"), answer.to_string()));
    }
    let (status, answer) = Api::new(url, WRONG_API_KEY).get("/v1/functions").await?;
    ensure!(status == 401, "{status}");
    places.push(Place::new("refusal of a key", answer.to_string()));
    let (status, answer) = api.get(&format!("/v1/functions/{MARKER}-absent")).await?;
    ensure!(status == 404, "{status}");
    places.push(Place::new("refusal of a name", answer.to_string()));
    Ok(places)
}

/// The search would find what is there: in each of these places something must be found.
fn is_searched(edition: Edition, places: &[Place]) {
    let common = [
        ("refusal of a name", MARKER),
        ("refusal of /v1/functions", "headers/x-key"),
        ("refusal of /v1/sources", "settings/secret_key"),
        ("GET /v1/sources", MARKER),
        ("GET /v1/triggers", MARKER),
        ("GET /v1/functions", QUERY),
        ("GET /v1/minio-triggers, list", MARKER),
        ("GET /v1/invocations", "kanarie"),
        ("GET /v1/dead-letters", MARKER),
        ("GET /v1/buses", "default"),
    ];
    let embedded = [
        ("log of tripline", MARKER),
        ("log of tripline", "\"ready\""),
        ("/metrics of tripline", "tripline_events_accepted_total"),
        ("file registry.db", MARKER),
        ("file invoker.db", MARKER),
        ("file monitor.db", "kanarie"),
        ("file auth.db", "default"),
        // Events in the log are kept as they were given.
        ("file 0", MARKER),
    ];
    let split = [
        ("log of trigger-registry", MARKER),
        ("log of auth", "\"ready\""),
        ("log of event-monitor", "\"ready\""),
        ("log of invoker", "\"ready\""),
        ("log of api-gateway", "answered"),
        ("/metrics of invoker", "tripline_invocations_dead_total"),
        ("print-config of auth", MARKER),
        ("print-config of api-gateway", "cache.redis.url = \"***\""),
        ("print-config of invoker", "bus.rabbitmq.uri = \"***\""),
        ("database of trigger-registry, functions", QUERY),
        ("database of trigger-registry, sources", MARKER),
        ("database of invoker", MARKER),
        ("database of event-monitor", "kanarie"),
        ("database of auth", "default"),
        ("keys of Redis", "tripline:"),
        ("RabbitMQ's file", MARKER),
    ];
    let of_edition = match edition {
        Edition::Embedded => embedded.as_slice(),
        Edition::Split => split.as_slice(),
    };
    let missing: Vec<_> = common
        .iter()
        .chain(of_edition)
        .filter(|(name, text)| {
            !places.iter().any(|place| place.name.starts_with(name) && place.holds(text))
        })
        .collect();
    assert!(missing.is_empty(), "nothing is found where it must be: {missing:?}");
}
