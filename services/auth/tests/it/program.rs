//! The program: its configuration, its ports, how it begins and ends.

use std::path::Path;

use tripline_testkit::Process;

use super::running::DEADLINE;

const PROGRAM: &str = env!("CARGO_BIN_EXE_tripline-auth");

fn configuration(dir: &Path) -> String {
    let (secret, file) = (dir.join("bootstrap"), dir.join("auth.toml"));
    std::fs::write(&secret, "a-bootstrap-secret-of-more-than-32-bytes\n").unwrap();
    let database = dir.join("auth.db");
    let text = format!(
        "bootstrap_secret_file = {secret:?}\n[grpc]\naddr = '127.0.0.1:0'\n[admin]\naddr = '127.0.0.1:0'\n\
         [auth.db]\nurl = 'sqlite://{}'\n",
        database.display()
    );
    std::fs::write(&file, text).unwrap();
    file.to_str().unwrap().to_owned()
}

#[tokio::test]
async fn it_says_when_it_is_ready_and_ends_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let config = configuration(dir.path());
    let env = [("TRIPLINE_AUTH__ADMIN_API_KEY", "1234567890123456"), ("TRIPLINE_URL", "elsewhere")];
    let mut process =
        Process::start(PROGRAM, ["--config", &config, "--log", "json"], &env).await.unwrap();
    let ready = process.ready_line(DEADLINE).await.unwrap();
    assert_eq!((&ready["ready"], &ready["pid"]), (&true.into(), &process.pid().into()));
    assert!(
        ready.get("http").is_none()
            && ready["grpc"].as_str().unwrap().starts_with("http://127.0.0.1:")
    );
    process.ready(ready["admin"].as_str().unwrap(), DEADLINE).await.unwrap();
    let status = process.terminate(DEADLINE).await.unwrap();
    assert_eq!(status.code(), Some(0), "{}", process.output());
    assert_eq!(process.stdout().lines().count(), 1, "nothing else goes to standard output");
    let logged = process.stderr();
    for line in logged.lines() {
        serde_json::from_str::<serde_json::Value>(line).expect("each line is JSON");
    }
    assert!(logged.contains("bootstrap_secret_file") && logged.contains("0600"), "{logged}");
    assert!(!logged.contains("1234567890123456"));
}

#[tokio::test]
async fn a_bad_configuration_is_told_whole_and_ends_with_78() {
    let dir = tempfile::tempdir().unwrap();
    let config = configuration(dir.path());
    let wrong =
        ["--config", &config, "--set", "grpc.port=1", "--set", "auth.db.connections_max=many"];
    let mut process = Process::start(PROGRAM, wrong, &[]).await.unwrap();
    assert_eq!(process.wait(DEADLINE).await.unwrap().code(), Some(78));
    let told = process.stderr();
    assert!(
        told.contains("--set grpc.port") && told.contains("--set auth.db.connections_max"),
        "{told}"
    );

    let missing = ["--config", &config, "--set", "bootstrap_secret_file=/nowhere"];
    let mut process = Process::start(PROGRAM, missing, &[]).await.unwrap();
    assert_eq!(process.wait(DEADLINE).await.unwrap().code(), Some(78), "{}", process.output());

    let no_step = [("TRIPLINE_ABORT_AT", "rule-lost")];
    let mut process = Process::start(PROGRAM, ["--config", &config], &no_step).await.unwrap();
    assert_eq!(process.wait(DEADLINE).await.unwrap().code(), Some(78));
    assert!(process.stderr().contains("rule-granted, "), "{}", process.output());
}

#[tokio::test]
async fn a_port_that_is_taken_ends_it_with_1() {
    let dir = tempfile::tempdir().unwrap();
    let config = configuration(dir.path());
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = format!("grpc.addr={}", taken.local_addr().unwrap());
    let mut process =
        Process::start(PROGRAM, ["--config", &config, "--set", &address], &[]).await.unwrap();
    assert_eq!(process.wait(DEADLINE).await.unwrap().code(), Some(1));
    assert!(process.stderr().contains("cannot listen on"), "{}", process.output());
}

/// Runs a command to its end: its exit code, what it printed, and what it complained of.
async fn command(arguments: &[&str]) -> (Option<i32>, String, String) {
    let env = [("TRIPLINE_AUTH__ADMIN_API_KEY", "1234567890123456")];
    let arguments = arguments.iter().copied();
    let mut process = Process::start(PROGRAM, arguments, &env).await.unwrap();
    let status = process.wait(DEADLINE).await.unwrap();
    (status.code(), process.stdout(), process.stderr())
}

#[tokio::test]
async fn its_configuration_is_checked_and_shown_without_secrets() {
    let dir = tempfile::tempdir().unwrap();
    let config = configuration(dir.path());
    assert_eq!(command(&["check-config", "--config", &config]).await.0, Some(0));
    assert_eq!(command(&["check-config"]).await.0, Some(78), "it names no database");
    let (code, printed, _) = command(&["print-config", "--config", &config]).await;
    assert_eq!(code, Some(0));
    let lines = [
        format!("grpc.addr = \"127.0.0.1:0\" # {config}"),
        "auth.admin_api_key = \"***\" # TRIPLINE_AUTH__ADMIN_API_KEY".to_owned(),
        format!("auth.db.url = \"***\" # {config}"),
        "auth.db.connections_max = 8 # default".to_owned(),
    ];
    for line in lines {
        assert!(printed.lines().any(|printed| printed == line), "{line} is not in {printed}");
    }
    assert!(!printed.contains("1234567890123456"));
}

#[tokio::test]
async fn it_migrates_apart_and_its_health_is_asked_for_with_itself() {
    let dir = tempfile::tempdir().unwrap();
    let config = configuration(dir.path());
    for _ in 0..2 {
        let (code, _, logged) = command(&["migrate", "--config", &config]).await;
        assert_eq!(
            (code, logged.contains("the schema is up to date")),
            (Some(0), true),
            "{logged}"
        );
    }
    assert!(dir.path().join("auth.db").exists());

    let arguments = ["--config", &config, "--log", "json"];
    let mut process = Process::start(PROGRAM, arguments, &[]).await.unwrap();
    let ready = process.ready_line(DEADLINE).await.unwrap();
    let admin = ready["admin"].as_str().unwrap().trim_start_matches("http://");
    assert_eq!(command(&["healthcheck", admin]).await.0, Some(0));
    let from_config = format!("admin.addr={admin}");
    let asked = ["healthcheck", "--live", "--config", &config, "--set", &from_config];
    assert_eq!(command(&asked).await.0, Some(0));
    process.kill().await.unwrap();
    let (code, _, why) = command(&["healthcheck", admin]).await;
    assert_eq!((code, why.contains("/readyz")), (Some(1), true), "{why}");
}
