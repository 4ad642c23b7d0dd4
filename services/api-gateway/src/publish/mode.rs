//! In which of the content modes of the CloudEvents HTTP binding a request comes.

use actix_web::http::header::{HeaderMap, HeaderName};
use tripline_event::Event;
use tripline_trace::TraceContext;

use crate::body::media_type;
use crate::refusal::Refusal;

/// The header that a trace context travels in. Made from a text at each look-up, its name would be allocated anew.
const TRACEPARENT: HeaderName = HeaderName::from_static(tripline_trace::TRACEPARENT);

/// How the events stand in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// One event in the JSON format.
    Structured,
    /// An array of events in the JSON format.
    Batch,
    /// One event: attributes in headers, data in the body.
    Binary,
}

impl Mode {
    /// The mode, by the content type; only what is not of the CloudEvents formats can be binary.
    pub(crate) fn of(headers: &HeaderMap, content_type: Option<&str>) -> Result<Self, Refusal> {
        const FORMATS: &str = "application/cloudevents";
        let media_type = media_type(content_type.unwrap_or_default()).to_ascii_lowercase();
        let refused = |detail: String| Err(Refusal::MediaType(detail));
        match media_type.strip_prefix(FORMATS) {
            Some("+json") => utf8(content_type).map(|()| Self::Structured),
            Some("-batch+json") => utf8(content_type).map(|()| Self::Batch),
            Some(_) => refused(format!(
                "'{media_type}' is not spoken here: events come as {FORMATS}+json or {FORMATS}-batch+json"
            )),
            None if Event::is_binary_mode(headers.keys().map(AsRef::as_ref)) => Ok(Self::Binary),
            None => refused(format!(
                "this is no CloudEvent: send {FORMATS}+json, {FORMATS}-batch+json, or attributes in ce- headers"
            )),
        }
    }
}

/// JSON is UTF-8 (RFC 8259, section 8.1), whatever else a charset says.
fn utf8(content_type: Option<&str>) -> Result<(), Refusal> {
    let parameters = content_type.unwrap_or_default().split(';').skip(1);
    for parameter in parameters {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let is_charset = name.trim().eq_ignore_ascii_case("charset");
        if is_charset && !value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8") {
            return Err(Refusal::MediaType("events in JSON are in UTF-8".to_owned()));
        }
    }
    Ok(())
}

/// The trace context of a request, if it comes with one; what is not a `traceparent` is left out.
pub(crate) fn traceparent(headers: &HeaderMap) -> Option<TraceContext> {
    headers.get(TRACEPARENT)?.to_str().ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderMap;
    use actix_web::test::TestRequest;

    use super::{Mode, traceparent};

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        TestRequest::default().insert_header((name, value)).to_http_request().headers().clone()
    }

    #[test]
    fn the_mode_goes_by_the_content_type_first() {
        let (bare, binary) = (HeaderMap::new(), headers("ce-id", "1"));
        let structured = Some("Application/CloudEvents+JSON; charset=UTF-8");
        assert_eq!(Mode::of(&bare, structured), Ok(Mode::Structured));
        assert_eq!(Mode::of(&binary, structured), Ok(Mode::Structured));
        assert_eq!(Mode::of(&bare, Some("application/cloudevents-batch+json")), Ok(Mode::Batch));
        assert_eq!(Mode::of(&binary, Some("application/json")), Ok(Mode::Binary));
        assert_eq!(Mode::of(&binary, None), Ok(Mode::Binary));
        for refused in [
            "application/cloudevents",
            "application/cloudevents+avro",
            "application/cloudevents-batch",
        ] {
            assert!(Mode::of(&binary, Some(refused)).is_err(), "{refused}");
        }
        assert!(Mode::of(&bare, Some("application/cloudevents+json;charset=latin1")).is_err());
        assert!(Mode::of(&bare, Some("application/json")).is_err());
        assert!(Mode::of(&bare, None).is_err());
    }

    #[test]
    fn a_traceparent_is_read_by_the_one_rule_that_spans_are_made_by() {
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let read = |text: &str| Some(traceparent(&headers("traceparent", text))?.to_string());
        assert_eq!(read(good).as_deref(), Some(good));
        // What a later version says more, and flags that have no meaning yet, end here.
        let later = "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-ff-more";
        assert_eq!(read(later).as_deref(), Some(good));
        assert_eq!(read(&format!("{good}-more")), None);
        assert_eq!(traceparent(&HeaderMap::new()), None);
    }
}
