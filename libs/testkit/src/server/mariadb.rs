//! `MariaDB`.

use std::net::SocketAddr;
use std::path::Path;

use super::sql::{Dialect, Setup};
use super::{Server, part};
use crate::child::Spec;
use crate::{program, wire};

/// A `MariaDB` server.
pub type MariaDb = Server<Setup<MySql>>;

/// The socket's path has to be shorter than a temporary directory may be, so it is named from the data directory.
const SOCKET: &str = "../s.sock";

/// How `MariaDB` differs from other SQL servers.
#[derive(Debug)]
pub struct MySql;

impl Dialect for MySql {
    const NAME: &'static str = "MariaDB";
    const VARIABLE: &'static str = "TRIPLINE_TEST_MYSQL_URL";
    const SYSTEM_USER: &'static str = "mysql";
    const SERVER: &'static str = "mariadbd";
    const CLIENT: &'static str = "mariadb";
    const URL: &'static str = "mysql://root@";
    const DATABASE_OPTIONS: &'static str = " CHARACTER SET utf8mb4";

    fn install(dir: &Path) -> anyhow::Result<Spec> {
        Ok(Spec::new(program::find("mariadb-install-db")?, dir)
            .args(["--no-defaults", "--skip-test-db", "--auth-root-authentication-method=normal"])
            .arg(format!("--datadir={}", dir.join("db").display())))
    }

    fn serve(spec: Spec, dir: &Path, port: u16) -> Spec {
        spec.args(["--no-defaults", "--bind-address=127.0.0.1"])
            .arg(format!("--datadir={}", dir.join("db").display()))
            .arg(format!("--port={port}"))
            .arg(format!("--socket={SOCKET}"))
    }

    async fn greets(addr: SocketAddr) -> bool {
        // The server greets first: a length, a number, and the version of the protocol.
        wire::exchange::<5>(addr, b"").await.is_some_and(|greeting| greeting[4] == 10)
    }

    fn execute(spec: Spec, server: &url::Url, sql: &str) -> anyhow::Result<Spec> {
        let host = part(server.host_str(), "host")?;
        Ok(spec
            .args(["--no-defaults", "--batch", "--skip-column-names", "--protocol=tcp"])
            .arg(format!("--host={host}"))
            .arg(format!("--port={}", server.port().unwrap_or(3306)))
            .arg(format!("--user={}", server.username()))
            .args(["--execute", sql])
            .env("MYSQL_PWD", server.password().unwrap_or_default()))
    }
}
