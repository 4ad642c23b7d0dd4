//! Starts while something that the processes need is not there.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use tripline_e2e::{Plan, System};
use tripline_testkit::wait_for;

use crate::world::{Outcome, RECOVER_MAX};
use crate::{Servers, World};

/// How long a process may take to answer that it is not ready.
const ANSWERS_MAX: Duration = Duration::from_secs(30);
/// How long the processes are watched while they wait: none may give up.
const WAITING: Duration = Duration::from_secs(5);
/// Load afterwards, in seconds.
const LOAD_SECONDS: u32 = 3;

/// What is not there.
#[derive(Clone, Copy, Debug)]
pub(super) enum Missing {
    RabbitMq,
    MariaDb,
    Redis,
    Service(&'static str),
}

/// Starts without it, sees that every process waits, brings it, and sees that all works.
pub(super) async fn without(
    missing: Missing,
    servers: &mut Servers,
    per_second: u32,
) -> anyhow::Result<Outcome> {
    let backends = servers.backends().await?;
    missing.take_away(servers).await?;
    let without = match missing {
        Missing::Service(name) => Some(name),
        Missing::RabbitMq | Missing::MariaDb | Missing::Redis => None,
    };
    let launched =
        System::launch(Plan::Split { backends, replicas: 1, without, programs: None }).await;
    let waiting = match launched {
        Ok(mut system) => wait(&mut system).await.map(|()| system),
        Err(error) => Err(error),
    };
    // The next fault finds all servers again, whatever came of this one.
    missing.bring_server(servers).await?;
    let mut system = waiting?;
    let begin = Instant::now();
    if let Missing::Service(name) = missing {
        system.start_missing(name).await?;
    }
    system.ready().await?;
    let ready = begin.elapsed();
    let mut world = World::over(system, per_second).await?;
    let works = world.works_again(RECOVER_MAX).await?;
    world.note(&format!("start without {missing}"), ready, works);
    world.load_for(LOAD_SECONDS).await?;
    world.finish().await
}

/// Sees that every process answers, and that none ends.
async fn wait(system: &mut System) -> anyhow::Result<()> {
    for running in system.processes() {
        let answered = wait_for(ANSWERS_MAX, async || running.readiness().await).await;
        answered.with_context(|| format!("{}\n{}", running.name, running.process.output()))?;
    }
    let names: Vec<_> = system.processes().iter().map(|running| running.name).collect();
    let ended = async || {
        names.iter().copied().find(|name| {
            let running = system.process(name, 0);
            running.is_ok_and(|running| !matches!(running.process.ended(), Ok(None)))
        })
    };
    let ended = wait_for(WAITING, ended).await;
    ensure!(ended.is_err(), "{} gave up\n{}", ended.unwrap_or_default(), system.output());
    Ok(())
}

impl Missing {
    async fn take_away(self, servers: &mut Servers) -> anyhow::Result<()> {
        match self {
            Self::RabbitMq => servers.rabbitmq.kill().await,
            Self::MariaDb => servers.mariadb.kill().await,
            Self::Redis => servers.redis.kill().await,
            Self::Service(_) => Ok(()),
        }
    }

    async fn bring_server(self, servers: &mut Servers) -> anyhow::Result<()> {
        match self {
            Self::RabbitMq => servers.rabbitmq.restart().await,
            Self::MariaDb => servers.mariadb.restart().await,
            Self::Redis => servers.redis.restart().await,
            Self::Service(_) => Ok(()),
        }
    }
}

impl std::fmt::Display for Missing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::RabbitMq => "RabbitMQ",
            Self::MariaDb => "MariaDB",
            Self::Redis => "Redis",
            Self::Service(name) => name,
        })
    }
}
