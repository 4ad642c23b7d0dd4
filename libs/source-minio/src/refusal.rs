//! What the server's refusal means.

use http::StatusCode;
use tripline_source::Error;

/// What the server answers in place of what was asked for, as far as it was read. `doing` is what it would not let do, such
/// as `listen to`.
pub(crate) fn error(status: StatusCode, body: &[u8], bucket: &str, doing: &str) -> Error {
    let body = String::from_utf8_lossy(body);
    let code = element(&body, "Code").unwrap_or_default();
    let message = element(&body, "Message").unwrap_or_else(|| format!("status {status}"));
    match (&*code, status) {
        ("NoSuchBucket", _) => Error::Missing(format!("there is no bucket '{bucket}': {message}")),
        ("RequestTimeTooSkewed", _) => Error::Unreachable(format!(
            "the clocks of MinIO and of this system differ too much: {message}"
        )),
        ("InvalidAccessKeyId", _) => {
            Error::Refused(format!("MinIO does not know the access key: {message}"))
        }
        ("SignatureDoesNotMatch", _) => {
            Error::Refused(format!("the secret key does not fit the access key: {message}"))
        }
        (_, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
            Error::Refused(format!("the access key may not {doing} bucket '{bucket}': {message}"))
        }
        (_, StatusCode::NOT_FOUND) => {
            Error::Missing(format!("the endpoint does not serve bucket '{bucket}': {message}"))
        }
        (_, status) if status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS => {
            Error::Refused(format!("MinIO refuses the settings: {message}"))
        }
        _ => Error::Unreachable(format!("MinIO answers {status}: {message}")),
    }
}

/// The text of the first element of this name.
fn element(xml: &str, name: &str) -> Option<String> {
    /// Longest text of the server that is passed on.
    const SHOWN_CHARS_MAX: usize = 500;
    let (_, after) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = after.split_once(&format!("</{name}>"))?;
    let plain = text
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&#34;", "\"")
        .replace("&apos;", "'")
        .replace("&#39;", "'")
        .replace("&amp;", "&");
    Some(plain.chars().filter(|c| !c.is_control()).take(SHOWN_CHARS_MAX).collect())
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use tripline_source::Error;

    use super::error;

    fn of(status: u16, code: &str) -> Error {
        let body = format!("<?xml?><Error><Code>{code}</Code><Message>a &amp; b</Message></Error>");
        error(StatusCode::from_u16(status).unwrap(), body.as_bytes(), "photos", "listen to")
    }

    #[test]
    fn what_only_new_settings_help_is_refused_and_the_rest_is_tried_again() {
        assert!(matches!(of(403, "InvalidAccessKeyId"), Error::Refused(_)));
        assert!(matches!(of(403, "SignatureDoesNotMatch"), Error::Refused(_)));
        assert!(matches!(of(403, "AccessDenied"), Error::Refused(_)));
        assert!(matches!(of(400, "InvalidArgument"), Error::Refused(_)));
        assert!(matches!(of(404, "NoSuchBucket"), Error::Missing(_)));
        assert!(matches!(of(404, "x"), Error::Missing(_)));
        assert!(matches!(of(403, "RequestTimeTooSkewed"), Error::Unreachable(_)));
        for status in [307, 429, 500, 503] {
            assert!(matches!(of(status, "SlowDown"), Error::Unreachable(_)));
        }
        assert!(of(404, "NoSuchBucket").to_string().ends_with("'photos': a & b"));
    }

    #[test]
    fn an_answer_without_xml_is_told_by_its_status() {
        let told = error(StatusCode::BAD_GATEWAY, b"<html>\xff", "photos", "listen to").to_string();
        assert_eq!(told, "MinIO answers 502 Bad Gateway: status 502 Bad Gateway");
    }
}
