use secrecy::{ExposeSecret as _, SecretString};

use super::*;

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Sample {
    grpc: Listen,
    db: Db,
    hosts: Vec<String>,
    admin: Listen,
}

#[derive(Debug, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Listen {
    addr: std::net::SocketAddr,
    backlog: u32,
}

impl Default for Listen {
    fn default() -> Self {
        Self { addr: ([127, 0, 0, 1], 8102).into(), backlog: 7 }
    }
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Db {
    url: SecretString,
    connections_max: u32,
}

impl Validate for Sample {
    fn validate(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if self.grpc.backlog == 0 {
            faults.push(Fault::new("/grpc/backlog", "too-small", "must be at least 1"));
        }
        if self.db.url.expose_secret() == "bad" {
            faults.push(Fault::new("/db/url", "bad-url", "this is not a database"));
        }
        faults
    }
}

fn load_with(
    file: &str,
    env: &[(&str, &str)],
    flags: &[(&str, &str)],
) -> Result<Loaded<Sample>, Vec<String>> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sample.toml");
    std::fs::write(&path, file).unwrap();
    let own = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    };
    let loaded = load_from(Some(&path), own(env), &own(flags));
    let directory = format!("{}/", dir.path().display());
    loaded
        .map_err(|error| error.faults().iter().map(|fault| fault.replace(&directory, "")).collect())
}

#[test]
fn flags_win_over_the_environment_over_the_file_over_defaults() {
    let file = "hosts = ['file']\n[grpc]\naddr = '127.0.0.1:1'\nbacklog = 2\n[db]\nurl = 'file'\nconnections_max = 3";
    let env = [("TRIPLINE_GRPC__BACKLOG", "20"), ("TRIPLINE_DB__URL", "env")];
    let sample = load_with(file, &env, &[("db.url", "flag")]).unwrap().config;
    assert_eq!(sample.admin.addr.port(), 8102, "a default");
    assert_eq!((sample.grpc.addr.port(), sample.db.connections_max), (1, 3), "the file");
    assert_eq!(sample.grpc.backlog, 20, "the environment");
    assert_eq!(sample.db.url.expose_secret(), "flag", "a flag");
    assert_eq!(sample.hosts, ["file"]);
}

#[test]
fn every_fault_is_found_at_once_with_its_place_and_without_values() {
    let file = "hosts = [1]\ntypo = 1\n[grpc]\naddr = 'hunter2'\nbacklog = 'hunter2'";
    let env = [("TRIPLINE_DB__URLL", "hunter2"), ("TRIPLINE_DB__CONNECTIONS_MAX", "hunter2")];
    let mut faults = load_with(file, &env, &[("admin.port", "hunter2")]).unwrap_err();
    faults.sort();
    assert_eq!(
        faults,
        [
            "--set admin.port: unknown key 'port', expected one of: addr, backlog",
            "TRIPLINE_DB__CONNECTIONS_MAX: expected u32, found a text",
            "TRIPLINE_DB__URLL: unknown key 'urll', expected one of: url, connections_max",
            "grpc.addr in sample.toml: invalid socket address syntax",
            "grpc.backlog in sample.toml: expected u32, found a text",
            "hosts.0 in sample.toml: expected a string, found a number",
            "typo in sample.toml: unknown key 'typo', expected one of: grpc, db, hosts, admin",
        ]
    );
}

#[test]
fn rules_beyond_types_are_checked_and_placed() {
    let env = [("TRIPLINE_GRPC__BACKLOG", "0")];
    let faults = load_with("[db]\nurl = 'bad'", &env, &[]).unwrap_err();
    assert_eq!(
        faults,
        [
            "TRIPLINE_GRPC__BACKLOG: must be at least 1",
            "db.url in sample.toml: this is not a database",
        ]
    );
}

#[test]
fn variables_that_are_not_configuration_are_left_alone() {
    let env = [
        ("TRIPLINE_URL", "http://127.0.0.1:8080"),
        ("TRIPLINE_API_KEY", "k"),
        ("TRIPLINE_ADMIN_KEY", "k"),
        ("TRIPLINE_TEST_X", "1"),
        ("TRIPLINE_COMMIT", "abc"),
        ("HOME", "/root"),
    ];
    load_with("", &env, &[]).unwrap();
    assert_eq!(load_with("", &[("TRIPLINE_ADMIN__TYPO", "1")], &[]).unwrap_err().len(), 1);
}

#[test]
fn a_text_that_looks_like_a_number_stays_a_text() {
    let env = [("TRIPLINE_DB__URL", "0012345678901234"), ("TRIPLINE_HOSTS", "[a, b]")];
    let sample = load_with("", &env, &[("grpc.addr", "127.0.0.1:0")]).unwrap().config;
    assert_eq!(sample.db.url.expose_secret(), "0012345678901234");
    assert_eq!(sample.hosts, ["a", "b"]);
    assert_eq!(sample.grpc.addr.port(), 0);
}

#[test]
fn a_secret_comes_from_a_file_in_its_layer() {
    let dir = tempfile::tempdir().unwrap();
    let secret = dir.path().join("url");
    std::fs::write(&secret, "from the file\n").unwrap();
    let env = [("TRIPLINE_DB__URL_FILE", secret.to_str().unwrap())];
    let loaded = load_with("[db]\nurl = 'lower layer'", &env, &[]).unwrap();
    assert_eq!(loaded.config.db.url.expose_secret(), "from the file");
    assert_eq!(loaded.warnings.len(), 1, "a new file can be read by all");
    let missing = load_with("[db]\nurl_file = '/nowhere'\nconnections_max_filee = 1", &[], &[]);
    let faults = missing.unwrap_err();
    assert!(
        faults[0].starts_with("db.connections_max_filee in sample.toml: unknown key"),
        "{faults:?}"
    );
    assert!(
        faults[1].starts_with("db.url_file in sample.toml: cannot read /nowhere"),
        "{faults:?}"
    );
}

#[test]
fn a_file_that_is_no_toml_is_named_with_the_line_only() {
    let faults = load_with("[db]\nurl = 'hunter2", &[], &[]).unwrap_err();
    assert!(faults[0].starts_with("sample.toml: line 2: "), "{faults:?}");
    assert!(!faults[0].contains("hunter2"), "{faults:?}");
}
