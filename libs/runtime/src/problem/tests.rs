use std::borrow::Cow;

use super::*;

#[derive(Debug, thiserror::Error)]
#[error("the password is hunter2")]
struct Sample {
    kind: ErrorKind,
    faults: Vec<Fault>,
}

impl Classify for Sample {
    fn kind(&self) -> ErrorKind {
        self.kind
    }

    fn code(&self) -> Cow<'static, str> {
        "store-failed".into()
    }

    fn faults(&self) -> &[Fault] {
        &self.faults
    }

    fn retry_after_seconds(&self) -> Option<u32> {
        self.kind.is_retryable().then_some(3)
    }
}

fn sample(kind: ErrorKind) -> Problem {
    Problem::from(Sample { kind, faults: vec![Fault::new("/a", "wrong", "it is wrong")] })
}

#[test]
fn every_kind_has_its_status() {
    let expected = [
        (ErrorKind::Malformed, 400),
        (ErrorKind::Invalid, 422),
        (ErrorKind::TooLarge, 413),
        (ErrorKind::Unsupported, 415),
        (ErrorKind::Unauthenticated, 401),
        (ErrorKind::Forbidden, 403),
        (ErrorKind::NotFound, 404),
        (ErrorKind::Conflict, 409),
        (ErrorKind::Precondition, 412),
        (ErrorKind::Exhausted, 429),
        (ErrorKind::Timeout, 504),
        (ErrorKind::Unavailable, 503),
        (ErrorKind::Internal, 500),
    ];
    for (kind, status) in expected {
        let response = sample(kind).error_response();
        assert_eq!(response.status().as_u16(), status, "{kind:?}");
        let headers = response.headers();
        assert_eq!(headers.get(header::CONTENT_TYPE).unwrap(), CONTENT_TYPE);
        assert_eq!(headers.contains_key(header::WWW_AUTHENTICATE), status == 401);
        assert_eq!(headers.contains_key(header::RETRY_AFTER), matches!(status, 429 | 503 | 504));
    }
}

#[test]
fn the_body_is_a_problem_as_in_rfc_9457() {
    assert_eq!(
        sample(ErrorKind::Invalid).at("/v1/things/x").body(),
        concat!(
            r#"{"type":"/docs/errors/store-failed","title":"The request is not valid","status":422,"#,
            r#""detail":"the password is hunter2","instance":"/v1/things/x","code":"store-failed","#,
            r#""errors":[{"pointer":"/a","code":"wrong","detail":"it is wrong"}]}"#
        )
    );
}

#[test]
fn an_internal_error_says_nothing_of_itself() {
    let body = sample(ErrorKind::Internal).body();
    assert_eq!(
        body,
        concat!(
            r#"{"type":"/docs/errors/store-failed","title":"Internal error","status":500,"#,
            r#""detail":"internal error","code":"store-failed"}"#
        )
    );
}
