//! The embedded edition comes back from a backup, made and restored with the commands of the documentation.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use tripline_e2e::Api;
use tripline_testkit::{Answer, Process, Receiver, binary, wait_for};

use crate::docs::block;

const DEADLINE: Duration = Duration::from_secs(30);
const API_KEY: &str = "tripline-backup-key";
const MANUAL: &str = "docs/operations.md";

#[tokio::test(flavor = "multi_thread")]
async fn what_was_backed_up_goes_on_where_it_was() -> anyhow::Result<()> {
    let (receiver, dir) = (Receiver::start(), tempfile::tempdir()?);
    let mut tripline = Tripline::start(dir.path()).await?;
    let function = json!({"target": {"kind": "http", "url": receiver.url("/f")}});
    let made = tripline.api.put("/v1/functions/f", &function).await?;
    let secret = made["signing_secret"].as_str().context("a signing secret")?;
    receiver.verify_with("/f", &[secret.parse()?]);
    // What the function asks for is longer, and so decides.
    let delivery = json!({"backoff": {"base_ms": 100, "max_ms": 100}});
    let trigger = json!({"function": "f", "delivery": delivery});
    tripline.api.put_trigger("t", &trigger, DEADLINE).await?;

    publish(&tripline.api, "done").await?;
    receiver.wait_for(1, DEADLINE).await?;
    // Held back, and waiting when the backup is made.
    receiver.script("/f", [Answer::status(503).retry_after(5)]);
    publish(&tripline.api, "waiting").await?;
    receiver.wait_for(2, DEADLINE).await?;
    tripline.stop().await?;
    typed(dir.path(), "tar -C \"$DATA\" -czf").await?;

    tripline.begin().await?;
    let after = receiver.wait_for(3, DEADLINE).await?;
    publish(&tripline.api, "too late").await?;
    receiver.wait_for(4, DEADLINE).await?;
    tripline.stop().await?;
    std::fs::remove_dir_all(dir.path().join("data"))?;
    typed(dir.path(), "mkdir -m 700 \"$DATA\"").await?;

    tripline.begin().await?;
    let again = receiver.wait_for(5, DEADLINE).await?;
    let of = |call: &tripline_testkit::Request| -> anyhow::Result<(Value, Option<String>)> {
        Ok((call.json()?["id"].clone(), call.header("webhook-id").map(str::to_owned)))
    };
    assert_eq!(of(&after[2])?.0, "waiting");
    assert_eq!(of(&again[4])?, of(&after[2])?, "it runs again, under the same id");
    publish(&tripline.api, "after").await?;
    let calls = receiver.wait_for(6, DEADLINE).await?;
    assert_eq!(of(&calls[5])?.0, "after", "what was done is not done again");
    assert_eq!(receiver.invalid(), 0, "the restored signing secret opens with the restored key");
    let succeeded = async || {
        let items = tripline.api.list("/v1/invocations?state=succeeded").await.ok()?;
        (items.len() == 3).then_some(items)
    };
    let items = wait_for(DEADLINE, succeeded).await.context("three invocations have succeeded")?;
    let known = |id: &str| items.iter().any(|item| item["event"]["id"] == id);
    assert!(known("done") && known("waiting") && known("after") && !known("too late"));
    tripline.stop().await
}

async fn publish(api: &Api, id: &str) -> anyhow::Result<()> {
    let event = json!({"specversion": "1.0", "id": id, "source": "/backup", "type": "t"});
    let (status, answer) = api.publish(&event).await?;
    ensure!(status == 202, "{status} {answer}");
    Ok(())
}

/// Types in the block of the documentation that begins so.
async fn typed(dir: &Path, begin: &str) -> anyhow::Result<()> {
    let (block, dir) = (block(MANUAL, begin)?, dir.display());
    let script = format!("cd '{dir}'\nDATA='{dir}/data'\n{}", block.text);
    let mut shell = Process::start("/bin/sh", ["-euc".to_owned(), script], &[]).await?;
    let status = shell.wait(DEADLINE).await?;
    ensure!(status.success(), "{MANUAL}:{} ended with {status}: {}", block.line, shell.output());
    Ok(())
}

/// `tripline dev` on a data directory that outlives it.
struct Tripline {
    process: Process,
    api: Api,
    admin: String,
}

impl Tripline {
    async fn start(dir: &Path) -> anyhow::Result<Self> {
        let free = || anyhow::Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?);
        let (http, admin) = (free()?.to_string(), free()?.to_string());
        let data = dir.join("data").display().to_string();
        let arguments =
            ["dev", "--data", &data, "--http", &http, "--admin", &admin, "--log", "json"];
        let environment = [("TRIPLINE_ADMIN_KEY", API_KEY)];
        let process = Process::start(binary("tripline")?, arguments, &environment).await?;
        let api = Api::new(&format!("http://{http}"), API_KEY);
        let mut started = Self { process, api, admin: format!("http://{admin}") };
        started.process.ready(&started.admin, DEADLINE).await?;
        Ok(started)
    }

    async fn stop(&mut self) -> anyhow::Result<()> {
        let status = self.process.terminate(DEADLINE).await?;
        ensure!(status.success(), "{status}: {}", self.process.output());
        Ok(())
    }

    async fn begin(&mut self) -> anyhow::Result<()> {
        self.process.restart().await?;
        self.process.ready(&self.admin, DEADLINE).await
    }
}
