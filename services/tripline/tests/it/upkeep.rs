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
fn nobody_else_reads_what_is_kept_not_even_in_a_directory_of_theirs() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let said = tripline(&[], &["migrate", "--data", dir.path().to_str().unwrap()], "");
    assert_eq!(said.code, 0, "{}", said.err);
    let kept: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(Result::unwrap).collect();
    assert!(kept.len() > 4, "{kept:?}");
    for file in kept {
        let mode = file.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{file:?}");
    }
}

#[test]
fn nobody_at_the_admin_port_is_not_healthy() {
    let closed = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
    let said = tripline(&[], &["healthcheck", &closed.to_string()], "");
    assert_eq!((said.code, said.err.contains("/readyz")), (1, true), "{}", said.err);
}
