//! Faults of our own processes.

use std::time::Duration;

use tripline_e2e::System;
use tripline_testkit::wait_until;

use crate::{Ledger, World};

/// How long a process that is told to stop may take to say so.
const DRAINING_MAX: Duration = Duration::from_secs(10);

/// `kill -9` of all processes of a group, and their start; one group after the other.
pub(super) async fn kill_each(world: &mut World, groups: &[&[&str]]) -> anyhow::Result<()> {
    for group in groups {
        let what = format!("kill -9 of {}", group.join(" and "));
        let kill = async |system: &mut System, _: &Ledger| {
            for name in *group {
                system.process(name, 0)?.process.kill().await?;
            }
            for name in *group {
                system.process(name, 0)?.process.restart().await?;
            }
            anyhow::Ok(())
        };
        world.strike(&what, kill).await?;
        world.system.ready().await?;
    }
    Ok(())
}

/// SIGTERM, and `kill -9` as soon as the process is not ready any more; then its start.
pub(super) async fn kill_draining(world: &mut World, names: &[&str]) -> anyhow::Result<()> {
    for name in names {
        let kill = async |system: &mut System, _: &Ledger| {
            let running = system.process(name, 0)?;
            running.process.signal(rustix::process::Signal::TERM)?;
            let draining = async || running.readiness().await != Some(200);
            wait_until(DRAINING_MAX, draining).await?;
            // Kills it first if it has not ended by itself.
            running.process.restart().await
        };
        world.strike(&format!("SIGTERM and kill -9 of {name}"), kill).await?;
        world.system.ready().await?;
    }
    Ok(())
}
