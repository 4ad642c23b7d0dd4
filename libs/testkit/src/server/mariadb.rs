//! `MariaDB`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Kind, Server, part};
use crate::child::Spec;
use crate::port::Port;
use crate::{dir, program, unique, wire};

/// A `MariaDB` server.
pub type MariaDb = Server<Setup>;

/// The system user that Debian's package makes for it.
const USER: &str = "mysql";
/// The socket's path has to be shorter than a temporary directory may be, so it is named from the data directory.
const SOCKET: &str = "../s.sock";

/// What a `MariaDB` server needs.
#[derive(Debug)]
pub struct Setup {
    port: Option<(Port, PathBuf)>,
    /// Where the command line client is.
    client: PathBuf,
    /// Without a database.
    url: url::Url,
}

impl Kind for Setup {
    const NAME: &'static str = "MariaDB";
    const VARIABLE: &'static str = "TRIPLINE_TEST_MYSQL_URL";
    const START_MAX: Duration = Duration::from_secs(60);

    async fn prepare(dir: &Path) -> anyhow::Result<Self> {
        let (port, program) = (Port::free()?, program::find("mariadbd")?);
        dir::give_to(USER, dir)?;
        Spec::new(program::find("mariadb-install-db")?, dir)
            .args(["--no-defaults", "--skip-test-db", "--auth-root-authentication-method=normal"])
            .arg(format!("--datadir={}", dir.join("db").display()))
            .user(USER)
            .run()
            .await?;
        let url = format!("mysql://root@{}", port.addr()).parse()?;
        Ok(Self { port: Some((port, program)), client: program::find("mariadb")?, url })
    }

    /// `mysql://USER:PASSWORD@HOST:PORT`; the user must be allowed to create databases.
    fn external(url: &str) -> anyhow::Result<Self> {
        Ok(Self { port: None, client: program::find("mariadb")?, url: url.parse()? })
    }

    fn spec(&self, dir: &Path) -> Spec {
        let (port, program) = self.port.as_ref().expect("only a prepared server is started");
        Spec::new(program, dir)
            .args(["--no-defaults", "--bind-address=127.0.0.1", "--innodb-log-file-size=16M"])
            .arg(format!("--datadir={}", dir.join("db").display()))
            .arg(format!("--port={}", port.number()))
            .arg(format!("--socket={SOCKET}"))
            .user(USER)
    }

    async fn is_ready(&self) -> bool {
        let Some((port, _)) = &self.port else { return true };
        // The server greets first: a length, a number, and the version of the protocol.
        wire::exchange::<5>(port.addr(), b"").await.is_some_and(|greeting| greeting[4] == 10)
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
        self.execute(&format!("CREATE DATABASE {name} CHARACTER SET utf8mb4")).await?;
        let mut url = self.kind.url.clone();
        url.set_path(&name);
        Ok(url.into())
    }

    /// Runs a statement as the administrator and answers what it prints.
    ///
    /// # Errors
    /// When the server refuses it.
    pub async fn execute(&self, sql: &str) -> anyhow::Result<String> {
        let url = &self.kind.url;
        let host = part(url.host_str(), "host")?;
        Spec::new(&self.kind.client, Path::new("/dev/null"))
            .args(["--no-defaults", "--batch", "--skip-column-names", "--protocol=tcp"])
            .arg(format!("--host={host}"))
            .arg(format!("--port={}", url.port().unwrap_or(3306)))
            .arg(format!("--user={}", url.username()))
            .args(["--execute", sql])
            .env("MYSQL_PWD", url.password().unwrap_or_default())
            .run()
            .await
    }
}
