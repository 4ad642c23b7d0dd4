//! Faults of one replica while the other lives.

use std::time::Duration;

use tripline_e2e::System;

use crate::{Ledger, World};

/// Twice how long a lease, and the epoch of an invoker, lasts.
const TWO_LEASES: Duration = Duration::from_secs(20);
/// Those that hold nothing come first.
const SERVICES: [&str; 5] = ["api-gateway", "auth", "trigger-registry", "event-monitor", "invoker"];

/// `kill -9` of each replica of each service. It comes back only after the other has taken over.
pub(super) async fn kill_each(world: &mut World) -> anyhow::Result<()> {
    for service in SERVICES {
        // After the second kill whoever held a lease has lost it.
        for replica in 0..2 {
            let kill = async |system: &mut System, _: &Ledger| {
                system.process(service, replica)?.process.kill().await
            };
            let what = format!("kill -9 of {service}, replica {replica}");
            world.strike_within(TWO_LEASES, &what, kill).await?;
            let running = world.system.process(service, replica)?;
            running.process.restart().await?;
            running.ready().await?;
        }
    }
    Ok(())
}

/// SIGSTOP of each replica in turn until the other has taken over, then SIGCONT: it comes back with what it had under
/// way, in the name of leases that others hold by then. A frozen process keeps its connections, so servers that wait for
/// it notice later than when it dies.
pub(super) async fn freeze(world: &mut World, service: &str) -> anyhow::Result<()> {
    for replica in 0..2 {
        let stop = async |system: &mut System, _: &Ledger| {
            system.process(service, replica)?.process.pause()
        };
        let what = format!("SIGSTOP of {service}, replica {replica}");
        let taken_over = world.strike(&what, stop).await;
        // Also when it was not taken over: what it says then is told.
        world.system.process(service, replica)?.process.resume()?;
        taken_over?;
        let nothing = async |_: &mut System, _: &Ledger| Ok(());
        let what = format!("SIGCONT of {service}, replica {replica}");
        world.strike(&what, nothing).await?;
        world.system.ready().await?;
    }
    Ok(())
}
