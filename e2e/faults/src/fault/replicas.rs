//! Faults of one replica while the other lives.

use std::time::Duration;

use anyhow::Context as _;
use tripline_e2e::System;
use tripline_testkit::wait_until;

use crate::{Ledger, World};

/// Twice how long a lease, and the epoch of an invoker, lasts.
const TWO_LEASES: Duration = Duration::from_secs(20);
/// Calls that are under way when an invoker is frozen, over all replicas.
const HELD: u64 = 24;
/// What an invoker that comes back has tried to write for them.
const RECORDS_REFUSED: &str = "tripline_records_refused_total";
/// How long that may take.
const REFUSED_MAX: Duration = Duration::from_secs(10);
/// Those that hold nothing come first.
const SERVICES: [&str; 5] = ["api-gateway", "auth", "trigger-registry", "event-monitor", INVOKER];
const INVOKER: &str = "invoker";

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
        if service == INVOKER {
            world.hold_calls(HELD).await?;
        }
        let stop = async |system: &mut System, _: &Ledger| {
            system.process(service, replica)?.process.pause()
        };
        let what = format!("SIGSTOP of {service}, replica {replica}");
        let taken_over = world.strike_within(TWO_LEASES, &what, stop).await;
        // Also when it was not taken over: what it says then is told.
        world.system.process(service, replica)?.process.resume()?;
        taken_over?;
        let nothing = async |_: &mut System, _: &Ledger| Ok(());
        let what = format!("SIGCONT of {service}, replica {replica}");
        world.strike(&what, nothing).await?;
        world.system.ready().await?;
        if service == INVOKER {
            let running = world.system.process(service, replica)?;
            let refused =
                async || running.metric(RECORDS_REFUSED).await.is_ok_and(|count| count > 0.0);
            let refused = wait_until(REFUSED_MAX, refused).await;
            refused
                .with_context(|| format!("{what}: it wrote no late record, or none was refused"))?;
        }
    }
    Ok(())
}
