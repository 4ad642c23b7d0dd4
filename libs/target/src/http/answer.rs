//! What an HTTP response means to the invoker.

use std::time::Duration;

use ::http::HeaderMap;
use ::http::header::{CONTENT_TYPE, DATE, HeaderName, RETRY_AFTER};
use jiff::fmt::rfc2822::DateTimeParser;
use tripline_outbound::Fetched;

use crate::Answer;

const TRIPLINE_RETRY: HeaderName = HeaderName::from_static("tripline-retry");
/// RFC 9110 dates are a subset of the dates of RFC 2822.
const HTTP_DATE: DateTimeParser = DateTimeParser::new();

pub(super) fn read(fetched: Fetched) -> Answer {
    let headers = &fetched.headers;
    Answer {
        status_code: fetched.status.as_u16(),
        content_type: text(headers, &CONTENT_TYPE).unwrap_or_default().to_owned(),
        retry_after: retry_after(headers),
        retry_never: text(headers, &TRIPLINE_RETRY)
            .is_some_and(|value| value.trim().eq_ignore_ascii_case("never")),
        body: fetched.body,
    }
}

/// `Retry-After`: seconds, or a date, which counts from the response's own `Date`, so that the clocks of the two sides
/// need not agree. A date without a `Date` beside it says nothing.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = text(headers, &RETRY_AFTER)?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = HTTP_DATE.parse_timestamp(value).ok()?.as_second();
    let sent = HTTP_DATE.parse_timestamp(text(headers, &DATE)?.trim()).ok()?.as_second();
    Some(Duration::from_secs(u64::try_from(until.saturating_sub(sent)).unwrap_or(0)))
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ::http::{HeaderMap, HeaderName, HeaderValue};

    use super::retry_after;

    #[test]
    fn retry_after_is_read_as_seconds_and_as_a_date() {
        type Headers = &'static [(&'static str, &'static str)];
        const SENT: (&str, &str) = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
        let cases: [(Headers, Option<u64>); 7] = [
            (&[("retry-after", "120")], Some(120)),
            (&[("retry-after", " 0 ")], Some(0)),
            (&[SENT, ("retry-after", "Sun, 06 Nov 1994 08:50:00 GMT")], Some(23)),
            (&[SENT, ("retry-after", "Sun, 06 Nov 1994 08:00:00 GMT")], Some(0)),
            (&[("retry-after", "Sun, 06 Nov 1994 08:50:00 GMT")], None),
            (&[SENT, ("retry-after", "soon")], None),
            (&[SENT], None),
        ];
        for (given, expected) in cases {
            let pair = |&(name, value): &(&'static str, &'static str)| {
                (HeaderName::from_static(name), HeaderValue::from_static(value))
            };
            let headers: HeaderMap = given.iter().map(pair).collect();
            assert_eq!(retry_after(&headers), expected.map(Duration::from_secs), "{given:?}");
        }
    }
}
