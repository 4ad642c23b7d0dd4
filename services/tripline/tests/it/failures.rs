//! How a command fails, and what it says then.

use serde_json::json;
use tripline_testkit::{Answer, Receiver};

use crate::{against, tripline};

#[test]
fn a_refusal_is_told_with_each_fault_and_its_place() {
    let server = Receiver::start();
    let problem = json!({"type": "/docs/errors/invalid-pattern", "title": "Invalid", "status": 422,
    "detail": "not valid", "code": "invalid-pattern", "errors": [
        {"pointer": "/pattern/a", "code": "empty-array", "detail": "give an alternative"},
        {"pointer": "", "code": "x", "detail": "y\u{7}"},
    ]});
    let answer = Answer::status(422).header("content-type", "application/problem+json");
    server.otherwise(answer.body(problem.to_string()));
    let said = against(&server, &["get", "trigger", "t"]);
    assert_eq!((said.code, &*said.out), (1, ""));
    assert_eq!(
        said.err,
        "error: not valid (422, invalid-pattern)\n  \
         /pattern/a: give an alternative (empty-array)\n  the whole: y\u{fffd} (x)\n"
    );
    let env = [("TRIPLINE_URL", &*server.url("")), ("TRIPLINE_API_KEY", "key")];
    let said = tripline(&env, &["apply", "-f", "-"], r#"{"kind": "trigger", "name": "t"}"#);
    assert_eq!(said.code, 1);
    assert!(said.err.starts_with("error: trigger/t: not valid (422, "), "{}", said.err);
}

#[test]
fn a_server_that_is_not_there_has_an_exit_code_of_its_own() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{port}");
    let said = tripline(&[], &["list", "functions", "--url", &url, "--api-key", "k"], "");
    assert_eq!(said.code, 3);
    assert!(
        said.err.contains("cannot be reached") && said.err.contains("tripline dev"),
        "{}",
        said.err
    );
}

#[test]
fn what_is_no_answer_of_tripline_is_told_as_such() {
    let server = Receiver::start();
    server
        .script("/v1/functions", [Answer::status(502).body("<html>"), Answer::ok().body("<html>")]);
    let said = against(&server, &["list", "functions"]);
    assert_eq!(
        said.err,
        "error: the server answers 502 Bad Gateway, and not in the way of Tripline\n"
    );
    let said = against(&server, &["list", "functions"]);
    assert!(said.err.starts_with("error: the server's answer is not JSON: "), "{}", said.err);
}

#[test]
fn wrong_usage_is_told_before_anything_is_sent() {
    for args in [
        &["get", "thing", "x"][..],
        &["publish", "--type", "t"],
        &["publish", "--file", "x", "--type", "t"],
        &["invocations", "--state", "gone"],
        &["invocations", "abc", "--state", "dead"],
        &["invoke"],
    ] {
        let said = tripline(&[("TRIPLINE_URL", "http://127.0.0.1:1")], args, "");
        assert_eq!(said.code, 2, "{args:?}: {}", said.err);
    }
    for args in [
        &["publish", "--type", "t", "--source", ""][..],
        &["apply", "-f", "/nowhere/at-all"],
        &["list", "buses", "--url", "ftp://x"],
    ] {
        let said = tripline(
            &[("TRIPLINE_URL", "http://127.0.0.1:1"), ("TRIPLINE_API_KEY", "k")],
            args,
            "",
        );
        assert_eq!(said.code, 1, "{args:?}: {}", said.err);
    }
}

#[test]
fn the_key_of_a_local_dev_is_found_and_sent_nowhere_else() {
    let server = Receiver::start();
    server.otherwise(Answer::ok().body(r#"{"items": [], "next_cursor": null}"#));
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join("tripline")).unwrap();
    std::fs::write(home.path().join("tripline/admin.key"), "local-key\n").unwrap();
    let folder = home.path().to_str().unwrap();
    let env = [("TRIPLINE_URL", &*server.url("")), ("XDG_DATA_HOME", folder)];
    assert_eq!(tripline(&env, &["list", "buses"], "").code, 0);
    assert_eq!(server.requests()[0].header("authorization"), Some("Bearer local-key"));

    let elsewhere = [("TRIPLINE_URL", "http://tripline.example"), ("XDG_DATA_HOME", folder)];
    let said = tripline(&elsewhere, &["list", "buses"], "");
    assert_eq!((said.code, said.err.contains("set TRIPLINE_API_KEY")), (1, true), "{}", said.err);
    let none = [("TRIPLINE_URL", &*server.url("")), ("XDG_DATA_HOME", "/nowhere")];
    let said = tripline(&none, &["list", "buses"], "");
    assert!(said.err.contains("/nowhere/tripline/admin.key cannot be read"), "{}", said.err);
}

#[test]
fn the_key_is_never_shown() {
    let said = tripline(&[("TRIPLINE_API_KEY", "very-secret")], &["list", "--help"], "");
    assert_eq!(said.code, 0);
    assert!(!said.out.contains("very-secret"));
    let said = tripline(&[("TRIPLINE_API_KEY", "very\u{1}secret")], &["list", "buses"], "");
    assert_eq!(said.code, 1);
    assert!(!said.err.contains("secret"), "{}", said.err);
}
