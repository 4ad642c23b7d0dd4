//! Faults of our own processes.

use std::time::Duration;

use anyhow::ensure;
use tripline_e2e::System;
use tripline_testkit::wait_until;

use crate::{Ledger, World};

/// How long a process that is told to stop may take to say so.
const DRAINING_MAX: Duration = Duration::from_secs(10);
/// Calls that are under way when a process that makes them is told to stop.
const HELD: u64 = 24;
/// Those that wait for functions when they drain.
const CALLERS: [&str; 2] = ["invoker", "tripline"];

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

/// SIGTERM, and `kill -9` as soon as the process is not ready any more; then its start. A process that calls functions
/// still waits for some of them then; whether another had ended before it could be killed is said in the step's name.
pub(super) async fn kill_draining(world: &mut World, names: &[&str]) -> anyhow::Result<()> {
    for name in names {
        let calls = CALLERS.contains(name);
        if calls {
            world.hold_calls(HELD).await?;
        }
        let mut ended = true;
        let kill = async |system: &mut System, _: &Ledger| {
            let running = system.process(name, 0)?;
            running.process.signal(rustix::process::Signal::TERM)?;
            let draining = async || running.readiness().await != Some(200);
            wait_until(DRAINING_MAX, draining).await?;
            ended = running.process.ended()?.is_some();
            if !ended {
                running.process.kill().await?;
            }
            ensure!(!(calls && ended), "{name} has not waited for the calls under way");
            running.process.restart().await
        };
        world.strike(&format!("SIGTERM of {name}"), kill).await?;
        world.add_to_last(match (calls, ended) {
            (true, _) => "kill -9 while calls were under way",
            (false, false) => "kill -9 before it had ended",
            (false, true) => "it ended by itself at once",
        });
        world.system.ready().await?;
    }
    Ok(())
}
