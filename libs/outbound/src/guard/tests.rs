//! The guard against cases kept as data: the crate's own, and those from outside where they are at hand.

use std::net::IpAddr;

use url::Host;

use super::Guard;
use crate::Options;

const CORPUS: &str = include_str!("../../corpus/urls.jsonl");
/// A case with this in its reason holds only with this network allowed.
const NEEDS_ALLOWANCE: &str = "ONLY when";
const ALLOWANCE: &str = "127.0.0.1/32";

#[derive(serde::Deserialize)]
struct Case {
    url: String,
    expect: String,
    why: String,
}

fn guard(allow: &[&str]) -> Guard {
    let allow_cidrs = allow.iter().map(|text| (*text).to_owned()).collect();
    Guard::new(&Options { allow_cidrs, ..Options::default() }).unwrap()
}

/// Stands in for a name server.
fn resolve(name: &str) -> Vec<IpAddr> {
    let public = ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946"];
    let texts = if name == "aaaa-priv.test" { [public[0], "::1"] } else { public };
    texts.map(|text| text.parse().unwrap()).to_vec()
}

fn allowed(guard: &Guard, url: &str) -> bool {
    let Ok(url) = guard.check_url(url) else { return false };
    match url.host() {
        Some(Host::Domain(name)) if !super::is_localhost(name) => {
            guard.check_all(resolve(name)).is_ok()
        }
        Some(_) => true,
        None => false,
    }
}

fn run(corpus: &str) -> usize {
    let mut count = 0;
    for line in corpus.lines().filter(|line| !line.is_empty()) {
        let case: Case = serde_json::from_str(line).unwrap();
        let expected = case.expect == "allowed";
        if case.why.contains(NEEDS_ALLOWANCE) {
            assert!(!allowed(&guard(&[]), &case.url), "{} without allowance", case.url);
            assert!(allowed(&guard(&[ALLOWANCE]), &case.url), "{} with allowance", case.url);
        } else {
            assert_eq!(allowed(&guard(&[]), &case.url), expected, "{}: {}", case.url, case.why);
        }
        count += 1;
    }
    count
}

#[test]
fn every_case_of_the_corpus_is_judged_as_it_says() {
    assert!(run(CORPUS) >= 40);
}

#[test]
#[allow(
    clippy::disallowed_methods,
    reason = "the place of foreign vectors comes from the environment"
)]
fn every_foreign_case_is_judged_as_it_says() {
    let Ok(folder) = std::env::var("TRIPLINE_VECTORS_DIR") else {
        println!("TRIPLINE_VECTORS_DIR is not set: only the own corpus was run");
        return;
    };
    let path = format!("{folder}/ssrf_urls.jsonl");
    let corpus = std::fs::read_to_string(&path).expect("the variable names a folder with vectors");
    assert!(run(&corpus) >= 25);
}

#[test]
fn an_allowance_reaches_the_forms_that_stand_for_its_addresses_and_no_further() {
    let guard = guard(&["10.1.0.0/16"]);
    for url in ["http://10.1.2.3/", "http://[::ffff:10.1.2.3]/", "http://[64:ff9b::a01:203]/"] {
        assert!(allowed(&guard, url), "{url}");
    }
    for url in ["http://10.2.0.1/", "http://127.0.0.1/", "http://localhost/"] {
        assert!(!allowed(&guard, url), "{url}");
    }
}
