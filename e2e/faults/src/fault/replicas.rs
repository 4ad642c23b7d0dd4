//! Faults of one replica while the other lives.

use std::time::Duration;

use anyhow::{bail, ensure};
use tripline_e2e::System;
use tripline_testkit::wait_until;

use crate::{Ledger, World};

/// Twice how long a lease, and the epoch of an invoker, lasts.
const TWO_LEASES: Duration = Duration::from_secs(20);
/// Calls that are under way when an invoker is frozen, over all replicas.
const HELD: u64 = 24;
/// What it says who takes it over.
const TOOK_BACK: &str = "took back what ended processes were running";
/// The calls that an invoker has under way.
const CALLS_RUNNING: &str = "tripline_invocations_running";
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
    let mut frozen_calls = 0.0;
    for replica in 0..2 {
        let times = taken_back(world, 1 - replica)?;
        if service == INVOKER {
            world.hold_calls(HELD).await?;
        }
        let mut calls = 0.0;
        let stop = async |system: &mut System, _: &Ledger| {
            let running = system.process(service, replica)?;
            if service == INVOKER {
                calls = running.metric(CALLS_RUNNING).await?;
            }
            running.process.pause()
        };
        let what = format!("SIGSTOP of {service}, replica {replica}");
        let mut taken_over = world.strike_within(TWO_LEASES, &what, stop).await;
        if taken_over.is_ok() && calls > 0.0 {
            // New calls run elsewhere; what it had under way is taken back once its epoch has ended.
            let other = async || taken_back(world, 1 - replica).is_ok_and(|now| now > times);
            taken_over = wait_until(TWO_LEASES, other).await;
        }
        // Also when it was not taken over: what it says then is told.
        world.system.process(service, replica)?.process.resume()?;
        taken_over?;
        let nothing = async |_: &mut System, _: &Ledger| Ok(());
        let what = format!("SIGCONT of {service}, replica {replica}");
        world.strike(&what, nothing).await?;
        world.system.ready().await?;
        if calls > 0.0 {
            let running = world.system.process(service, replica)?;
            let refused =
                async || running.metric(RECORDS_REFUSED).await.is_ok_and(|count| count > 0.0);
            if wait_until(REFUSED_MAX, refused).await.is_err() {
                let output = running.process.output();
                bail!("{what}: no late record of {calls} calls was refused\n{output}");
            }
        }
        frozen_calls += calls;
    }
    ensure!(service != INVOKER || frozen_calls > 0.0, "no call was under way in a frozen invoker");
    Ok(())
}

/// How often a replica of invoker has said that it took back what another was running.
fn taken_back(world: &mut World, replica: usize) -> anyhow::Result<usize> {
    let said = world.system.process(INVOKER, replica)?.process.stderr();
    Ok(said.matches(TOOK_BACK).count())
}
