//! Redis.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context as _, ensure};

use super::{Kind, Server};
use crate::child::Spec;
use crate::port::Port;
use crate::{program, wire};

/// A Redis server that stores nothing on disk.
pub type Redis = Server<Setup>;

/// How many databases a server of ours has.
const DATABASES: u32 = 1024;
/// How many any Redis has.
const DATABASES_DEFAULT: u32 = 16;

/// What a Redis server needs.
#[derive(Debug)]
pub struct Setup {
    port: Option<(Port, std::path::PathBuf)>,
    /// Without a database.
    url: String,
    databases: u32,
    next: AtomicU32,
}

impl Kind for Setup {
    const NAME: &'static str = "Redis";
    const VARIABLE: &'static str = "TRIPLINE_TEST_REDIS_URL";
    const START_MAX: Duration = Duration::from_secs(15);

    async fn prepare(_dir: &Path) -> anyhow::Result<Self> {
        let (port, program) = (Port::free()?, program::find("redis-server")?);
        let url = format!("redis://{}", port.addr());
        Ok(Self { port: Some((port, program)), url, databases: DATABASES, next: AtomicU32::new(0) })
    }

    fn external(url: &str) -> anyhow::Result<Self> {
        let mut url: url::Url = url.parse()?;
        url.set_path("");
        let url = url.as_str().trim_end_matches('/').to_owned();
        Ok(Self { port: None, url, databases: DATABASES_DEFAULT, next: AtomicU32::new(0) })
    }

    fn spec(&self, dir: &Path) -> Spec {
        let (port, program) = self.port.as_ref().expect("only a prepared server is started");
        Spec::new(program, dir)
            .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .args(["--port".to_owned(), port.number().to_string()])
            .args(["--databases".to_owned(), DATABASES.to_string()])
            .arg("--dir")
            .arg(dir)
    }

    async fn is_ready(&self) -> bool {
        let Some((port, _)) = &self.port else { return true };
        wire::exchange(port.addr(), b"PING\r\n").await == Some(*b"+PONG")
    }
}

impl Server<Setup> {
    /// The server, with its database 0.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}/0", self.kind.url)
    }

    /// Empties every database, as `FLUSHALL` does.
    ///
    /// # Errors
    /// When the server does not say that it has, or was not started here.
    pub async fn flush_all(&self) -> anyhow::Result<()> {
        let (port, _) = self.kind.port.as_ref().context("Redis was not started here")?;
        let said = wire::exchange(port.addr(), b"FLUSHALL\r\n").await;
        ensure!(said == Some(*b"+OK"), "Redis did not flush: {said:?}");
        Ok(())
    }

    /// The URL of a database that no other test of this binary uses. Database 0 is never given out.
    ///
    /// # Panics
    /// When there are no more.
    #[must_use]
    pub fn database(&self) -> String {
        let number = self.kind.next.fetch_add(1, Ordering::Relaxed) + 1;
        assert!(number < self.kind.databases, "Redis has {} databases", self.kind.databases);
        format!("{}/{number}", self.kind.url)
    }
}
