//! An upgrade while events are under way.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use tripline_e2e::{Plan, System};

use crate::world::Outcome;
use crate::{Ledger, Servers, World};

/// Those that have a database.
const MIGRATED: [&str; 4] = ["auth", REGISTRY, "event-monitor", "invoker"];
/// Whoever is called is new before its caller.
const ORDER: [&str; 5] = ["auth", REGISTRY, "event-monitor", "invoker", "api-gateway"];
const REGISTRY: &str = "trigger-registry";
/// How long a process may take to stop in good order.
const STOP_MAX: Duration = Duration::from_secs(30);

pub(super) async fn upgrade(
    earlier: PathBuf,
    servers: &Servers,
    per_second: u32,
) -> anyhow::Result<Outcome> {
    let backends = servers.backends().await?;
    let programs = Some(earlier);
    let plan = Plan::Split { backends, replicas: 2, without: None, programs };
    let mut world = World::start(plan, per_second).await?;
    for service in MIGRATED {
        let begin = Instant::now();
        world.system.migrate(service).await?;
        world.note(&format!("migrate of {service}"), begin.elapsed(), Duration::ZERO);
    }
    for service in ORDER {
        if service == REGISTRY {
            // Old and new ones would write the same documents: the old all go before the new come.
            let replace = async |system: &mut System, _: &Ledger| {
                for replica in 0..2 {
                    system.process(service, replica)?.process.terminate(STOP_MAX).await?;
                }
                for replica in 0..2 {
                    system.upgrade(service, replica).await?;
                }
                anyhow::Ok(())
            };
            world.strike(&format!("replacement of {service}, both replicas"), replace).await?;
            continue;
        }
        for replica in 0..2 {
            let replace =
                async |system: &mut System, _: &Ledger| system.upgrade(service, replica).await;
            world.strike(&format!("replacement of {service}, replica {replica}"), replace).await?;
        }
    }
    world.finish().await
}
