//! The short set: the faults that matter most, in both editions. `just faults` runs all.

use anyhow::{Context as _, ensure};
use tripline_e2e::{Edition, say};
use tripline_faults::{Servers, all};

/// Events published a second: little enough for debug builds beside other tests on two cores.
const PER_SECOND: u32 = 150;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_promise_holds_through_the_faults_embedded() -> anyhow::Result<()> {
    deal(Edition::Embedded, &["calm", "kill-draining", "disk-full"], None).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_promise_holds_through_the_faults_split() -> anyhow::Result<()> {
    let mut servers = Servers::start().await?;
    // The black-box tests kill each process already.
    let faults = ["redis-restart", "mariadb-restart", "rabbitmq-alarm", "rabbitmq-restart"];
    deal(Edition::Split, &faults, Some(&mut servers)).await
}

async fn deal(
    edition: Edition,
    names: &[&str],
    mut servers: Option<&mut Servers>,
) -> anyhow::Result<()> {
    for name in names {
        let fault = all(edition).into_iter().find(|fault| fault.name == *name);
        let fault = fault.with_context(|| format!("there is no fault {name}"))?;
        let report = Box::pin(fault.run(servers.as_deref_mut(), PER_SECOND)).await?;
        say(&report.line());
        ensure!(report.broken().is_empty(), "{name}: {}", report.broken().join("; "));
    }
    Ok(())
}
