//! Faults of the servers.

use std::time::Duration;

use anyhow::Context as _;
use tripline_e2e::System;
use tripline_testkit::{Minio, wait_until};

use crate::{Ledger, Servers, World};

/// Far below what a node needs to be alive.
const WATERMARK_TINY: &str = "1MB";
/// RabbitMQ's own default.
const WATERMARK_USUAL: &str = "0.4";
/// How many publishes are refused before the alarm ends.
const REFUSALS: u64 = 50;
/// How long the alarm may take to be felt.
const ALARM_MAX: Duration = Duration::from_secs(60);

/// What is done to which server.
#[derive(Clone, Copy, Debug)]
pub(super) enum Blow {
    RabbitMqRestart,
    RabbitMqAlarm,
    MariaDbRestart,
    RedisRestart,
    RedisFlush,
    MinioRestart,
}

impl Blow {
    /// Strikes, and waits until all works again.
    pub(super) async fn strike(
        self,
        world: &mut World,
        servers: &mut Servers,
    ) -> anyhow::Result<()> {
        match self {
            Self::RabbitMqRestart => {
                let restart = async |_: &mut System, _: &Ledger| servers.rabbitmq.restart().await;
                world.strike("kill -9 of RabbitMQ", restart).await
            }
            Self::MariaDbRestart => {
                let restart = async |_: &mut System, _: &Ledger| servers.mariadb.restart().await;
                world.strike("kill -9 of MariaDB", restart).await
            }
            Self::RedisRestart => {
                let restart = async |_: &mut System, _: &Ledger| servers.redis.restart().await;
                world.strike("kill -9 of Redis", restart).await
            }
            Self::RedisFlush => {
                let flush = async |_: &mut System, _: &Ledger| servers.redis.flush_all().await;
                world.strike("FLUSHALL of Redis", flush).await
            }
            Self::RabbitMqAlarm => alarm(world, servers).await,
            Self::MinioRestart => minio(world, servers).await,
        }
    }
}

async fn minio(world: &mut World, servers: &mut Servers) -> anyhow::Result<()> {
    let minio = match &mut servers.minio {
        Some(minio) => minio,
        none => none.insert(Minio::start().await?),
    };
    world.watch(minio.bucket().await?).await?;
    let restart = async |_: &mut System, _: &Ledger| minio.restart().await;
    world.strike("kill -9 of MinIO", restart).await
}

async fn alarm(world: &mut World, servers: &Servers) -> anyhow::Result<()> {
    let alarm = async |_: &mut System, ledger: &Ledger| {
        let set = "set_vm_memory_high_watermark";
        servers.rabbitmq.ctl(&[set, "absolute", WATERMARK_TINY]).await?;
        let before = ledger.answers().refused();
        let felt = async || ledger.answers().refused() >= before + REFUSALS;
        let felt = wait_until(ALARM_MAX, felt).await;
        servers.rabbitmq.ctl(&[set, WATERMARK_USUAL]).await?;
        felt.context("nothing was refused during the alarm")
    };
    world.strike("RabbitMQ's memory alarm", alarm).await
}
