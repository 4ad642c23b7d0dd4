//! The first command of the README.

use std::time::Duration;

use anyhow::Context as _;
use tripline_testkit::{Process, binary, wait_until};

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_shows_the_call_that_a_dropped_file_causes() -> anyhow::Result<()> {
    let data = tempfile::tempdir()?;
    let arguments = [
        "dev",
        "--demo",
        "--data",
        data.path().to_str().context("UTF-8")?,
        "--http",
        "127.0.0.1:0",
        "--admin",
        "127.0.0.1:0",
    ];
    let mut demo = Process::start(binary("tripline")?, arguments, &[]).await?;
    let calls = |process: &Process| process.stdout().matches("signature valid").count();
    wait_until(Duration::from_secs(30), async || calls(&demo) == 1)
        .await
        .with_context(|| demo.output())?;
    std::fs::write(data.path().join("demo/inbox/mine.txt"), "hello")?;
    wait_until(Duration::from_secs(30), async || calls(&demo) == 2)
        .await
        .with_context(|| demo.output())?;
    assert!(demo.stdout().contains("mine.txt"), "{}", demo.output());
    let status = demo.terminate(Duration::from_secs(20)).await?;
    assert!(status.success(), "{}", demo.output());
    Ok(())
}
