//! Logs, to standard error; spans, to a collector.

pub(crate) mod otlp;

use std::io::IsTerminal as _;

use actix_web::http::Uri;
use tracing::Level;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::{ParseError, filter_fn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tripline_kernel::Fault;

/// Libraries whose news is no news, unless the filter names them. What lapin calls an error, such as a channel that
/// closes, its adapter handles and tells of where it matters.
const QUIET: &str = "actix_server=warn,sea_orm_migration=warn,sqlx=warn,lapin=off";

/// How a log line looks.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// What is logged, and how.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// `json` or `text`; when left out, text on a terminal and JSON elsewhere.
    ///
    /// When it is `json`, the process also says on standard output, in one line, when it is ready and where.
    pub format: Option<Format>,
    /// What is logged: a level, or levels by module, such as `info,tripline_invoker=debug`. Libraries of others log at
    /// `info` at most, whatever it says: at finer levels some write passwords.
    pub filter: String,
    /// Address of an OpenTelemetry collector (OTLP over gRPC, no TLS). Sampled traces are sent there; without it,
    /// nothing is traced here, and `traceparent` is passed on as it came.
    #[schemars(example = "http://127.0.0.1:4317")]
    pub otlp_endpoint: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self { format: None, filter: "info".to_owned(), otlp_endpoint: None }
    }
}

impl Options {
    /// Every fault.
    #[must_use]
    pub fn validate(&self) -> Vec<Fault> {
        let wrong = self.filter().err();
        let filter = wrong.map(|error| Fault::new("/filter", "bad-filter", error.to_string()));
        let endpoint = self.otlp_endpoint.as_deref().and_then(wrong_endpoint);
        let endpoint = endpoint.map(|why| Fault::new("/otlp_endpoint", "bad-endpoint", why));
        filter.into_iter().chain(endpoint).collect()
    }

    fn filter(&self) -> Result<EnvFilter, ParseError> {
        EnvFilter::builder().parse(format!("{QUIET},{}", self.filter))
    }
}

/// Database drivers and message clients write their options and frames at finer levels, passwords and all.
fn may_be_logged(target: &str, level: Level) -> bool {
    level <= Level::INFO || target.starts_with("tripline")
}

/// What is wrong with the address of a collector. Does not show it.
fn wrong_endpoint(endpoint: &str) -> Option<&'static str> {
    let Ok(uri) = endpoint.parse::<Uri>() else { return Some("it is not a URI") };
    let Some(authority) = uri.authority().filter(|_| uri.scheme_str() == Some("http")) else {
        return Some("it begins with http://, and then says a host");
    };
    // Nothing would send it, and `print-config` would show it.
    if authority.as_str().contains('@') {
        return Some("it holds no user and no password");
    }
    if authority.host().is_empty() {
        return Some("it says a host");
    }
    let has_port = authority.as_str().len() > authority.host().len();
    (has_port && authority.port_u16().is_none()).then_some("its port is no port")
}

/// A subscriber is installed already, or the filter cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("logging cannot begin: {0}")]
pub struct Error(Box<dyn std::error::Error + Send + Sync>);

/// Begins logging, for the whole process. Only programs call this, once.
///
/// # Errors
/// When it was called before, or the filter cannot be read.
pub fn init(options: &Options) -> Result<(), Error> {
    let filter = options.filter().map_err(|error| Error(error.into()))?;
    let terminal = std::io::stderr().is_terminal();
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let format = options.format.unwrap_or(if terminal { Format::Text } else { Format::Json });
    let harmless = filter_fn(|event| may_be_logged(event.target(), *event.level()));
    match format {
        Format::Json => {
            let json = builder.json().flatten_event(true).with_span_list(false);
            json.finish().with(harmless).try_init()
        }
        Format::Text => builder.compact().with_ansi(terminal).finish().with(harmless).try_init(),
    }
    .map_err(|error| Error(error.into()))
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::{Options, may_be_logged};

    #[test]
    fn a_filter_that_cannot_be_read_is_a_fault() {
        let with = |filter: &str| Options { filter: filter.to_owned(), ..Options::default() };
        for good in ["info", "warn,tripline_invoker=debug", "actix_server=info"] {
            assert_eq!(with(good).validate(), []);
        }
        assert_eq!(with("tripline_invoker=loudly").validate()[0].pointer, "/filter");
    }

    #[test]
    fn libraries_of_others_never_log_what_may_hold_passwords() {
        for level in [Level::DEBUG, Level::TRACE] {
            assert!(!may_be_logged("sea_orm::driver::sqlx_mysql", level));
            assert!(!may_be_logged("lapin::channel", level));
            assert!(may_be_logged("tripline_invoker::attempt", level));
        }
        assert!(may_be_logged("sqlx", Level::INFO));
    }

    #[test]
    fn an_endpoint_that_cannot_be_one_is_a_fault_that_does_not_show_it() {
        let to = |endpoint: &str| {
            let otlp_endpoint = Some(endpoint.to_owned());
            Options { otlp_endpoint, ..Options::default() }.validate()
        };
        for good in ["http://127.0.0.1:4317", "http://collector", "http://[::1]:4317/"] {
            assert_eq!(to(good), []);
        }
        for bad in [
            "",
            "127.0.0.1:4317",
            "https://collector:4317",
            "http://",
            "http:///v1/traces",
            "http://:4317",
            "http://collector:port",
            "http://collector:70000",
            "http://who:hush@collector:4317",
            "http://hush@collector:4317",
        ] {
            let faults = to(bad);
            assert_eq!(faults.len(), 1, "{bad}");
            assert_eq!(faults[0].pointer, "/otlp_endpoint", "{bad}");
            assert!(!faults[0].detail.contains("hush"), "{faults:?}");
        }
    }
}
