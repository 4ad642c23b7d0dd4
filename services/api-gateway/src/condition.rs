//! Preconditions of requests: `If-Match`, `If-None-Match`.

use actix_web::HttpRequest;
use actix_web::http::header::{HeaderName, IF_MATCH, IF_NONE_MATCH};
use tripline_contracts::pb;
use tripline_kernel::ErrorKind;
use tripline_runtime::Problem;

use crate::refusal::Refusal;

/// Most entity tags in one header.
const TAGS_MAX: usize = 16;

/// What `If-Match` asks for.
#[derive(Debug, PartialEq, Eq)]
enum Tags {
    /// `*`: whatever is there.
    Any,
    /// One of these revisions. Tags that are no revision of ours match nothing and are left out.
    Revisions(Vec<u64>),
}

/// What a write must find. `revision` reads the stored revision; it is asked only for what one revision cannot say.
pub(crate) async fn of_write(
    request: &HttpRequest,
    revision: impl Future<Output = Result<u64, Problem>>,
) -> Result<Option<pb::Condition>, Problem> {
    let if_absent = match tags(request, &IF_NONE_MATCH, "If-None-Match")? {
        None => false,
        Some(Tags::Any) => true,
        Some(Tags::Revisions(_)) => {
            let problem = "a write takes only '*'";
            return Err(Refusal::Header { name: "If-None-Match", problem }.into());
        }
    };
    let if_revision = match tags(request, &IF_MATCH, "If-Match")? {
        None => None,
        Some(Tags::Revisions(revisions)) if revisions.is_empty() => {
            return Err(Refusal::Revision.into());
        }
        Some(Tags::Revisions(revisions)) if revisions.len() == 1 => Some(revisions[0]),
        Some(wanted) => match revision.await {
            Ok(current) if wanted.hold(current) => Some(current),
            Ok(_) => return Err(Refusal::Revision.into()),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(Refusal::Revision.into());
            }
            Err(error) => return Err(error),
        },
    };
    let asked = if_absent || if_revision.is_some();
    Ok(asked.then_some(pb::Condition { if_revision, if_absent }))
}

/// Whether a reader already has `revision`: the answer is 304.
pub(crate) fn is_known(request: &HttpRequest, revision: u64) -> Result<bool, Refusal> {
    Ok(tags(request, &IF_NONE_MATCH, "If-None-Match")?.is_some_and(|tags| tags.hold(revision)))
}

impl Tags {
    fn hold(&self, revision: u64) -> bool {
        match self {
            Self::Any => true,
            Self::Revisions(revisions) => revisions.contains(&revision),
        }
    }
}

fn tags(
    request: &HttpRequest,
    header: &HeaderName,
    name: &'static str,
) -> Result<Option<Tags>, Refusal> {
    let Some(value) = request.headers().get(header) else { return Ok(None) };
    let wrong = |problem| Refusal::Header { name, problem };
    let value = value.to_str().map_err(|_| wrong("entity tags are printable ASCII"))?.trim();
    if value == "*" {
        return Ok(Some(Tags::Any));
    }
    let mut revisions = Vec::new();
    for tag in value.split(',').take(TAGS_MAX) {
        // Weak tags are ours too when they are compared weakly; no answer of ours has one.
        let quoted = tag.trim().trim_start_matches("W/");
        let tag = quoted.strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
        let tag = tag.ok_or_else(|| wrong("an entity tag stands in double quotes"))?;
        revisions.extend(tag.parse::<u64>());
    }
    Ok(Some(Tags::Revisions(revisions)))
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::IF_MATCH;
    use actix_web::test::TestRequest;

    use super::{Tags, tags};

    #[test]
    fn entity_tags_name_revisions() {
        let read = |value: &str| {
            let request = TestRequest::default().insert_header((IF_MATCH, value)).to_http_request();
            tags(&request, &IF_MATCH, "If-Match").map(Option::unwrap)
        };
        assert_eq!(read("*").unwrap(), Tags::Any);
        assert_eq!(read("\"7\"").unwrap(), Tags::Revisions(vec![7]));
        assert_eq!(read("\"7\" , \"other\",W/\"9\"").unwrap(), Tags::Revisions(vec![7, 9]));
        assert_eq!(read("\"other\"").unwrap(), Tags::Revisions(vec![]));
        for bad in ["", "7", "\"7", "\"7\",", "'7'"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
