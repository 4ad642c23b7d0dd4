//! `PostgreSQL`.

use std::net::SocketAddr;
use std::path::Path;

use super::Server;
use super::sql::{Dialect, Setup};
use crate::child::Spec;
use crate::{program, wire};

/// A `PostgreSQL` server.
pub type Postgres = Server<Setup<PostgreSql>>;

/// The first message of protocol 3.0 for user and database `postgres`.
const STARTUP: &[u8] = b"\0\0\0\x29\0\x03\0\0user\0postgres\0database\0postgres\0\0";

/// How `PostgreSQL` differs from other SQL servers.
#[derive(Debug)]
pub struct PostgreSql;

impl Dialect for PostgreSql {
    const NAME: &'static str = "PostgreSQL";
    const VARIABLE: &'static str = "TRIPLINE_TEST_POSTGRES_URL";
    const SYSTEM_USER: &'static str = "postgres";
    const SERVER: &'static str = "postgres";
    const CLIENT: &'static str = "psql";
    const URL: &'static str = "postgres://postgres@";
    const DATABASE_OPTIONS: &'static str = "";

    fn install(dir: &Path) -> anyhow::Result<Spec> {
        Ok(Spec::new(program::find("initdb")?, dir)
            .args(["-A", "trust", "-U", "postgres", "--no-locale", "-E", "UTF8", "-D"])
            .arg(dir.join("db")))
    }

    fn serve(spec: Spec, dir: &Path, port: u16) -> Spec {
        spec.args(["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-D"])
            .arg(dir.join("db"))
            .args(["-p".to_owned(), port.to_string()])
    }

    async fn greets(addr: SocketAddr) -> bool {
        // `R` asks for no password; an error means that it still recovers.
        wire::exchange(addr, STARTUP).await == Some(*b"R")
    }

    fn execute(spec: Spec, server: &url::Url, sql: &str) -> anyhow::Result<Spec> {
        let mut url = server.clone();
        url.set_path("postgres");
        Ok(spec.args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align"]).args([
            "-v",
            "ON_ERROR_STOP=1",
            "-c",
            sql,
            url.as_str(),
        ]))
    }
}
