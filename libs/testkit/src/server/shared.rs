//! The one server of a kind that all tests of a binary share.

use tokio::sync::OnceCell;

use super::{Kind, Server, mariadb, minio, postgres, rabbitmq, redis, sql};

/// Kept for the whole binary, a failure too: so a server that cannot start is tried once and not by every test.
type Shared<K> = OnceCell<Result<Server<K>, String>>;

/// Object storage. Take a bucket of your own from [`Server::bucket`].
///
/// # Panics
/// When it cannot be started.
pub async fn minio() -> &'static Server<minio::Setup> {
    static MINIO: Shared<minio::Setup> = OnceCell::const_new();
    get(&MINIO).await
}

/// The broker. Take a virtual host of your own from [`Server::vhost`].
///
/// # Panics
/// When it cannot be started.
pub async fn rabbitmq() -> &'static Server<rabbitmq::Setup> {
    static RABBITMQ: Shared<rabbitmq::Setup> = OnceCell::const_new();
    get(&RABBITMQ).await
}

/// The database server that speaks `MySQL`. Take a database of your own from [`Server::database`].
///
/// # Panics
/// When it cannot be started.
pub async fn mariadb() -> &'static Server<sql::Setup<mariadb::MySql>> {
    static MARIADB: Shared<sql::Setup<mariadb::MySql>> = OnceCell::const_new();
    get(&MARIADB).await
}

/// The database server. Take a database of your own from [`Server::database`].
///
/// # Panics
/// When it cannot be started.
pub async fn postgres() -> &'static Server<sql::Setup<postgres::PostgreSql>> {
    static POSTGRES: Shared<sql::Setup<postgres::PostgreSql>> = OnceCell::const_new();
    get(&POSTGRES).await
}

/// The cache. Take a database of your own from [`Server::database`].
///
/// # Panics
/// When it cannot be started.
pub async fn redis() -> &'static Server<redis::Setup> {
    static REDIS: Shared<redis::Setup> = OnceCell::const_new();
    get(&REDIS).await
}

async fn get<K: Kind>(shared: &'static Shared<K>) -> &'static Server<K> {
    #[allow(clippy::disallowed_methods, reason = "tests are configured by the environment alone")]
    let open = async || match std::env::var(K::VARIABLE) {
        Ok(url) => Server::external(&url),
        Err(_) => Server::start().await,
    };
    let opened =
        shared.get_or_init(|| async { open().await.map_err(|error| format!("{error:#}")) });
    match opened.await {
        Ok(server) => server,
        Err(error) => {
            panic!("no {}: {error}\ninstall it, or name a running one in {}", K::NAME, K::VARIABLE)
        }
    }
}
