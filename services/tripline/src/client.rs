//! The public API, as the command line calls it.

use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderName};
use http::{HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Collected, Full, Limited};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use tokio::time::timeout;
use tripline_outbound::{Bounds, Fetched, Guard, Options};
use url::{Host, Url};

use crate::dev::files;
use crate::failure::{Failure, Problem};

/// Where `tripline dev` listens unless told otherwise.
const LOCAL_URL: &str = "http://127.0.0.1:8080";
/// How long an answer may take. A function that is called may take its time.
const ANSWER_MAX: Duration = Duration::from_secs(15 * 60);
/// Largest answer.
const ANSWER_BYTES_MAX: usize = 64 << 20;
/// How long a stream of events may be silent.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// Every network: it is the user who says what to call.
const EVERYWHERE: [&str; 2] = ["0.0.0.0/0", "::/0"];

/// JSON.
pub(crate) const JSON: &str = "application/json";
/// Server-sent events.
const EVENT_STREAM: &str = "text/event-stream";

/// Which server, and who is asking.
#[derive(Debug, clap::Args)]
pub(crate) struct ServerArgs {
    /// The server [default: `tripline dev` on this machine].
    #[arg(long, env = "TRIPLINE_URL", value_name = "URL", global = true)]
    url: Option<String>,
    /// The API key [default: the one that `tripline dev` keeps on this machine].
    #[arg(
        long,
        env = "TRIPLINE_API_KEY",
        value_name = "KEY",
        hide_env_values = true,
        global = true
    )]
    api_key: Option<SecretString>,
}

/// Calls one server in one caller's name.
pub(crate) struct Client {
    http: tripline_outbound::Client,
    url: Url,
    authorization: HeaderValue,
}

/// One request.
#[derive(Debug, Default)]
pub(crate) struct Call<'a> {
    pub(crate) method: Method,
    /// The parts of the path after `/v1`, not encoded.
    pub(crate) path: &'a [&'a str],
    pub(crate) query: &'a [(&'a str, &'a str)],
    pub(crate) headers: &'a [(HeaderName, &'a str)],
    pub(crate) body: Bytes,
}

impl Client {
    /// A client for the server that was named, else for `tripline dev` on this machine.
    pub(crate) fn connect(server: &ServerArgs) -> Result<Self, Failure> {
        let url = server.url.as_deref().unwrap_or(LOCAL_URL);
        let url = parse(url)?;
        match &server.api_key {
            Some(key) => Self::new(url, key),
            None if is_local(&url) => Self::new(url, &local_key()?),
            None => Err(Failure::Failed(
                "no API key: set TRIPLINE_API_KEY, or give one with --api-key".to_owned(),
            )),
        }
    }

    /// A client for this server.
    pub(crate) fn new(url: Url, api_key: &SecretString) -> Result<Self, Failure> {
        let allow_cidrs = EVERYWHERE.map(str::to_owned).to_vec();
        let options = Options { allow_cidrs, ..Options::default() };
        let guard = Guard::new(&options).expect("these are networks");
        let bearer = format!("Bearer {}", api_key.expose_secret().trim());
        let mut authorization = HeaderValue::try_from(bearer).map_err(|_| {
            Failure::Failed("the API key holds characters that none has".to_owned())
        })?;
        authorization.set_sensitive(true);
        let http = tripline_outbound::Client::new(guard, &options);
        Ok(Self { http, url, authorization })
    }

    /// Reads a document.
    pub(crate) async fn get(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<Value, Failure> {
        json(&self.done(Call { path, query, ..Call::default() }).await?)
    }

    /// Stores a document; whether that made it anew, and the document as it is stored.
    pub(crate) async fn put(
        &self,
        path: &[&str],
        document: &impl serde::Serialize,
    ) -> Result<(bool, Value), Failure> {
        let body = serde_json::to_vec(document).expect("its keys are texts").into();
        let headers = [(CONTENT_TYPE, JSON)];
        let call = Call { method: Method::PUT, path, headers: &headers, body, ..Call::default() };
        let answer = self.done(call).await?;
        Ok((answer.status == StatusCode::CREATED, json(&answer)?))
    }

    /// Deletes a document; what went with it, where the server says so.
    pub(crate) async fn delete(&self, path: &[&str]) -> Result<Value, Failure> {
        json(&self.done(Call { method: Method::DELETE, path, ..Call::default() }).await?)
    }

    /// Calls, and takes any answer that is not a success for a refusal.
    pub(crate) async fn done(&self, call: Call<'_>) -> Result<Fetched, Failure> {
        let answer = self.call(call).await?;
        if answer.status.is_success() { Ok(answer) } else { Err(refusal(&answer)) }
    }

    /// Reads a stream of events piece by piece, until `take` has enough or the server ends it: what it says then.
    pub(crate) async fn follow(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
        mut take: impl FnMut(&[u8]) -> Result<ControlFlow<()>, Failure>,
    ) -> Result<ControlFlow<()>, Failure> {
        let request = self.request(Call { path, query, ..Call::default() }, EVENT_STREAM)?;
        let answer = self.http.send(request).await.map_err(|error| self.unreachable(&error))?;
        let (head, mut body) = answer.into_parts();
        if !head.status.is_success() {
            let said = Limited::new(body, ANSWER_BYTES_MAX).collect();
            let said = timeout(SILENCE_MAX, said).await.ok().and_then(Result::ok);
            let body = said.map(Collected::to_bytes).unwrap_or_default();
            let (status, headers) = (head.status, head.headers);
            return Err(refusal(&Fetched { status, headers, body, cut: false }));
        }
        // A server that is there says so more often than this.
        while let Ok(Some(Ok(frame))) = timeout(SILENCE_MAX, body.frame()).await {
            if let Some(piece) = frame.data_ref()
                && take(piece)?.is_break()
            {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Calls, and gives back whatever is answered.
    pub(crate) async fn call(&self, call: Call<'_>) -> Result<Fetched, Failure> {
        let request = self.request(call, JSON)?;
        let bounds = Bounds { deadline: ANSWER_MAX, body_bytes_max: ANSWER_BYTES_MAX };
        let answer =
            self.http.fetch(request, bounds).await.map_err(|error| self.unreachable(&error))?;
        if answer.cut {
            let why = format!("the answer has more than {ANSWER_BYTES_MAX} bytes");
            return Err(Failure::Failed(why));
        }
        Ok(answer)
    }

    fn request(&self, call: Call<'_>, accept: &str) -> Result<Request<Full<Bytes>>, Failure> {
        let Call { method, path, query, headers, body } = call;
        let mut url = self.url.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push("v1").extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let mut request = Request::builder()
            .method(method)
            .uri(url.as_str())
            .header(AUTHORIZATION, &self.authorization)
            .header(ACCEPT, accept);
        for (name, value) in headers {
            request = request.header(name, *value);
        }
        let wrong = |error: http::Error| Failure::Failed(format!("cannot be sent: {error}"));
        request.body(Full::new(body)).map_err(wrong)
    }

    fn unreachable(&self, error: &tripline_outbound::Error) -> Failure {
        let hint = if is_local(&self.url) { "; is `tripline dev` running?" } else { "" };
        Failure::Unreachable(format!("{} cannot be reached: {error}{hint}", self.url))
    }
}

/// The server's refusal, in its own words where it has any.
pub(crate) fn refusal(answer: &Fetched) -> Failure {
    let problem = serde_json::from_slice::<Problem>(&answer.body).unwrap_or_default();
    let status = answer.status.as_u16();
    if problem.code.is_empty() {
        let said = format!("the server answers {}, and not in the way of Tripline", answer.status);
        return Failure::Failed(said);
    }
    Failure::Refused(Problem { status, ..problem })
}

/// The document of an answer; null for an empty one.
pub(crate) fn json(answer: &Fetched) -> Result<Value, Failure> {
    if answer.body.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(&answer.body)
        .map_err(|error| Failure::Failed(format!("the server's answer is not JSON: {error}")))
}

fn parse(url: &str) -> Result<Url, Failure> {
    match Url::parse(url) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(url),
        Ok(_) | Err(_) => Err(Failure::Failed(format!(
            "'{url}' is not the URL of a server; write it like {LOCAL_URL}"
        ))),
    }
}

/// Whether the server is on this machine: only there the key of `tripline dev` is sent.
fn is_local(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

fn local_key() -> Result<SecretString, Failure> {
    let folder =
        files::default_data_dir().map_err(|error| Failure::Failed(format!("{error:#}")))?;
    read_key(&folder.join(files::ADMIN_KEY_FILE))
}

fn read_key(file: &Path) -> Result<SecretString, Failure> {
    std::fs::read_to_string(file).map(SecretString::from).map_err(|error| {
        Failure::Failed(format!(
            "no API key: {} cannot be read ({error}). Start `tripline dev`, set TRIPLINE_API_KEY, or give a key \
             with --api-key",
            file.display()
        ))
    })
}
