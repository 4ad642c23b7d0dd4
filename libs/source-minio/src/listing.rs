//! What the server lists: every version of every key, and the delete markers.
//!
//! A bucket that keeps no versions is listed in the same way; each of its objects has one version, without an id. The
//! server lists keys in the order of their bytes, and the versions of a key from the newest to the oldest.

use instant_xml::FromXml;
use tripline_kernel::Timestamp;

use crate::place::Place;

/// Most versions of one key that are compared with what is known: they are held in memory together.
pub(crate) const VERSIONS_OF_A_KEY_MAX: usize = 100_000;

const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

/// One version of a key, as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) place: Place,
    pub(crate) sort: Sort,
    /// When it was made, in milliseconds since the epoch.
    pub(crate) millis: i64,
    /// Without quotes; empty for a delete marker.
    pub(crate) etag: String,
    pub(crate) size: u64,
}

/// What a listed version is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sort {
    Object,
    DeleteMarker,
}

/// One page of a listing, in the order of places within each key.
#[derive(Debug, Default)]
pub(crate) struct Page {
    pub(crate) listed: Vec<Listed>,
    /// Where the next page begins; nothing when this is the last.
    pub(crate) next: Option<Marker>,
}

/// Where a page begins: after this key and version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Marker {
    pub(crate) key: String,
    pub(crate) version: String,
}

/// Where pages come from.
#[async_trait::async_trait]
pub(crate) trait Lister: Send + Sync {
    /// The page that begins here, the first one at the default marker.
    async fn page(&self, from: Marker) -> Result<Page, tripline_source::Error>;

    /// Whether this version or delete marker is not there any more; false also when the server will not say.
    async fn is_gone(&self, place: &Place) -> bool;
}

/// The page is not what a listing looks like. Says in what way.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Incomprehensible(pub(crate) String);

#[derive(FromXml)]
#[xml(rename = "ListVersionsResult", ns(NAMESPACE))]
struct Answer {
    versions: Vec<Version>,
    markers: Vec<DeleteMarker>,
    #[xml(rename = "IsTruncated")]
    is_truncated: bool,
    #[xml(rename = "NextKeyMarker")]
    next_key_marker: Option<String>,
    #[xml(rename = "NextVersionIdMarker")]
    next_version_id_marker: Option<String>,
    #[xml(rename = "EncodingType")]
    encoding_type: Option<String>,
}

#[derive(FromXml)]
#[xml(rename = "Version", ns(NAMESPACE))]
struct Version {
    #[xml(rename = "Key")]
    key: String,
    #[xml(rename = "VersionId")]
    version_id: String,
    #[xml(rename = "LastModified")]
    last_modified: String,
    #[xml(rename = "ETag")]
    etag: String,
    #[xml(rename = "Size")]
    size: u64,
}

#[derive(FromXml)]
#[xml(rename = "DeleteMarker", ns(NAMESPACE))]
struct DeleteMarker {
    #[xml(rename = "Key")]
    key: String,
    #[xml(rename = "VersionId")]
    version_id: String,
    #[xml(rename = "LastModified")]
    last_modified: String,
}

/// Reads a page.
pub(crate) fn read(body: &[u8]) -> Result<Page, Incomprehensible> {
    let text = std::str::from_utf8(body).map_err(|error| Incomprehensible(error.to_string()))?;
    let answer: Answer =
        instant_xml::from_str(text).map_err(|error| Incomprehensible(error.to_string()))?;
    let encoded = answer.encoding_type.as_deref() == Some("url");
    let decode = |text: String| if encoded { decode(&text) } else { Ok(text) };
    let mut listed = Vec::with_capacity(answer.versions.len() + answer.markers.len());
    for version in answer.versions {
        listed.push(Listed {
            place: place(&decode(version.key)?, &version.version_id)?,
            sort: Sort::Object,
            millis: millis(&version.last_modified)?,
            etag: version.etag.trim_matches('"').to_owned(),
            size: version.size,
        });
    }
    for marker in answer.markers {
        listed.push(Listed {
            place: place(&decode(marker.key)?, &marker.version_id)?,
            sort: Sort::DeleteMarker,
            millis: millis(&marker.last_modified)?,
            etag: String::new(),
            size: 0,
        });
    }
    listed.sort_unstable_by(|one, other| one.place.cmp(&other.place));
    let next = if answer.is_truncated {
        let key = answer.next_key_marker.unwrap_or_default();
        if key.is_empty() {
            return Err(Incomprehensible("there is more, and it is not said where".to_owned()));
        }
        let version = answer.next_version_id_marker.unwrap_or_default();
        Some(Marker { key: decode(key)?, version })
    } else {
        None
    };
    Ok(Page { listed, next })
}

fn place(key: &str, version: &str) -> Result<Place, Incomprehensible> {
    Place::new(key, version)
        .ok_or_else(|| Incomprehensible("there is a key that none can be".to_owned()))
}

fn millis(text: &str) -> Result<i64, Incomprehensible> {
    let time: Timestamp = text
        .parse()
        .map_err(|_| Incomprehensible("a time is not written as times are".to_owned()))?;
    Ok(time.as_micros().div_euclid(1_000))
}

/// Undoes what the server does to keys so that they fit into XML: the encoding of HTML forms.
fn decode(text: &str) -> Result<String, Incomprehensible> {
    let wrong = || Incomprehensible("a key is not encoded as keys are".to_owned());
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                let (high, low) = (digit().ok_or_else(wrong)?, digit().ok_or_else(wrong)?);
                u8::try_from(high * 16 + low).map_err(|_| wrong())?
            }
            plain => plain,
        });
    }
    String::from_utf8(bytes).map_err(|_| wrong())
}

/// Turns pages as the server sends them into pages in the order of places: the versions of a page's last key wait for
/// those that the next page may have.
#[derive(Debug, Default)]
pub(crate) struct Pages {
    held: Vec<Listed>,
    /// The last place that was given out.
    passed: Option<Place>,
}

impl Pages {
    /// What can be compared once this page is there.
    pub(crate) fn take(&mut self, page: Page) -> Result<Vec<Listed>, Incomprehensible> {
        let Page { listed, next } = page;
        let mut listed = if self.held.is_empty() {
            listed
        } else {
            let mut joined = std::mem::take(&mut self.held);
            joined.extend(listed);
            joined.sort_unstable_by(|one, other| one.place.cmp(&other.place));
            joined
        };
        if next.is_some()
            && let Some(last) = listed.last()
        {
            let key = last.place.key().to_owned();
            let whole = listed.partition_point(|listed| listed.place.key() < key.as_str());
            self.held = listed.split_off(whole);
            if self.held.len() > VERSIONS_OF_A_KEY_MAX {
                let why = format!("an object has more than {VERSIONS_OF_A_KEY_MAX} versions");
                return Err(Incomprehensible(why));
            }
        }
        // Out of order, what is there could be taken for missing.
        let places = self.passed.iter().chain(listed.iter().map(|listed| &listed.place));
        if !places.is_sorted_by(|one, next| one < next) {
            return Err(Incomprehensible(
                "the keys are not in the order of their bytes".to_owned(),
            ));
        }
        self.passed = listed.last().map(|listed| listed.place.clone()).or(self.passed.take());
        Ok(listed)
    }
}

#[cfg(test)]
mod tests {
    use super::{Incomprehensible, Listed, Marker, Page, Pages, Sort, decode, read};
    use crate::place::Place;

    const ANSWER: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<ListVersionsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name><Prefix></Prefix><KeyMarker></KeyMarker><NextKeyMarker>b%5Bminio_cache%3Av2%2Creturn%3A%5D</NextKeyMarker><NextVersionIdMarker>v1</NextVersionIdMarker><VersionIdMarker></VersionIdMarker><MaxKeys>3</MaxKeys><IsTruncated>true</IsTruncated><Version><Key>+t%C3%A9%2B%3C</Key><LastModified>2026-11-21T07:04:27.150Z</LastModified><ETag>&#34;415290769594460e2e485922904f345d&#34;</ETag><Size>12</Size><Owner><ID>02</ID><DisplayName>minio</DisplayName></Owner><StorageClass>STANDARD</StorageClass><IsLatest>true</IsLatest><VersionId>null</VersionId></Version><Version><Key>b</Key><LastModified>2026-11-21T07:04:27Z</LastModified><ETag>&#34;9d&#34;</ETag><Size>1</Size><Owner><ID>02</ID><DisplayName>minio</DisplayName></Owner><StorageClass>STANDARD</StorageClass><IsLatest>false</IsLatest><VersionId>v1</VersionId></Version><DeleteMarker><Key>a%01</Key><LastModified>2026-11-21T07:04:27.149Z</LastModified><Owner><ID>02</ID><DisplayName>minio</DisplayName></Owner><IsLatest>true</IsLatest><VersionId>v2</VersionId></DeleteMarker><EncodingType>url</EncodingType></ListVersionsResult>"#;

    #[test]
    fn a_page_is_read_in_the_order_of_places() {
        let page = read(ANSWER.as_bytes()).unwrap();
        let next = Marker { key: "b[minio_cache:v2,return:]".to_owned(), version: "v1".to_owned() };
        assert_eq!(page.next, Some(next));
        let told: Vec<_> = page
            .listed
            .iter()
            .map(|listed| (listed.place.key(), listed.place.version(), listed.sort, listed.millis))
            .collect();
        let second = 1_795_244_667_000;
        assert_eq!(
            told,
            [
                (" té+<", "", Sort::Object, second + 150),
                ("a\u{1}", "v2", Sort::DeleteMarker, second + 149),
                ("b", "v1", Sort::Object, second),
            ]
        );
        assert_eq!(page.listed[0].etag, "415290769594460e2e485922904f345d");
        assert_eq!(page.listed[0].size, 12);
    }

    #[test]
    fn what_is_no_page_is_told() {
        for bad in [
            "<html>".to_owned(),
            ANSWER.replace("27.150Z", "x"),
            ANSWER.replace("%C3%A9", "%C3"),
            ANSWER
                .replace("<NextKeyMarker>b%5Bminio_cache%3Av2%2Creturn%3A%5D</NextKeyMarker>", ""),
        ] {
            assert!(read(bad.as_bytes()).is_err());
        }
        for bad in ["%", "%4", "%zz", "%ff"] {
            assert!(decode(bad).is_err());
        }
    }

    fn listed(key: &str, version: usize) -> Listed {
        let place = Place::new(key, &format!("{version:06}")).unwrap();
        Listed { place, sort: Sort::Object, millis: 0, etag: String::new(), size: 0 }
    }

    #[test]
    fn the_versions_of_a_key_stay_together() {
        let mut pages = Pages::default();
        let more = |listed| Page { listed, next: Some(Marker::default()) };
        let first = pages.take(more(vec![listed("a", 1), listed("b", 7), listed("b", 8)])).unwrap();
        assert_eq!(first, [listed("a", 1)]);
        assert_eq!(pages.take(more(vec![listed("b", 2)])).unwrap(), []);
        let last = Page { listed: vec![listed("b", 1), listed("c", 1)], next: None };
        let rest = [listed("b", 1), listed("b", 2), listed("b", 7), listed("b", 8), listed("c", 1)];
        assert_eq!(pages.take(last).unwrap(), rest);
    }

    #[test]
    fn keys_out_of_order_are_told() {
        let mut pages = Pages::default();
        let page = |listed| Page { listed, next: None };
        assert!(pages.take(page(vec![listed("b", 1), listed("c", 1)])).is_ok());
        for again in ["a", "c"] {
            assert!(pages.take(page(vec![listed(again, 1)])).is_err());
        }
    }

    #[test]
    fn a_key_of_too_many_versions_is_told_not_cut() {
        let mut pages = Pages::default();
        let versions = (0..=super::VERSIONS_OF_A_KEY_MAX).map(|version| listed("a", version));
        let page = Page { listed: versions.collect(), next: Some(Marker::default()) };
        assert!(matches!(pages.take(page), Err(Incomprehensible(_))));
    }
}
