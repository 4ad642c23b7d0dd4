//! The judge of addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use ipnet::IpNet;
use tripline_kernel::Fault;
use url::{Host, Url};

use crate::{Options, options, ranges};

/// Decides which addresses may be called: public ones, and those that an operator allows. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    allowed: Arc<[IpNet]>,
}

/// Why a URL cannot be called.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RefusedUrl {
    /// Not an absolute URL, or one with a part that has no use here.
    #[error("{0}")]
    Invalid(String),
    /// It leads to an address that must not be called.
    #[error("{0}")]
    Forbidden(String),
}

impl RefusedUrl {
    /// The public, stable name of the fault.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "invalid-url",
            Self::Forbidden(_) => "address-forbidden",
        }
    }

    /// The fault of a field that holds this URL.
    #[must_use]
    pub fn into_fault(self, pointer: &str) -> Fault {
        Fault::new(pointer, self.code(), self.to_string())
    }
}

/// What a name under `localhost` stands for (RFC 6761): no name server is asked.
const LOOPBACK: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];

impl Guard {
    /// A guard that lets through public addresses and the networks of `allow_cidrs`.
    ///
    /// # Errors
    /// The faults of the option, with pointers into [`Options`].
    pub fn new(options: &Options) -> Result<Self, Vec<Fault>> {
        let allowed = options::parse_networks(&options.allow_cidrs)?;
        Ok(Self { allowed: allowed.into() })
    }

    /// Judges a URL when it is stored: `http` or `https`, no credentials, a port that exists, and no address or
    /// `localhost` that must not be called. Names are judged when they are resolved, at each connection.
    ///
    /// # Errors
    /// Why the URL cannot be called.
    pub fn check_url(&self, text: &str) -> Result<Url, RefusedUrl> {
        let invalid = |why: &str| Err(RefusedUrl::Invalid(why.to_owned()));
        let url = match Url::parse(text) {
            Ok(url) => url,
            Err(error) => return invalid(&format!("not an absolute URL: {error}")),
        };
        if !matches!(url.scheme(), "http" | "https") {
            return invalid("the scheme must be http or https");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return invalid("credentials do not belong into a URL; set a header");
        }
        if url.port() == Some(0) {
            return invalid("port 0 cannot be called");
        }
        let addresses = match url.host() {
            None => return invalid("the URL has no host"),
            Some(Host::Ipv4(address)) => vec![IpAddr::V4(address)],
            Some(Host::Ipv6(address)) => vec![IpAddr::V6(address)],
            Some(Host::Domain(name)) if is_localhost(name) => {
                self.localhost().map_err(RefusedUrl::Forbidden)?
            }
            Some(Host::Domain(_)) => Vec::new(),
        };
        self.check_all(addresses).map_err(RefusedUrl::Forbidden)?;
        Ok(url)
    }

    /// Whether this address may be called.
    ///
    /// # Errors
    /// Says why not.
    pub fn check(&self, address: IpAddr) -> Result<(), String> {
        let Some(why) = ranges::refused(address) else { return Ok(()) };
        let embedded = match address {
            IpAddr::V6(v6) => ranges::embedded_v4(v6).map(IpAddr::V4),
            IpAddr::V4(_) => None,
        };
        let listed = |address: IpAddr| self.allowed.iter().any(|net| net.contains(&address));
        if listed(address) || embedded.is_some_and(listed) {
            return Ok(());
        }
        Err(format!("the address {address} is {why}; only an operator can allow it"))
    }

    /// Whether all of these may be called. A name with one forbidden address is refused whole: otherwise the answer
    /// would hang on which address is tried first.
    pub(crate) fn check_all(
        &self,
        addresses: impl IntoIterator<Item = IpAddr>,
    ) -> Result<(), String> {
        addresses.into_iter().try_for_each(|address| self.check(address))
    }

    /// The loopback addresses that are allowed.
    pub(crate) fn localhost(&self) -> Result<Vec<IpAddr>, String> {
        let allowed: Vec<_> = LOOPBACK.into_iter().filter(|ip| self.check(*ip).is_ok()).collect();
        if allowed.is_empty() {
            return Err("'localhost' is loopback; only an operator can allow it".to_owned());
        }
        Ok(allowed)
    }
}

/// Whether the name is `localhost` or under it.
pub(crate) fn is_localhost(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let last = name.rsplit('.').next().unwrap_or(name);
    last.eq_ignore_ascii_case("localhost")
}

#[cfg(test)]
mod tests;
