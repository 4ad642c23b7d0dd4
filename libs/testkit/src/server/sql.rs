//! A SQL server, whatever its dialect.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Kind, Server};
use crate::child::Spec;
use crate::port::Port;
use crate::{dir, program, unique};

/// What differs between SQL servers: their programs and how these are called.
pub trait Dialect: fmt::Debug + Send + Sync + 'static {
    /// What the server is called.
    const NAME: &'static str;
    /// The variable that names a server to use instead of starting one.
    const VARIABLE: &'static str;
    /// The system user that Debian's package makes for it.
    const SYSTEM_USER: &'static str;
    /// The server's program.
    const SERVER: &'static str;
    /// The command line client's program.
    const CLIENT: &'static str;
    /// What a URL of the administrator of a server started here begins with.
    const URL: &'static str;
    /// What a new database is made with, after its name.
    const DATABASE_OPTIONS: &'static str;

    /// Lays out the data directory.
    ///
    /// # Errors
    /// When the program for it is missing.
    fn install(dir: &Path) -> anyhow::Result<Spec>;

    /// The arguments of the server.
    fn serve(spec: Spec, dir: &Path, port: u16) -> Spec;

    /// Whether it speaks.
    fn greets(addr: SocketAddr) -> impl Future<Output = bool> + Send;

    /// The arguments of the client that runs one statement as the administrator.
    ///
    /// # Errors
    /// When the URL names no host.
    fn execute(spec: Spec, server: &url::Url, sql: &str) -> anyhow::Result<Spec>;
}

/// What a SQL server needs.
#[derive(Debug)]
pub struct Setup<D> {
    port: Option<(Port, PathBuf)>,
    client: PathBuf,
    /// Without a database.
    url: url::Url,
    dialect: PhantomData<D>,
}

impl<D: Dialect> Setup<D> {
    fn new(port: Option<(Port, PathBuf)>, url: &str) -> anyhow::Result<Self> {
        let (client, url) = (program::find(D::CLIENT)?, url.parse()?);
        Ok(Self { port, client, url, dialect: PhantomData })
    }
}

impl<D: Dialect> Kind for Setup<D> {
    const NAME: &'static str = D::NAME;
    const VARIABLE: &'static str = D::VARIABLE;
    const START_MAX: Duration = Duration::from_secs(60);

    async fn prepare(dir: &Path) -> anyhow::Result<Self> {
        let (port, program) = (Port::free()?, program::find(D::SERVER)?);
        dir::give_to(D::SYSTEM_USER, dir)?;
        D::install(dir)?.user(D::SYSTEM_USER).run().await?;
        let url = format!("{}{}", D::URL, port.addr());
        Self::new(Some((port, program)), &url)
    }

    /// `SCHEME://USER:PASSWORD@HOST:PORT`; the user must be allowed to create databases.
    fn external(url: &str) -> anyhow::Result<Self> {
        Self::new(None, url)
    }

    fn spec(&self, dir: &Path) -> Spec {
        let (port, program) = self.port.as_ref().expect("only a prepared server is started");
        D::serve(Spec::new(program, dir), dir, port.number()).user(D::SYSTEM_USER)
    }

    async fn is_ready(&self) -> bool {
        match &self.port {
            Some((port, _)) => D::greets(port.addr()).await,
            None => true,
        }
    }
}

impl<D: Dialect> Server<Setup<D>> {
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
        self.execute(&format!("CREATE DATABASE {name}{}", D::DATABASE_OPTIONS)).await?;
        let mut url = self.kind.url.clone();
        url.set_path(&name);
        Ok(url.into())
    }

    /// Runs a statement as the administrator and answers what it prints.
    ///
    /// # Errors
    /// When the server refuses it.
    pub async fn execute(&self, sql: &str) -> anyhow::Result<String> {
        let spec = Spec::new(&self.kind.client, Path::new("/dev/null"));
        D::execute(spec, &self.kind.url, sql)?.run().await
    }
}
