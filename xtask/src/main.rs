//! Tests, checks and generated files of this repository: `cargo xtask <task>`.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for the terminal")]
#![allow(clippy::disallowed_methods, reason = "its configuration is the environment of the build")]

mod arrows;
mod generated;
mod minio;
mod packages;
mod performance;
mod reliability;
mod test;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, bail};
use clap::Parser;

#[derive(Parser)]
#[command(about = "Tests, checks and generated files of this repository")]
enum Task {
    /// Runs all tests, the real servers included. Installs and builds what is missing.
    Test {
        /// Passed on to `cargo test`.
        #[arg(last = true)]
        arguments: Vec<String>,
    },
    /// Installs the servers that the tests need (apt, as root), and builds MinIO.
    Setup,
    /// Checks what the compiler does not: dependency arrows, a page for every error code, generated files.
    Tidy,
    /// Writes deploy/config, the reference of every service's configuration, from the code. Tests check it.
    Config,
    /// Writes the tables of docs/performance.md from the result files beside it.
    Performance {
        /// Only checks that they are up to date.
        #[arg(long)]
        check: bool,
    },
    /// Writes the tables of docs/reliability.md from the result files beside it.
    Reliability {
        /// Only checks that they are up to date.
        #[arg(long)]
        check: bool,
    },
}

fn main() -> ExitCode {
    let outcome = match Task::parse() {
        Task::Test { arguments } => test::all(&arguments),
        Task::Setup => test::prepare(),
        Task::Tidy => tidy::run(),
        Task::Config => test::write_config(),
        Task::Performance { check } => performance::run(check),
        Task::Reliability { check } => reliability::run(check),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The repository's root.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the root")
}

/// Where servers and other things that are built once are kept, outside the checkout.
fn cache_dir() -> anyhow::Result<PathBuf> {
    if let Some(dir) = std::env::var_os("TRIPLINE_CACHE_DIR") {
        return Ok(dir.into());
    }
    let home = std::env::var_os("HOME").context("neither TRIPLINE_CACHE_DIR nor HOME is set")?;
    Ok(PathBuf::from(home).join(".cache/tripline"))
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let status = command.status().with_context(|| format!("cannot start {command:?}"))?;
    if !status.success() {
        bail!("{command:?} ended with {status}");
    }
    Ok(())
}
