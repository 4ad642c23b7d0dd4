//! `PostgreSQL`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Kind, Server};
use crate::child::Spec;
use crate::port::Port;
use crate::{dir, program, unique, wire};

/// A `PostgreSQL` server.
pub type Postgres = Server<Setup>;

/// The system user that Debian's package makes for it, and the database's administrator.
const USER: &str = "postgres";
/// The first message of protocol 3.0 for user and database `postgres`.
const STARTUP: &[u8] = b"\0\0\0\x29\0\x03\0\0user\0postgres\0database\0postgres\0\0";

/// What a `PostgreSQL` server needs.
#[derive(Debug)]
pub struct Setup {
    port: Option<(Port, PathBuf)>,
    /// Where the command line client is.
    client: PathBuf,
    /// Without a database.
    url: url::Url,
}

impl Kind for Setup {
    const NAME: &'static str = "PostgreSQL";
    const VARIABLE: &'static str = "TRIPLINE_TEST_POSTGRES_URL";
    const START_MAX: Duration = Duration::from_secs(60);

    async fn prepare(dir: &Path) -> anyhow::Result<Self> {
        let (port, program) = (Port::free()?, program::find("postgres")?);
        dir::give_to(USER, dir)?;
        Spec::new(program::find("initdb")?, dir)
            .args(["-A", "trust", "-U", USER, "--no-locale", "-E", "UTF8", "-D"])
            .arg(dir.join("db"))
            .user(USER)
            .run()
            .await?;
        let url = format!("postgres://{USER}@{}", port.addr()).parse()?;
        Ok(Self { port: Some((port, program)), client: program::find("psql")?, url })
    }

    /// `postgres://USER:PASSWORD@HOST:PORT`; the user must be allowed to create databases.
    fn external(url: &str) -> anyhow::Result<Self> {
        Ok(Self { port: None, client: program::find("psql")?, url: url.parse()? })
    }

    fn spec(&self, dir: &Path) -> Spec {
        let (port, program) = self.port.as_ref().expect("only a prepared server is started");
        Spec::new(program, dir)
            .args(["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-D"])
            .arg(dir.join("db"))
            .args(["-p".to_owned(), port.number().to_string()])
            .user(USER)
    }

    async fn is_ready(&self) -> bool {
        let Some((port, _)) = &self.port else { return true };
        // `R` asks for no password; an error means that it still recovers.
        wire::exchange(port.addr(), STARTUP).await == Some(*b"R")
    }
}

impl Server<Setup> {
    /// The server, without a database.
    #[must_use]
    pub fn url(&self) -> &str {
        self.kind.url.as_str()
    }

    /// The URL of a new, empty database of one's own.
    ///
    /// # Errors
    /// When the server refuses it.
    pub async fn database(&self) -> anyhow::Result<String> {
        let name = unique("test").replace('-', "_");
        self.execute(&format!("CREATE DATABASE {name}")).await?;
        let mut url = self.kind.url.clone();
        url.set_path(&name);
        Ok(url.into())
    }

    /// Runs a statement as the administrator and answers what it prints.
    ///
    /// # Errors
    /// When the server refuses it.
    pub async fn execute(&self, sql: &str) -> anyhow::Result<String> {
        let mut url = self.kind.url.clone();
        url.set_path("postgres");
        Spec::new(&self.kind.client, Path::new("/dev/null"))
            .args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align"])
            .args(["-v", "ON_ERROR_STOP=1", "-c", sql, url.as_str()])
            .run()
            .await
    }
}
