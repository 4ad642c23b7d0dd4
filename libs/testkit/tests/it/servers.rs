use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tripline_testkit::{RabbitMq, Redis, mariadb, minio, postgres, rabbitmq, redis};

#[tokio::test]
async fn minio_gives_a_bucket_of_ones_own() {
    let (one, other) =
        (minio().await.bucket().await.unwrap(), minio().await.bucket().await.unwrap());
    assert_ne!(one.name(), other.name());
    one.put("in/a b+c.jpg", "content").await.unwrap();
    one.remove("in/a b+c.jpg").await.unwrap();
}

#[tokio::test]
async fn mariadb_gives_a_database_of_ones_own() {
    let server = mariadb().await;
    let database = server.database().await.unwrap();
    let name = database.rsplit('/').next().unwrap();
    server.execute(&format!("CREATE TABLE {name}.t (x INT)")).await.unwrap();
    assert!(server.execute("SELECT no_such_function()").await.is_err());
    assert!(dies_with_its_parent(server.pid().unwrap()));
}

#[tokio::test]
async fn postgres_gives_a_database_of_ones_own() {
    let server = postgres().await;
    let database = server.database().await.unwrap();
    let name = database.rsplit('/').next().unwrap().to_owned();
    let found = format!("SELECT count(*) FROM pg_database WHERE datname = '{name}'");
    assert_eq!(server.execute(&found).await.unwrap().trim(), "1");
}

#[tokio::test]
async fn redis_gives_a_database_of_ones_own() {
    let server = redis().await;
    assert_ne!(server.database(), server.database());
    assert_ne!(server.database(), server.url());
}

#[tokio::test]
async fn rabbitmq_gives_a_virtual_host_of_ones_own() {
    let server = rabbitmq().await;
    let (one, other) = (server.vhost().await.unwrap(), server.vhost().await.unwrap());
    assert_ne!(one, other);
    let vhosts = server.ctl(&["list_vhosts"]).await.unwrap();
    let name = one.rsplit('/').next().unwrap();
    assert!(vhosts.lines().any(|vhost| vhost == name), "{vhosts}");
}

#[tokio::test]
async fn a_server_of_ones_own_can_be_hung_killed_and_started_again_where_it_was() {
    let mut server = Redis::start().await.unwrap();
    let address = server.url()["redis://".len()..].trim_end_matches("/0").to_owned();
    let ping = async || {
        let mut stream = TcpStream::connect(&address).await.ok()?;
        stream.write_all(b"PING\r\n").await.ok()?;
        let mut answer = [0; 5];
        let answered =
            tokio::time::timeout(Duration::from_millis(200), stream.read_exact(&mut answer));
        answered.await.ok()?.ok()
    };
    assert!(ping().await.is_some());
    server.pause().unwrap();
    assert!(ping().await.is_none(), "it hangs");
    server.resume().unwrap();
    assert!(ping().await.is_some());
    server.kill().await.unwrap();
    assert!(ping().await.is_none() && server.pid().is_err());
    server.restart().await.unwrap();
    assert!(ping().await.is_some(), "on the same port");
    server.stop().await.unwrap();
    assert!(ping().await.is_none());
}

#[tokio::test]
async fn a_broker_of_ones_own_keeps_its_data_when_it_is_killed() {
    let mut server = RabbitMq::start().await.unwrap();
    server.ctl(&["add_vhost", "kept"]).await.unwrap();
    server.restart().await.unwrap();
    assert!(server.ctl(&["list_vhosts"]).await.unwrap().contains("kept"));
}

/// Whether the kernel will kill the process when the thread that started it ends: it has to be a direct child, since the
/// order is not inherited.
fn dies_with_its_parent(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:")).unwrap().trim();
    parent == std::process::id().to_string()
}
