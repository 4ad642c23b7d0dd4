//! What happens can be followed, and a trigger can say how it stands.

use std::time::Duration;

use anyhow::Context as _;
use serde_json::json;
use tripline_e2e::{Edition, System};
use tripline_testkit::{Answer, Process, Receiver, binary, wait_until};

/// How long everything together may take on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn tail_follows_a_trigger_until_it_is_told_to_end() -> anyhow::Result<()> {
    let receiver = Receiver::start();
    let system = System::start(Edition::Embedded).await?;
    let api = system.api();
    for name in ["followed", "other"] {
        let url = receiver.url(&format!("/{name}"));
        let function = json!({"target": {"kind": "http", "url": url}});
        api.put(&format!("/v1/functions/{name}"), &function).await?;
        let trigger = json!({"function": name, "pattern": {"type": [name]},
            "delivery": {"backoff": {"base_ms": 1, "max_ms": 10}}});
        api.put_trigger(name, &trigger, DEADLINE).await?;
    }
    let environment = [("TRIPLINE_URL", system.url()), ("TRIPLINE_API_KEY", system.api_key())];
    let arguments = ["tail", "--trigger", "followed"];
    let mut tail = Process::start(binary("tripline")?, arguments, &environment).await?;
    wait_until(DEADLINE, async || tail.stdout().starts_with("CREATED"))
        .await
        .with_context(|| tail.output())?;

    receiver.script("/followed", [Answer::status(503)]);
    for kind in ["other", "followed"] {
        let event = json!({"specversion": "1.0", "id": kind, "source": "/test", "type": kind});
        api.publish_until_accepted(&event, DEADLINE).await?;
    }
    wait_until(DEADLINE, async || tail.stdout().contains("succeeded"))
        .await
        .with_context(|| format!("{}\n{}", tail.output(), system.output()))?;
    assert!(tail.ended()?.is_none(), "it goes on: {}", tail.output());
    let status = tail.terminate(DEADLINE).await?;
    assert!(status.success(), "{}", tail.output());
    assert_eq!(tail.stderr(), "");
    assert!(!tail.stdout().contains("other"), "{}", tail.output());

    let explained = "/v1/triggers/followed/explain";
    wait_until(DEADLINE, async || {
        let Ok((_, told)) = api.get(explained).await else { return false };
        let partitions = told["partitions"].as_array().map_or(0, Vec::len);
        told["obstacles"] == json!([]) && partitions == 4
    })
    .await
    .with_context(|| system.output())?;
    let (_, told) = api.get(explained).await?;
    assert_eq!(told["last_match"]["event"]["id"], "followed", "{told}");
    assert_eq!(told["target"]["state"], "answering", "{told}");
    assert_eq!(told["target"]["last_failure"], "the function answered 503", "{told}");
    assert_eq!((&told["last_refusals"], &told["unavailable"]), (&json!([]), &json!([])), "{told}");
    Ok(())
}
