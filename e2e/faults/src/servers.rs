//! Servers of our own, which may be killed.

use tripline_e2e::Backends;
use tripline_testkit::{MariaDb, Minio, RabbitMq, Redis};

/// One server of each kind that the five-process edition needs.
pub struct Servers {
    /// The log and the lanes.
    pub rabbitmq: RabbitMq,
    /// The databases.
    pub mariadb: MariaDb,
    /// The cache.
    pub redis: Redis,
    /// Object storage, once a fault needs it.
    pub minio: Option<Minio>,
}

impl Servers {
    /// Starts them.
    ///
    /// # Errors
    /// When one is not installed, or does not serve in time.
    pub async fn start() -> anyhow::Result<Self> {
        let (rabbitmq, mariadb, redis) =
            tokio::try_join!(RabbitMq::start(), MariaDb::start(), Redis::start())?;
        Ok(Self { rabbitmq, mariadb, redis, minio: None })
    }

    /// Empty places on them for one system.
    ///
    /// # Errors
    /// When one does not serve.
    pub async fn backends(&self) -> anyhow::Result<Backends> {
        let mut databases = Vec::new();
        for _ in 0..Backends::DATABASES {
            databases.push(self.mariadb.database().await?);
        }
        let servers = vec![
            ("RabbitMQ", self.rabbitmq.pid()?),
            ("MariaDB", self.mariadb.pid()?),
            ("Redis", self.redis.pid()?),
        ];
        let bus = self.rabbitmq.vhost().await?;
        Ok(Backends { bus, cache: self.redis.database(), databases, servers })
    }
}
