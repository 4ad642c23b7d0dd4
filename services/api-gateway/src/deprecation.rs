//! Saying that a route will go: `Deprecation` (RFC 9745) and `Sunset` (RFC 8594).

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue, LINK};

const DEPRECATION: HeaderName = HeaderName::from_static("deprecation");
const SUNSET: HeaderName = HeaderName::from_static("sunset");

/// A route that clients should leave.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deprecation {
    /// The pattern of its path.
    pub(crate) route: &'static str,
    /// Since when, in seconds since the epoch.
    pub(crate) since: i64,
    /// When it will be gone, as an HTTP date.
    pub(crate) sunset: &'static str,
    /// The page that says what to do instead.
    pub(crate) link: &'static str,
}

/// The routes that clients should leave. There are none yet.
pub(crate) const DEPRECATED: &[Deprecation] = &[];

/// Says it in the answer of a route that is among these.
pub(crate) fn say(among: &[Deprecation], route: Option<&str>, headers: &mut HeaderMap) {
    let Some(deprecation) = among.iter().find(|deprecation| Some(deprecation.route) == route)
    else {
        return;
    };
    let since = format!("@{}", deprecation.since);
    let link = format!("<{}>; rel=\"deprecation\"; type=\"text/html\"", deprecation.link);
    for (name, value) in
        [(DEPRECATION, since), (SUNSET, deprecation.sunset.to_owned()), (LINK, link)]
    {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.append(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderMap;

    use super::{DEPRECATED, Deprecation, say};

    const OLD: Deprecation = Deprecation {
        route: "/v1/old",
        since: 1_750_000_000,
        sunset: "Sun, 01 Feb 2026 00:00:00 GMT",
        link: "/docs/old",
    };

    #[test]
    fn only_a_deprecated_route_says_so_and_how_long_it_lasts() {
        let mut headers = HeaderMap::new();
        say(&[OLD], Some("/v1/new"), &mut headers);
        say(&[OLD], None, &mut headers);
        say(DEPRECATED, Some("/v1/old"), &mut headers);
        assert_eq!(headers.len(), 0);
        say(&[OLD], Some("/v1/old"), &mut headers);
        let text = |name: &str| headers.get(name).unwrap().to_str().unwrap().to_owned();
        assert_eq!(text("deprecation"), "@1750000000");
        assert_eq!(text("sunset"), OLD.sunset);
        assert_eq!(text("link"), "</docs/old>; rel=\"deprecation\"; type=\"text/html\"");
    }
}
