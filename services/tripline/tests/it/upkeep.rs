//! What needs no server: the databases of a data directory, the health of what runs.

use crate::tripline;

#[test]
fn a_data_directory_is_migrated_and_again_with_nothing_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    for _ in 0..2 {
        let said = tripline(&[], &["migrate", "--data", data.to_str().unwrap()], "");
        assert_eq!((said.code, said.err.as_str()), (0, ""));
    }
    for service in ["auth", "registry", "monitor", "invoker"] {
        assert!(data.join(format!("{service}.db")).exists(), "{service}");
    }
}

#[test]
fn nobody_at_the_admin_port_is_not_healthy() {
    let closed = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
    let said = tripline(&[], &["healthcheck", &closed.to_string()], "");
    assert_eq!((said.code, said.err.contains("/readyz")), (1, true), "{}", said.err);
}
