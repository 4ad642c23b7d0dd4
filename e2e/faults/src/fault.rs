//! The faults, by name, and how each is dealt.

mod disk;
mod process;
mod replicas;
mod server;
mod start;
mod upgrade;

use std::path::PathBuf;

use anyhow::Context as _;
use tripline_e2e::{Edition, Plan};

use crate::report::{About, Report};
use crate::world::Outcome;
use crate::{Servers, World};
use server::Blow;
use start::Missing;

/// How long a run without any fault is, in seconds.
const CALM_SECONDS: u32 = 10;

/// One fault, or several of a kind one after the other, in one edition.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// Its name; unique within the edition.
    pub name: &'static str,
    /// What is done.
    pub what: &'static str,
    /// How the services are run.
    pub edition: Edition,
    act: Act,
}

#[derive(Clone, Copy, Debug)]
enum Act {
    /// Nothing: a calm run has no duplicates either.
    Nothing,
    /// `kill -9` of each group of processes at once, and their start.
    Kill(&'static [&'static [&'static str]]),
    /// SIGTERM of each, and `kill -9` while it drains.
    Drain(&'static [&'static str]),
    /// A blow to a server.
    Server(Blow),
    /// Starts while something is not there.
    Without(Missing),
    /// A full disk.
    FullDisk,
    /// SIGSTOP of each replica of a service past its lease, then SIGCONT.
    Freeze(&'static str),
    /// `kill -9` of each replica of every service.
    Replicas,
    /// An upgrade.
    Upgrade,
}

const fn fault(edition: Edition, name: &'static str, what: &'static str, act: Act) -> Fault {
    Fault { name, what, edition, act }
}

/// The faults of an edition, in the order in which they are dealt.
#[must_use]
pub fn all(edition: Edition) -> Vec<Fault> {
    let of_it = |fault: &&Fault| fault.edition == edition;
    [EMBEDDED, SPLIT].concat().iter().filter(of_it).copied().collect()
}

const EMBEDDED: &[Fault] = &[
    fault(Edition::Embedded, "calm", "No fault at all: the control.", Act::Nothing),
    fault(
        Edition::Embedded,
        "kill",
        "`kill -9` of the process, five times, and its start on the same data.",
        Act::Kill(&[&["tripline"], &["tripline"], &["tripline"], &["tripline"], &["tripline"]]),
    ),
    fault(
        Edition::Embedded,
        "kill-draining",
        "SIGTERM, then `kill -9` while the process waits for calls under way, three times.",
        Act::Drain(&["tripline"; 3]),
    ),
    fault(
        Edition::Embedded,
        "disk-full",
        "The data directory's disk fills up to the reserve, then to the last byte; then there is room again.",
        Act::FullDisk,
    ),
];

const SPLIT: &[Fault] = &[
    fault(Edition::Split, "calm", "No fault at all: the control.", Act::Nothing),
    fault(
        Edition::Split,
        "kill",
        "`kill -9` of each process in turn, and its start.",
        Act::Kill(&[
            &["api-gateway"],
            &["event-monitor"],
            &["invoker"],
            &["trigger-registry"],
            &["auth"],
        ]),
    ),
    fault(
        Edition::Split,
        "kill-two",
        "`kill -9` of two processes at once, and their start.",
        Act::Kill(&[
            &["event-monitor", "invoker"],
            &["api-gateway", "event-monitor"],
            &["invoker", "auth"],
            &["trigger-registry", "event-monitor"],
        ]),
    ),
    fault(
        Edition::Split,
        "kill-draining",
        "SIGTERM of each process in turn, then `kill -9` unless it has drained by itself, and its start; invoker waits for calls under way.",
        Act::Drain(&["event-monitor", "invoker", "api-gateway", "trigger-registry", "auth"]),
    ),
    fault(
        Edition::Split,
        "rabbitmq-restart",
        "`kill -9` of RabbitMQ, and its start on the same data.",
        Act::Server(Blow::RabbitMqRestart),
    ),
    fault(
        Edition::Split,
        "rabbitmq-alarm",
        "RabbitMQ's memory alarm: it takes nothing from publishers until the alarm ends.",
        Act::Server(Blow::RabbitMqAlarm),
    ),
    fault(
        Edition::Split,
        "mariadb-restart",
        "`kill -9` of MariaDB, and its start on the same data.",
        Act::Server(Blow::MariaDbRestart),
    ),
    fault(
        Edition::Split,
        "redis-restart",
        "`kill -9` of Redis, and its start without its data.",
        Act::Server(Blow::RedisRestart),
    ),
    fault(Edition::Split, "redis-flush", "`FLUSHALL` of Redis.", Act::Server(Blow::RedisFlush)),
    fault(
        Edition::Split,
        "minio-restart",
        "`kill -9` of MinIO while objects are put into a bucket that is watched, and its start on the same data.",
        Act::Server(Blow::MinioRestart),
    ),
    fault(
        Edition::Split,
        "start-without-rabbitmq",
        "All processes start while RabbitMQ is down.",
        Act::Without(Missing::RabbitMq),
    ),
    fault(
        Edition::Split,
        "start-without-mariadb",
        "All processes start while MariaDB is down.",
        Act::Without(Missing::MariaDb),
    ),
    fault(
        Edition::Split,
        "start-without-redis",
        "All processes start while Redis is down.",
        Act::Without(Missing::Redis),
    ),
    fault(
        Edition::Split,
        "start-without-auth",
        "The other processes start while auth is down.",
        Act::Without(Missing::Service("auth")),
    ),
    fault(
        Edition::Split,
        "start-without-registry",
        "The other processes start while trigger-registry is down.",
        Act::Without(Missing::Service("trigger-registry")),
    ),
    fault(
        Edition::Split,
        "start-without-monitor",
        "The other processes start while event-monitor is down.",
        Act::Without(Missing::Service("event-monitor")),
    ),
    fault(
        Edition::Split,
        "start-without-invoker",
        "The other processes start while invoker is down.",
        Act::Without(Missing::Service("invoker")),
    ),
    fault(
        Edition::Split,
        "freeze-monitor",
        "Two event-monitors: SIGSTOP of one past its leases, then SIGCONT; then of the other.",
        Act::Freeze("event-monitor"),
    ),
    fault(
        Edition::Split,
        "freeze-invoker",
        "Two invokers: SIGSTOP of one past its leases, then SIGCONT; then of the other.",
        Act::Freeze("invoker"),
    ),
    fault(
        Edition::Split,
        "replicas",
        "Two replicas of each service: `kill -9` of each; the other takes over within two lease times (20 s).",
        Act::Replicas,
    ),
];

/// No fault, but to be survived in the same way.
pub(crate) const UPGRADE: Fault = fault(
    Edition::Split,
    "upgrade",
    "Two replicas of each service of an earlier release; `migrate`, then each is replaced, in the order of the documentation.",
    Act::Upgrade,
);

/// Starts a system of the programs in `earlier`, of an earlier release, replaces them by those beside this one under a
/// load of so many events a second, and compares.
///
/// # Errors
/// When something cannot be started, or does not work again in time. A broken law is told by the report.
pub async fn upgrade(
    earlier: PathBuf,
    servers: &Servers,
    per_second: u32,
) -> anyhow::Result<Report> {
    let about = About::now(&UPGRADE)?;
    let outcome = upgrade::upgrade(earlier, servers, per_second).await.context(UPGRADE.name)?;
    Ok(Report { about, per_second, outcome, calm: false })
}

impl Fault {
    /// Starts a system, deals the fault under a load of so many events a second, and compares. The five-process edition
    /// needs servers.
    ///
    /// # Errors
    /// When something cannot be started, or the system does not work again in time. A broken law is told by the report.
    pub async fn run(
        &self,
        servers: Option<&mut Servers>,
        per_second: u32,
    ) -> anyhow::Result<Report> {
        let about = About::now(self)?;
        let outcome = match self.edition {
            Edition::Embedded => self.embedded(per_second).await,
            Edition::Split => {
                self.split(servers.context("this edition needs servers")?, per_second).await
            }
        }
        .with_context(|| format!("{}, {:?}", self.name, self.edition))?;
        Ok(Report { about, per_second, outcome, calm: matches!(self.act, Act::Nothing) })
    }

    async fn embedded(&self, per_second: u32) -> anyhow::Result<Outcome> {
        if matches!(self.act, Act::FullDisk) {
            return disk::full(per_second).await;
        }
        let mut world = World::start(Plan::Embedded { data: None }, per_second).await?;
        self.deal(&mut world).await?;
        world.finish().await
    }

    async fn split(&self, servers: &mut Servers, per_second: u32) -> anyhow::Result<Outcome> {
        if let Act::Without(missing) = self.act {
            return start::without(missing, servers, per_second).await;
        }
        let replicas = match self.act {
            Act::Freeze(_) | Act::Replicas => 2,
            _ => 1,
        };
        let backends = servers.backends().await?;
        let plan = Plan::Split { backends, replicas, without: None, programs: None };
        let mut world = World::start(plan, per_second).await?;
        match self.act {
            Act::Server(blow) => blow.strike(&mut world, servers).await?,
            Act::Freeze(service) => replicas::freeze(&mut world, service).await?,
            Act::Replicas => replicas::kill_each(&mut world).await?,
            _ => self.deal(&mut world).await?,
        }
        world.finish().await
    }

    /// What both editions can suffer.
    async fn deal(&self, world: &mut World) -> anyhow::Result<()> {
        match self.act {
            Act::Kill(groups) => process::kill_each(world, groups).await,
            Act::Drain(names) => process::kill_draining(world, names).await,
            _ => world.load_for(CALM_SECONDS).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stands_for_one_fault_of_an_edition() {
        for edition in [Edition::Embedded, Edition::Split] {
            let faults = all(edition);
            let names: std::collections::BTreeSet<_> =
                faults.iter().map(|fault| fault.name).collect();
            assert_eq!(names.len(), faults.len());
        }
    }
}
