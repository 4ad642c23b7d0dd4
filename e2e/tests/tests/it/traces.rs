//! One event is one trace, through every process, log, lane and retry.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::json;
use tripline_e2e::{Edition, System};
use tripline_testkit::{Answer, Collector, Receiver, Span, wait_until};

/// How long everything together may take on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
/// The producer's own span, which the producer sends itself.
const PRODUCER: &str = "b7ad6b7169203331";
/// Part of the function's address.
const SECRET: &str = "hush-nobody-must-see-this";

#[tokio::test(flavor = "multi_thread")]
async fn one_event_is_one_trace_through_five_processes_and_a_retry() -> anyhow::Result<()> {
    let services =
        ["api-gateway", "auth", "event-monitor", "invoker", "trigger-registry"].map(str::to_owned);
    one_trace(Edition::Split, BTreeSet::from(services)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn one_event_is_one_trace_in_one_process() -> anyhow::Result<()> {
    one_trace(Edition::Embedded, BTreeSet::from(["tripline".to_owned()])).await
}

/// Sets up and publishes as a producer would that traces all it does: every request is of one trace.
async fn one_trace(edition: Edition, services: BTreeSet<String>) -> anyhow::Result<()> {
    let (collector, receiver) = (Collector::start(), Receiver::start());
    let system = System::traced(edition, &collector.endpoint()).await?;
    let untraced = system.api();
    let api = untraced.clone().traced(&format!("00-{TRACE}-{PRODUCER}-01"));
    let url = format!("{}?token={SECRET}", receiver.url("/traced"));
    let function = json!({"target": {"kind": "http", "url": url}});
    api.put("/v1/functions/traced", &function).await?;
    let trigger = json!({"function": "traced", "pattern": {"type": ["traced"]},
        "delivery": {"backoff": {"base_ms": 1, "max_ms": 10}}});
    api.put_trigger("traced", &trigger, DEADLINE).await?;
    receiver.script("/traced", [Answer::status(503)]);
    let event = |id: &str, kind: &str| json!({"specversion": "1.0", "id": id, "source": "/test", "type": kind});
    api.publish_until_accepted(&event("1", "traced"), DEADLINE).await?;
    // Nobody asked for a trace of this one.
    untraced.publish_until_accepted(&event("2", "other"), DEADLINE).await?;
    let calls = receiver.wait_for(2, DEADLINE).await.with_context(|| system.output())?;

    let complete = async || {
        let spans = collector.spans();
        let services_seen: BTreeSet<_> = spans.iter().map(|span| span.service.clone()).collect();
        services_seen == services
            && named(&spans, "send").len() == 2
            && !named(&spans, "process").is_empty()
            && without_parent(&spans).is_empty()
    };
    wait_until(DEADLINE, complete)
        .await
        .with_context(|| format!("{:#?}\n{}", collector.spans(), system.output()))?;
    let spans = collector.spans();
    assert!(spans.iter().all(|span| span.trace_id == TRACE), "{spans:#?}");
    let all = format!("{spans:#?}");
    for secret in [SECRET, system.api_key()] {
        assert!(!all.contains(secret), "{all}");
    }

    let (publish, process) = (named(&spans, "publish"), named(&spans, "process"));
    let attempts = named(&spans, "send");
    assert!(publish.iter().any(|publish| publish.span_id == process[0].parent_id));
    for attempt in &attempts {
        assert_eq!(attempt.parent_id, process[0].span_id, "{attempt:?}");
    }
    assert_eq!(attempts.iter().filter(|attempt| attempt.failed).count(), 1, "{attempts:#?}");
    let told: BTreeSet<_> = calls.iter().filter_map(|call| call.header("traceparent")).collect();
    let wanted: Vec<_> =
        attempts.iter().map(|attempt| format!("00-{TRACE}-{}-01", attempt.span_id)).collect();
    assert_eq!(told, wanted.iter().map(String::as_str).collect(), "each call is of its attempt");
    Ok(())
}

fn named<'a>(spans: &'a [Span], name: &str) -> Vec<&'a Span> {
    spans.iter().filter(|span| span.name == name).collect()
}

/// Spans whose parent neither came nor is the producer's.
fn without_parent(spans: &[Span]) -> Vec<&Span> {
    let known: BTreeSet<_> = spans.iter().map(|span| span.span_id.as_str()).collect();
    let orphan = |span: &&Span| span.parent_id != PRODUCER && !known.contains(&*span.parent_id);
    spans.iter().filter(orphan).collect()
}
