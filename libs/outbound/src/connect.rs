//! Opening connections, to judged addresses only.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower::{Service, ServiceExt as _};

use crate::Guard;
use crate::guard::is_localhost;

/// The guard refused an address. Found again inside the errors of the HTTP client.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Refused(pub(crate) String);

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Finds the addresses of a name.
pub(crate) type Lookup =
    Arc<dyn Fn(Name) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> + Send + Sync>;

/// The name servers of the machine.
pub(crate) fn system_lookup() -> Lookup {
    Arc::new(|name| {
        Box::pin(async move { GaiResolver::new().oneshot(name).await.map(Iterator::collect) })
    })
}

/// Resolves names and gives out the addresses only when the guard lets all of them through.
#[derive(Clone)]
pub(crate) struct Resolver {
    guard: Guard,
    lookup: Lookup,
}

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let Self { guard, lookup } = self.clone();
        Box::pin(async move {
            if is_localhost(name.as_str()) {
                let addresses = guard.localhost().map_err(Refused)?;
                let sockets: Vec<_> = addresses.into_iter().map(|ip| (ip, 0).into()).collect();
                return Ok(sockets.into_iter());
            }
            let sockets = lookup(name).await?;
            guard.check_all(sockets.iter().map(SocketAddr::ip)).map_err(Refused)?;
            Ok(sockets.into_iter())
        })
    }
}

/// Opens TCP connections. An address that stands in the URL itself never reaches the resolver, so it is judged here.
#[derive(Clone)]
pub(crate) struct Connector {
    guard: Guard,
    http: HttpConnector<Resolver>,
}

impl Connector {
    pub(crate) fn new(guard: Guard, lookup: Lookup, timeout: std::time::Duration) -> Self {
        let resolver = Resolver { guard: guard.clone(), lookup };
        let mut http = HttpConnector::new_with_resolver(resolver);
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_connect_timeout(Some(timeout));
        Self { guard, http }
    }

    fn judge(&self, uri: &Uri) -> Result<(), String> {
        if uri.port_u16() == Some(0) {
            return Err("port 0 cannot be called".to_owned());
        }
        let host = uri.host().unwrap_or_default();
        let literal = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        match literal.unwrap_or(host).parse::<IpAddr>() {
            Ok(address) => self.guard.check(address),
            Err(_) => Ok(()),
        }
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<TcpStream>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.http.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        if let Err(why) = self.judge(&uri) {
            return Box::pin(std::future::ready(Err(Refused(why).into())));
        }
        let connecting = self.http.call(uri);
        Box::pin(async move { connecting.await.map_err(Into::into) })
    }
}
