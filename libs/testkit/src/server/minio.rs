//! `MinIO`.

use std::path::Path;
use std::time::Duration;

use ::http::Method;
use anyhow::{Context as _, bail};
use bytes::Bytes;
use rusty_s3::actions::ObjectIdentifier;
use rusty_s3::{Credentials, S3Action as _, UrlStyle};
use url::Url;

use super::{Kind, Server, part};
use crate::child::Spec;
use crate::port::Port;
use crate::{http, program, unique};

/// A `MinIO` server.
pub type Minio = Server<Setup>;

const USER: &str = "tripline";
const PASSWORD: &str = "tripline-secret";
/// How long a signed URL holds.
const SIGNED_FOR: Duration = Duration::from_secs(60);

/// What a `MinIO` server needs.
#[derive(Debug)]
pub struct Setup {
    port: Option<(Port, std::path::PathBuf)>,
    endpoint: Url,
    access_key: String,
    secret_key: String,
}

impl Kind for Setup {
    const NAME: &'static str = "MinIO";
    const VARIABLE: &'static str = "TRIPLINE_TEST_MINIO_URL";
    const START_MAX: Duration = Duration::from_secs(60);

    async fn prepare(_dir: &Path) -> anyhow::Result<Self> {
        let (port, program) = (Port::free()?, program::minio()?);
        Ok(Self {
            endpoint: format!("http://{}", port.addr()).parse()?,
            port: Some((port, program)),
            access_key: USER.to_owned(),
            secret_key: PASSWORD.to_owned(),
        })
    }

    /// `http://ACCESS_KEY:SECRET_KEY@HOST:PORT`.
    fn external(url: &str) -> anyhow::Result<Self> {
        let mut endpoint: Url = url.parse()?;
        let access_key = part(Some(endpoint.username()), "access key")?.to_owned();
        let secret_key = part(endpoint.password(), "secret key")?.to_owned();
        let bare = endpoint.set_username("").and(endpoint.set_password(None));
        if bare.is_err() {
            bail!("the URL names no host");
        }
        Ok(Self { port: None, endpoint, access_key, secret_key })
    }

    fn spec(&self, dir: &Path) -> Spec {
        let (port, program) = self.port.as_ref().expect("only a prepared server is started");
        Spec::new(program, dir)
            .args(["server", "--quiet", "--address"])
            .arg(port.addr().to_string())
            .arg(dir.join("data"))
            .env("MINIO_ROOT_USER", USER)
            .env("MINIO_ROOT_PASSWORD", PASSWORD)
            .env("MINIO_BROWSER", "off")
            .env("MINIO_UPDATE", "off")
            .env("HOME", dir)
    }

    async fn is_ready(&self) -> bool {
        // For a moment after it says that it is ready it still answers 503 to all else.
        let answered = http::request(Method::GET, self.endpoint.as_str(), Bytes::new()).await;
        http::is_ok(&format!("{}minio/health/ready", self.endpoint)).await
            && answered.is_ok_and(|(status, _)| !status.is_server_error())
    }
}

impl Server<Setup> {
    /// `http://HOST:PORT`, without a slash at the end.
    #[must_use]
    pub fn endpoint(&self) -> String {
        self.kind.endpoint.as_str().trim_end_matches('/').to_owned()
    }

    /// The access key of the administrator.
    #[must_use]
    pub fn access_key(&self) -> &str {
        &self.kind.access_key
    }

    /// The secret key of the administrator.
    #[must_use]
    pub fn secret_key(&self) -> &str {
        &self.kind.secret_key
    }

    /// A new, empty bucket of one's own.
    ///
    /// # Errors
    /// When the server refuses it.
    pub async fn bucket(&self) -> anyhow::Result<Bucket> {
        let endpoint = self.kind.endpoint.clone();
        let bucket = rusty_s3::Bucket::new(endpoint, UrlStyle::Path, unique("test"), "us-east-1")?;
        let credentials = Credentials::new(self.access_key(), self.secret_key());
        let url = bucket.create_bucket(&credentials).sign(SIGNED_FOR);
        send(Method::PUT, &url, Bytes::new()).await?;
        Ok(Bucket { endpoint: self.endpoint(), bucket, credentials })
    }
}

/// One bucket, and what it takes to use it.
#[derive(Debug, Clone)]
pub struct Bucket {
    endpoint: String,
    bucket: rusty_s3::Bucket,
    credentials: Credentials,
}

impl Bucket {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.bucket.name()
    }

    /// `http://HOST:PORT` of the server, without a slash at the end.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The key that may do everything with it.
    #[must_use]
    pub fn access_key(&self) -> &str {
        self.credentials.key()
    }

    /// The secret of that key.
    #[must_use]
    pub fn secret_key(&self) -> &str {
        self.credentials.secret()
    }

    /// Stores an object.
    ///
    /// # Errors
    /// When the server refuses it.
    pub async fn put(&self, key: &str, body: impl Into<Bytes>) -> anyhow::Result<()> {
        let url = self.bucket.put_object(Some(&self.credentials), key).sign(SIGNED_FOR);
        send(Method::PUT, &url, body.into()).await
    }

    /// Removes an object.
    ///
    /// # Errors
    /// When the server refuses it.
    pub async fn remove(&self, key: &str) -> anyhow::Result<()> {
        let url = self.bucket.delete_object(Some(&self.credentials), key).sign(SIGNED_FOR);
        send(Method::DELETE, &url, Bytes::new()).await
    }

    /// Removes one version of an object, or a delete marker, for good.
    ///
    /// # Errors
    /// When the server refuses it.
    pub async fn remove_version(&self, key: &str, version: &str) -> anyhow::Result<()> {
        let mut action = self.bucket.delete_object(Some(&self.credentials), key);
        action.query_mut().insert("versionId", version);
        send(Method::DELETE, &action.sign(SIGNED_FOR), Bytes::new()).await
    }

    /// Removes up to 1,000 objects with one request.
    ///
    /// # Errors
    /// When the server refuses it.
    pub async fn remove_all(&self, keys: &[String]) -> anyhow::Result<()> {
        let objects: Vec<_> = keys.iter().cloned().map(ObjectIdentifier::new).collect();
        let mut action = self.bucket.delete_objects(Some(&self.credentials), objects.iter());
        action.set_quiet(true);
        let url = action.sign(SIGNED_FOR);
        let (body, digest) = action.body_with_md5();
        let (status, answer) = http::request_with(
            Method::POST,
            url.as_str(),
            body.into(),
            &[("content-md5", &digest)],
        )
        .await?;
        let answer = String::from_utf8_lossy(&answer);
        if !status.is_success() || answer.contains("<Error>") {
            bail!("MinIO answered {status} to a removal of many objects: {answer}");
        }
        Ok(())
    }

    /// From now on the bucket keeps versions.
    ///
    /// # Errors
    /// When the server refuses it.
    pub async fn keep_versions(&self) -> anyhow::Result<()> {
        const ENABLED: &str =
            "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
        let mut action = self.bucket.create_bucket(&self.credentials);
        action.query_mut().insert("versioning", "");
        send(Method::PUT, &action.sign(SIGNED_FOR), Bytes::from_static(ENABLED.as_bytes())).await
    }

    /// Every version and delete marker. Reads the server's answer by itself, with no code of Tripline's, and only of keys
    /// that XML takes as they are.
    ///
    /// # Errors
    /// When the server refuses it, or answers something else.
    pub async fn versions(&self) -> anyhow::Result<Vec<Version>> {
        let (mut versions, mut from) = (Vec::new(), None::<(String, String)>);
        loop {
            let mut action = self.bucket.list_objects_v2(Some(&self.credentials));
            let query = action.query_mut();
            for name in ["list-type", "encoding-type"] {
                query.remove(name);
            }
            query.insert("versions", "");
            if let Some((key, version)) = &from {
                query.insert("key-marker", key.as_str());
                query.insert("version-id-marker", version.as_str());
            }
            let url = action.sign(SIGNED_FOR);
            let (status, answer) = http::request(Method::GET, url.as_str(), Bytes::new()).await?;
            let answer = String::from_utf8(answer.into())?;
            if !status.is_success() {
                bail!("MinIO answered {status} to a listing: {answer}");
            }
            for (element, delete_marker) in [("Version", false), ("DeleteMarker", true)] {
                for part in answer.split(&format!("<{element}>")).skip(1) {
                    let (key, id) = (element_of(part, "Key")?, element_of(part, "VersionId")?);
                    versions.push(Version { key, id, delete_marker });
                }
            }
            if !answer.contains("<IsTruncated>true") {
                return Ok(versions);
            }
            let marker = |name| element_of(&answer, name);
            from = Some((marker("NextKeyMarker")?, marker("NextVersionIdMarker")?));
        }
    }
}

/// A version of an object, or a delete marker.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// The key.
    pub key: String,
    /// The version's id; `null` for the one that has none.
    pub id: String,
    /// Whether it is a delete marker.
    pub delete_marker: bool,
}

fn element_of(xml: &str, name: &str) -> anyhow::Result<String> {
    let after = xml.split_once(&format!("<{name}>")).map(|(_, after)| after);
    let text = after.and_then(|after| after.split_once('<')).map(|(text, _)| text.to_owned());
    text.with_context(|| format!("the listing has no {name}"))
}

async fn send(method: Method, url: &Url, body: Bytes) -> anyhow::Result<()> {
    let (status, answer) = http::request(method, url.as_str(), body).await?;
    if !status.is_success() {
        bail!("MinIO answered {status} to {}: {}", url.path(), String::from_utf8_lossy(&answer));
    }
    Ok(())
}
