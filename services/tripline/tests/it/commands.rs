//! What each command asks for, and how it shows the answer.

use serde_json::{Value, json};
use tripline_testkit::{Answer, Receiver};

use crate::{against, tripline};

fn answer(document: &Value) -> Answer {
    Answer::ok().header("content-type", "application/json").body(document.to_string())
}

#[test]
fn apply_makes_functions_first_and_shows_a_secret_once() {
    let server = Receiver::start();
    let made = json!({"name": "f", "signing_secret": "whsec_x"});
    server.always("/v1/functions/f", Answer::status(201).body(made.to_string()));
    server.always("/v1/triggers/t", answer(&json!({"name": "t", "applied": false})));
    let file = r#"{"kind": "trigger", "name": "t", "function": "f"}
        {"kind": "function", "name": "f", "target": {"kind": "http", "url": "http://x"}}"#;
    let env = [("TRIPLINE_URL", &*server.url("/")), ("TRIPLINE_API_KEY", "key\n")];
    let said = tripline(&env, &["apply", "-f", "-"], file);
    assert_eq!(
        said.out,
        "function/f created\n  signing secret, shown only now: whsec_x\n\
         trigger/t updated, not in force yet\n",
        "{}",
        said.err
    );
    let [function, trigger] = &server.requests()[..] else { panic!("two requests") };
    assert_eq!((function.method.as_str(), &*function.path), ("PUT", "/v1/functions/f"));
    assert_eq!(function.header("authorization"), Some("Bearer key"));
    assert_eq!(function.header("content-type"), Some("application/json"));
    assert_eq!(function.json().unwrap(), json!({"target": {"kind": "http", "url": "http://x"}}));
    assert_eq!(trigger.json().unwrap(), json!({"function": "f"}));
}

#[test]
fn lists_follow_the_pages() {
    let server = Receiver::start();
    let page = |name: &str, cursor: Value| {
        let item = json!({"name": name, "state": "active", "bus": "default", "source": null, "function": "f"});
        answer(&json!({"items": [item], "next_cursor": cursor}))
    };
    server.script("/v1/triggers", [page("a", json!("c 1")), page("b", Value::Null)]);
    let said = against(&server, &["list", "triggers"]);
    assert_eq!(
        said.out,
        "NAME  STATE   BUS      SOURCE  FUNCTION\n\
         a     active  default  -       f\n\
         b     active  default  -       f\n",
        "{}",
        said.err
    );
    let queries: Vec<_> = server.requests().into_iter().map(|request| request.query).collect();
    assert_eq!(queries, [Some("limit=500".to_owned()), Some("limit=500&cursor=c+1".to_owned())]);
}

#[test]
fn get_shows_fields_or_json() {
    let server = Receiver::start();
    let function = json!({"name": "f", "target": {"kind": "http"}});
    server.always("/v1/functions/f", answer(&function));
    assert_eq!(
        against(&server, &["get", "function", "f"]).out,
        "name    f\ntarget  {\"kind\":\"http\"}\n"
    );
    let said = against(&server, &["-o", "json", "get", "function", "f"]);
    assert_eq!(serde_json::from_str::<Value>(&said.out).unwrap(), function);
}

#[test]
fn delete_says_what_went() {
    let server = Receiver::start();
    let gone =
        json!({"deleted": [{"kind": "function", "name": "f"}, {"kind": "trigger", "name": "t"}]});
    server.always("/v1/functions/f", answer(&gone));
    server.always("/v1/sources/s", Answer::status(204));
    let said = against(&server, &["delete", "function", "f"]);
    assert_eq!(said.out, "function/f deleted\ntrigger/t deleted with it\n", "{}", said.err);
    assert_eq!(against(&server, &["delete", "source", "s"]).out, "source/s deleted\n");
}

#[test]
fn a_rotated_secret_is_shown() {
    let server = Receiver::start();
    let until = "2026-01-02T00:00:00Z";
    let rotated = json!({"signing_secret": "whsec_y", "earlier_signing_secret_until": until});
    server.always("/v1/functions/f/rotate-secret", answer(&rotated));
    let said = against(&server, &["rotate-secret", "f", "--overlap-seconds", "60"]);
    assert_eq!(
        said.out,
        "new signing secret, shown only now: whsec_y\n\
         calls are signed with the one before as well until 2026-01-02T00:00:00Z\n",
        "{}",
        said.err
    );
    assert_eq!(server.requests()[0].json().unwrap(), json!({"overlap_seconds": 60}));
}

#[test]
fn sources_are_paused_resumed_and_tested() {
    let server = Receiver::start();
    server.always("/v1/sources/s/pause", answer(&json!({"paused": true})));
    server.always("/v1/triggers/t/resume", answer(&json!({"state": "active"})));
    let tested = [json!({"works": true, "reason": null}), json!({"works": false, "reason": "no"})];
    server.script("/v1/sources/s/test", tested.iter().map(answer));
    assert_eq!(against(&server, &["pause", "source", "s"]).out, "source/s paused\n");
    assert_eq!(against(&server, &["resume", "trigger", "t"]).out, "trigger/t resumed\n");
    assert_eq!(against(&server, &["test-source", "s"]).out, "source/s works\n");
    let said = against(&server, &["test-source", "s"]);
    assert_eq!((said.code, &*said.err), (1, "error: source/s does not work: no\n"));
    assert!(server.requests().iter().all(|request| request.method == "POST"));
}

#[test]
fn publish_puts_an_event_together() {
    let server = Receiver::start();
    let published = json!({"events": [{"id": "1", "source": "/s", "status": "published"}]});
    server.always("/v1/buses/default/events", Answer::status(202).body(published.to_string()));
    let args =
        ["publish", "--type", "t", "--source", "/s", "--key", "k", "--data", r#"{"n": 1.50}"#];
    let said = against(&server, &args);
    assert_eq!(said.out, "SOURCE  ID  STATUS\n/s      1   published\n", "{}", said.err);
    let request = &server.requests()[0];
    assert_eq!(request.header("content-type"), Some("application/cloudevents+json"));
    assert!(
        String::from_utf8_lossy(&request.body).contains(r#""data":{"n": 1.50}"#),
        "as it was given"
    );
    let event = request.json().unwrap();
    assert_eq!(
        (&event["type"], &event["source"], &event["partitionkey"]),
        (&json!("t"), &json!("/s"), &json!("k"))
    );
    assert_eq!(event["id"].as_str().unwrap().len(), 36);
}

#[test]
fn publish_sends_files_as_they_are_and_fails_when_one_is_rejected() {
    let server = Receiver::start();
    let told = json!({"events": [
        {"id": "1", "source": "/s", "status": "published"},
        {"id": "2", "source": null, "status": "rejected", "error": {"code": "invalid-event", "detail": "no source"}},
    ]});
    server.always("/v1/buses/b/events", Answer::status(202).body(told.to_string()));
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), " [{}, {}]").unwrap();
    let said =
        against(&server, &["publish", "--bus", "b", "--file", file.path().to_str().unwrap()]);
    assert_eq!(said.code, 1);
    assert!(said.out.ends_with("-       2   rejected\n"), "{}", said.out);
    assert_eq!(said.err, "error: 1 of 2 events were rejected\n  2: no source\n");
    let request = &server.requests()[0];
    assert_eq!(request.header("content-type"), Some("application/cloudevents-batch+json"));
    assert_eq!(&request.body[..], b" [{}, {}]");
}

#[test]
fn invoke_shows_the_functions_own_answer() {
    let server = Receiver::start();
    let path = "/v1/functions/f/invocations";
    let invoked = Answer::ok().header("tripline-invocation-id", "abc");
    server.script(
        path,
        [
            invoked.clone().body("hello"),
            Answer::status(500).header("tripline-invocation-id", "abc").body("broken\n"),
            Answer::status(202).header("tripline-invocation-id", "abc").body(r#"{"id": "abc"}"#),
        ],
    );
    let said = against(&server, &["invoke", "f", "--data", "[1]"]);
    assert_eq!((said.code, &*said.out), (0, "hello\n"), "{}", said.err);
    let said = against(&server, &["invoke", "f", "--data", "text"]);
    assert_eq!((said.code, &*said.out), (1, "broken\n"));
    assert!(said.err.contains("the function answered 500 Internal Server Error"), "{}", said.err);
    let said = against(&server, &["invoke", "f", "--async"]);
    assert_eq!((said.code, &*said.out), (0, "abc\n"), "{}", said.err);
    let requests = server.requests();
    assert_eq!(requests[0].header("content-type"), Some("application/json"));
    assert_eq!(requests[1].header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(
        (requests[2].header("content-type"), requests[2].header("prefer")),
        (None, Some("respond-async"))
    );
}

#[test]
fn records_are_filtered_and_shown_with_their_attempts() {
    let server = Receiver::start();
    let record = json!({"id": "abc", "event": {"source": "/s", "id": "e\u{1b}"}, "trigger": "t", "function": "f",
        "state": "dead", "reason": "exhausted", "created_at": "2026-01-01T00:00:00Z",
        "finished_at": "2026-01-01T00:00:01Z",
        "attempts": [{"number": 1, "generation": 1, "started_at": "2026-01-01T00:00:00Z", "duration_ms": 7,
                      "status_code": 500, "error": null}]});
    let page = answer(&json!({"items": [record], "next_cursor": "more"}));
    server.always("/v1/invocations", page.clone());
    server.always("/v1/dead-letters", page);
    server.always("/v1/invocations/abc", answer(&record));
    let said = against(
        &server,
        &["invocations", "--trigger", "t", "--state", "dead", "--event-id", "a b", "--limit", "1"],
    );
    assert_eq!(
        said.out,
        "ID   STATE  TRIGGER  FUNCTION  EVENT  ATTEMPTS  CREATED\n\
         abc  dead   t        f         e\u{fffd}     1         2026-01-01T00:00:00Z\n",
        "{}",
        said.err
    );
    assert_eq!(
        server.requests()[0].query.as_deref(),
        Some("trigger=t&state=dead&event_id=a+b&limit=1")
    );
    let said = against(&server, &["dead-letters", "--limit", "1"]);
    assert!(said.out.contains("exhausted"), "{} {}", said.out, said.err);
    let said = against(&server, &["invocations", "abc"]);
    assert!(
        said.out
            .contains("GENERATION  ATTEMPT  STARTED               DURATION MS  STATUS  ERROR\n"),
        "{}",
        said.out
    );
}

#[test]
fn a_trigger_is_explained_obstacles_first() {
    let server = Receiver::start();
    let told = json!({"name": "t", "state": "paused", "state_reason": "user",
        "obstacles": ["it is paused: user\u{7}"], "unavailable": [],
        "partitions": [{"partition": 0, "next_offset": 7, "accepted": 6, "deduplicated": 1, "in_force": true}],
        "last_match": {"id": "1", "state": "dead", "created_at": "2026-01-01T00:00:00Z"},
        "last_refusals": [{"id": "1", "event": {"source": "/s", "id": "e"}, "reason": "rejected",
            "finished_at": "2026-01-01T00:00:01Z"}],
        "source": {"source": "s", "state": "running", "reason": null}, "allowed": true,
        "target": {"function": "f", "state": "answering", "last_success_at": "2026-01-01T00:00:02Z",
            "last_failure_at": null, "last_failure": null}});
    server.always("/v1/triggers/t/explain", answer(&told));
    let said = against(&server, &["trigger", "explain", "t"]);
    assert_eq!(
        said.out,
        "Obstacle: it is paused: user\u{fffd}\n\n\
         allowed         true\n\
         function        f\n\
         function_state  answering\n\
         last_failure    -\n\
         last_match      1 dead 2026-01-01T00:00:00Z\n\
         last_success    2026-01-01T00:00:02Z\n\
         source          s\n\
         source_state    running\n\
         state           paused\n\
         state_reason    user\n\n\
         PARTITION  NEXT FRAME  EVENTS  COPIES  IN FORCE\n\
         0          7           6       1       true\n\n\
         REFUSED  EVENT  REASON    DIED\n\
         1        e      rejected  2026-01-01T00:00:01Z\n",
        "{}",
        said.err
    );
    let said = against(&server, &["trigger", "explain", "t", "-o", "json"]);
    assert_eq!(serde_json::from_str::<Value>(&said.out).unwrap(), told);

    let quiet = json!({"name": "t", "state": "active", "obstacles": [], "unavailable": [],
        "source": null, "allowed": true, "target": {"function": "f", "state": "unknown"}});
    server.script("/v1/triggers/quiet/explain", [answer(&quiet)]);
    let said = against(&server, &["trigger", "explain", "quiet"]);
    let nothing = "Nothing stands between a matching event and its function.\n";
    assert!(said.out.starts_with(nothing), "{}", said.out);
    assert!(said.out.contains("source_state    -\n"), "{}", said.out);
    let away = json!({"name": "t", "state": "active", "obstacles": [], "target": null,
        "unavailable": ["event-monitor: service-unavailable", "auth: service-unavailable"],
        "source": {"source": "s", "state": null, "reason": null}, "allowed": null});
    server.script("/v1/triggers/away/explain", [answer(&away)]);
    let said = against(&server, &["trigger", "explain", "away"]);
    let unknown = "No obstacle is known.\nCould not be asked: event-monitor: service-unavailable\n";
    assert!(said.out.starts_with(unknown), "{}", said.out);
    for field in ["allowed", "source_state", "function_state"] {
        assert!(said.out.contains(&format!("{field:14}  unknown\n")), "{field}: {}", said.out);
    }
}

#[test]
fn tail_tells_what_happens_and_rides_out_an_outage() {
    let server = Receiver::start();
    let item = |id: &str, state: &str| {
        json!({"id": id, "event": {"source": "/s", "id": "e1"}, "trigger": "t", "function": "f", "state": state,
            "created_at": "2026-01-01T00:00:00Z", "attempts": [{"status_code": 500, "error": null}]})
    };
    let stream = |items: &[Value]| {
        let items = items.iter().map(|item| format!("event: invocation\ndata: {item}\n\n"));
        let body = format!("event: ready\ndata: {{}}\n\n:\n\n{}", items.collect::<String>());
        Answer::ok().header("content-type", "text/event-stream").body(body)
    };
    let busy = json!({"status": 503, "code": "service-unavailable", "title": "Away"});
    server.script(
        "/v1/tail",
        [
            stream(&[item("a", "pending")]),
            Answer::status(503).body(busy.to_string()),
            stream(&[item("a", "succeeded"), item("b", "dead")]),
        ],
    );
    let said = against(&server, &["tail", "--trigger", "t", "--count", "2", "-o", "json"]);
    assert_eq!(said.code, 0, "{}", said.err);
    let lines: Vec<Value> =
        said.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines, [item("a", "pending"), item("a", "succeeded")]);
    assert_eq!(said.err.matches("asking it again").count(), 2, "{}", said.err);
    let first = &server.requests()[0];
    assert_eq!(first.query.as_deref(), Some("trigger=t"));
    assert_eq!(first.header("accept"), Some("text/event-stream"));

    let refused = json!({"status": 404, "code": "trigger-not-found", "title": "There is none"});
    server.script("/v1/tail", [Answer::status(404).body(refused.to_string())]);
    let said = against(&server, &["tail", "--trigger", "none"]);
    assert_eq!((said.code, &*said.out), (1, ""), "{}", said.err);
}
