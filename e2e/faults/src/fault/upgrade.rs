//! An upgrade while events are under way.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use tripline_e2e::{Plan, System};

use crate::world::Outcome;
use crate::{Ledger, Servers, World};

/// Those that have a database.
const MIGRATED: [&str; 4] = ["auth", "trigger-registry", "event-monitor", "invoker"];
/// Whoever is called is new before its caller.
const ORDER: [&str; 5] = ["auth", "trigger-registry", "event-monitor", "invoker", "api-gateway"];

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
        for replica in 0..2 {
            let replace =
                async |system: &mut System, _: &Ledger| system.upgrade(service, replica).await;
            world.strike(&format!("replacement of {service}, replica {replica}"), replace).await?;
        }
    }
    world.finish().await
}
