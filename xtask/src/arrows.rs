//! Which crate may depend on which. Dependencies for tests alone are free.

use std::collections::BTreeMap;
use std::process::Command;

use anyhow::Context as _;

/// Ports and pure libraries: what the libraries of services may use.
const PORTS: &[&str] = &[
    "tripline-kernel",
    "tripline-event",
    "tripline-pattern",
    "tripline-cesql",
    "tripline-transform",
    "tripline-sandbox",
    "tripline-signing",
    "tripline-contracts",
    "tripline-bus",
    "tripline-cache",
    "tripline-source",
    "tripline-target",
    "tripline-outbound",
    "tripline-db",
    "tripline-runtime",
    "tripline-trace",
];
/// What only the mains may name: adapters of ports, and what mains share.
const FOR_MAINS: &[&str] = &[
    "tripline-bus-rabbitmq",
    "tripline-cache-redis",
    "tripline-source-minio",
    "tripline-source-file",
    "tripline-split",
];
/// Crates of which one library keeps everyone else apart: (crate, who may name it).
const WRAPPED: &[(&str, &[&str])] = &[
    ("lapin", &["tripline-bus-rabbitmq"]),
    ("redis", &["tripline-cache-redis"]),
    ("rusty-s3", &["tripline-source-minio"]),
    ("notify", &["tripline-source-file"]),
    ("hyper-rustls", &["tripline-outbound"]),
    ("jsonwebtoken", &["tripline-signing"]),
    ("chacha20poly1305", &["tripline-signing"]),
    ("prost", &["tripline-contracts"]),
    ("jaq-core", &["tripline-sandbox"]),
    ("jsonata-core", &["tripline-sandbox"]),
    ("figment", &["tripline-runtime"]),
    ("opentelemetry", &["tripline-runtime"]),
    ("opentelemetry-otlp", &["tripline-runtime"]),
    ("opentelemetry_sdk", &["tripline-runtime"]),
    ("jiff", &["tripline-kernel", "tripline-source-minio", "tripline-target"]),
];
/// Libraries, and the only libraries of this repository that each may use.
const LIBRARIES: &[(&str, &[&str])] = &[
    ("tripline-kernel", &[]),
    ("tripline-event", &["tripline-kernel"]),
    ("tripline-pattern", &["tripline-kernel"]),
    ("tripline-cesql", &["tripline-kernel"]),
    ("tripline-transform", &["tripline-kernel"]),
    ("tripline-sandbox", &["tripline-kernel", "tripline-transform"]),
    ("tripline-signing", &["tripline-kernel"]),
    (
        "tripline-contracts",
        &["tripline-kernel", "tripline-event", "tripline-signing", "tripline-trace"],
    ),
    ("tripline-bus", &["tripline-kernel", "tripline-event"]),
    ("tripline-cache", &["tripline-kernel"]),
    ("tripline-outbound", &["tripline-kernel"]),
    ("tripline-source", &["tripline-kernel", "tripline-event"]),
    ("tripline-target", &["tripline-kernel", "tripline-signing", "tripline-outbound"]),
    ("tripline-bus-rabbitmq", &["tripline-kernel", "tripline-event", "tripline-bus"]),
    ("tripline-cache-redis", &["tripline-kernel", "tripline-cache"]),
    (
        "tripline-source-minio",
        &["tripline-kernel", "tripline-event", "tripline-source", "tripline-outbound"],
    ),
    ("tripline-source-file", &["tripline-kernel", "tripline-event", "tripline-source"]),
    ("tripline-db", &["tripline-kernel"]),
    ("tripline-trace", &["tripline-kernel"]),
    ("tripline-runtime", &["tripline-kernel", "tripline-trace"]),
    (
        "tripline-split",
        &[
            "tripline-kernel",
            "tripline-signing",
            "tripline-contracts",
            "tripline-outbound",
            "tripline-runtime",
        ],
    ),
];
/// The packages of the services.
pub(crate) const SERVICES: &[&str] = &[
    "tripline-api-gateway",
    "tripline-trigger-registry",
    "tripline-event-monitor",
    "tripline-invoker",
    "tripline-auth",
];
/// Programs and tests: nothing depends on them.
const ENDS: &[&str] = &[
    "tripline",
    "tripline-e2e",
    "tripline-load",
    "tripline-faults",
    "tripline-patterns-compare",
    "xtask",
    "tripline-testkit",
];

#[derive(serde::Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(serde::Deserialize)]
struct Package {
    name: String,
    dependencies: Vec<Dependency>,
}

#[derive(serde::Deserialize)]
struct Dependency {
    name: String,
    kind: Option<String>,
}

/// Every arrow that must not be there, in words.
pub(crate) fn faults() -> anyhow::Result<Vec<String>> {
    let output = Command::new("cargo")
        .current_dir(crate::root())
        .args(["metadata", "--format-version", "1", "--no-deps"])
        .output()
        .context("cannot start cargo")?;
    let metadata: Metadata = serde_json::from_slice(&output.stdout).context("cargo metadata")?;
    let libraries: BTreeMap<_, _> = LIBRARIES.iter().copied().collect();
    let mut faults = Vec::new();
    for package in &metadata.packages {
        let name = package.name.as_str();
        if !libraries.contains_key(name) && !SERVICES.contains(&name) && !ENDS.contains(&name) {
            faults.push(format!("{name} has no place in xtask/src/arrows.rs"));
        }
        for dependency in package.dependencies.iter().filter(|d| d.kind.as_deref() != Some("dev")) {
            let on = dependency.name.as_str();
            if !may(name, on, libraries.get(name).copied()) {
                faults.push(format!("{name} must not depend on {on}"));
            }
        }
    }
    faults.extend(names_for_mains_elsewhere()?);
    Ok(faults)
}

fn may(name: &str, on: &str, library: Option<&[&str]>) -> bool {
    if let Some((_, owners)) = WRAPPED.iter().find(|(wrapped, _)| *wrapped == on) {
        return owners.contains(&name) || ENDS.contains(&name);
    }
    if !on.starts_with("tripline") {
        return true;
    }
    if let Some(allowed) = library {
        return allowed.contains(&on);
    }
    if SERVICES.contains(&name) {
        // A service's package holds its main, which may name these; its library is checked below.
        return PORTS.contains(&on) || FOR_MAINS.contains(&on);
    }
    true
}

/// A service's package may depend on what is for mains; no other file of it than `main.rs` may name that.
fn names_for_mains_elsewhere() -> anyhow::Result<Vec<String>> {
    let mut faults = Vec::new();
    for service in SERVICES {
        let folder = crate::root()
            .join("services")
            .join(service.trim_start_matches("tripline-"))
            .join("src");
        for file in crate::tidy::files_below(&folder, "rs")? {
            if file.ends_with("main.rs") {
                continue;
            }
            let text = std::fs::read_to_string(&file)?;
            for name in FOR_MAINS.iter().filter(|name| text.contains(&name.replace('-', "_"))) {
                faults.push(format!("{} must not name {name}: only main.rs does", file.display()));
            }
        }
    }
    Ok(faults)
}
