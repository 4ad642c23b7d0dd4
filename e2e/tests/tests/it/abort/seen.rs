//! What a caller of the public API sees of a trigger and its events.

use anyhow::{Context as _, ensure};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tripline_e2e::Api;
use tripline_testkit::{Receiver, wait_for, wait_until};

use super::{BEHIND, DEADLINE};

pub(super) async fn send(
    api: &Api,
    method: Method,
    path: &str,
    body: &Value,
) -> anyhow::Result<(StatusCode, Value)> {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    api.send(method, path, ("application/json", body)).await
}

pub(super) async fn is_active(api: &Api, name: &str) -> anyhow::Result<()> {
    let path = format!("/v1/triggers/{name}");
    wait_until(DEADLINE, async || {
        api.get(&path).await.is_ok_and(|(_, trigger)| trigger["state"] == "active")
    })
    .await
    .context("the trigger is not active")
}

/// Deletes the function, and sees that so many triggers, relations and rules go with it.
pub(super) async fn takes_with_it(
    api: &Api,
    name: &str,
    expected: [usize; 3],
) -> anyhow::Result<()> {
    let path = format!("/v1/functions/{name}");
    let (status, answer) = send(api, Method::DELETE, &path, &Value::Null).await?;
    ensure!(status == StatusCode::OK, "DELETE {path}: {status} {answer}");
    let gone = answer["deleted"].as_array().cloned().unwrap_or_default();
    let counts = ["trigger", "relation", "rule"]
        .map(|kind| gone.iter().filter(|item| item["kind"] == kind).count());
    ensure!(counts == expected, "triggers, relations, rules: not {expected:?} but {gone:?}");
    Ok(())
}

/// The trigger goes only after auth has revoked its relation, in the transaction that forgets the relation.
pub(super) async fn is_gone(api: &Api, name: &str) -> anyhow::Result<()> {
    let path = format!("/v1/triggers/{name}");
    wait_until(DEADLINE, async || {
        api.get(&path).await.is_ok_and(|(status, _)| status == StatusCode::NOT_FOUND)
    })
    .await
    .context("the trigger is still there")
}

/// Publishes an event of this type. All of one walk share a partition, so they are routed in this order.
pub(super) async fn publish(api: &Api, name: &str, when: &str, kind: &str) -> anyhow::Result<()> {
    let event = json!({"specversion": "1.0", "id": format!("{name}-{when}"), "source": "/abort",
        "type": kind, "partitionkey": name});
    api.publish_until_accepted(&event, DEADLINE).await
}

/// Waits until the event's one invocation is in this state. Answers with its reason.
pub(super) async fn is_in_state(
    api: &Api,
    name: &str,
    when: &str,
    state: &str,
) -> anyhow::Result<String> {
    let path = format!("/v1/invocations?event_id={name}-{when}");
    let mut seen = Vec::new();
    let found = wait_for(DEADLINE, async || {
        seen = api.list(&path).await.ok()?;
        let [only] = &seen[..] else { return None };
        let tried = only["attempts"].as_array().is_some_and(|attempts| !attempts.is_empty());
        (only["state"] == state && tried).then(|| only["reason"].as_str().unwrap_or("").to_owned())
    })
    .await;
    found.with_context(|| format!("'{when}' is not {state}: {seen:?}"))
}

pub(super) async fn runs_once(
    api: &Api,
    receiver: &Receiver,
    name: &str,
    when: &str,
) -> anyhow::Result<()> {
    publish(api, name, when, name).await?;
    let settled = format!("/v1/invocations?trigger={name}&state=succeeded");
    wait_until(DEADLINE, async || api.list(&settled).await.is_ok_and(|items| !items.is_empty()))
        .await
        .context("the event ran nothing")?;
    let all = api.list(&format!("/v1/invocations?trigger={name}")).await?;
    let runs = receiver.count_to(&format!("/{name}"));
    ensure!((all.len(), runs) == (1, 1), "{runs} runs, {all:?}");
    Ok(())
}

/// Publishes once more, and sees that this runs nothing while what comes after it runs, and that nothing waits.
pub(super) async fn runs_nothing(api: &Api, receiver: &Receiver, name: &str) -> anyhow::Result<()> {
    let path = format!("/{name}");
    let before = receiver.count_to(&path);
    publish(api, name, "gone", name).await?;
    publish(api, name, "behind", BEHIND).await?;
    is_in_state(api, name, "behind", "succeeded").await?;
    wait_until(DEADLINE, async || {
        let pending = api.list("/v1/invocations?state=pending").await;
        let running = api.list("/v1/invocations?state=running").await;
        [pending, running].into_iter().all(|items| items.is_ok_and(|items| items.is_empty()))
    })
    .await
    .context("something is left pending")?;
    let matched = api.list(&format!("/v1/invocations?event_id={name}-gone")).await?;
    ensure!(matched.is_empty(), "a trigger that is gone still matched: {matched:?}");
    ensure!(receiver.count_to(&path) == before, "the function ran after it was unbound");
    Ok(())
}
