//! Every command of the documentation works, typed in as it stands there.

mod blocks;

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use anyhow::{Context as _, ensure};
pub(crate) use blocks::block;
use blocks::{Block, blocks};
use tempfile::TempDir;
use tripline_e2e::say;
use tripline_testkit::{Process, binary, wait_until};

/// How long a block may take.
const DEADLINE: Duration = Duration::from_secs(60);
/// Where a newcomer's `tripline dev` listens.
const DOCUMENTED: &str = "127.0.0.1:8080";

/// A block, by its file and how its first command begins.
type Which = (&'static str, &'static str);

/// Runs until it is stopped, and has said this by then.
const DEMO: (Which, &str) =
    (("README.md", "cargo run --release -p tripline -- dev --demo"), "signature valid");
/// Run to their end, in this order, beside a `tripline dev`.
const TOUR: [Which; 3] = [
    ("README.md", "echo '{\"kind\": \"function\""),
    ("README.md", "auth="),
    ("docs/transforms.md", "echo '{\"input_paths\""),
];
/// Runs beside it until it is stopped, and has said this by then.
const TAIL: (Which, &str) = (("README.md", "tripline tail --trigger make-thumbs"), "CREATED");
/// Run by another test.
const ELSEWHERE: [(Which, &str); 2] = [
    (("docs/operations.md", "tar -C \"$DATA\" -czf"), "backup.rs"),
    (("docs/operations.md", "mkdir -m 700 \"$DATA\""), "backup.rs"),
];
/// Not run by any test.
const NOT_RUN: [(Which, &str); 4] = [
    (("README.md", "cargo xtask test"), "runs this test"),
    (("docs/operations.md", "deploy/image.sh"), "needs buildah, debootstrap and docker"),
    (("docs/operations.md", "docker compose … stop"), "needs docker, and servers to itself"),
    (("docs/operations.md", "mariadb < databases.sql"), "needs servers to itself"),
];

#[test]
fn every_block_is_run_or_said_why_not() -> anyhow::Result<()> {
    let blocks = blocks()?;
    let run = [DEMO.0, TAIL.0].into_iter().chain(TOUR).chain(ELSEWHERE.map(|(which, _)| which));
    let run: Vec<_> = run.collect();
    for block in &blocks {
        let place = format!("{}:{}: {}", block.file, block.line, block.begin());
        let (runs, not) = (
            run.iter().any(|which| block.is(*which)),
            NOT_RUN.iter().any(|(which, _)| block.is(*which)),
        );
        ensure!(runs || not, "{place}\nis neither run by a test nor listed as one that cannot be");
        ensure!(not == block.marked_no_run, "{place}\nis marked no-run, or not, as it should be");
    }
    for which in run.into_iter().chain(NOT_RUN.map(|(which, _)| which)) {
        ensure!(blocks.iter().any(|block| block.is(which)), "no block is {which:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newcomers_walk_finds_no_command_that_fails() -> anyhow::Result<()> {
    let newcomer = Newcomer::new()?;
    let demo = block(DEMO.0.0, DEMO.0.1)?;
    // So that the signal reaches the program, as Ctrl-C at a terminal does.
    let mut process = newcomer.shell(&format!("exec {}", demo.text)).await?;
    let said = wait_until(DEADLINE, async || process.stdout().contains(DEMO.1)).await;
    said.with_context(|| process.output())?;
    is_success(&demo, process.terminate(DEADLINE).await?, &process)?;

    let mut dev = newcomer.shell("exec cargo run --release -p tripline -- dev").await?;
    dev.ready(&format!("http://{}", newcomer.admin), DEADLINE).await?;
    for (file, begin) in TOUR {
        let block = block(file, begin)?;
        let mut process = newcomer.shell(&block.text).await?;
        let status = process.wait(DEADLINE).await?;
        is_success(&block, status, &process)?;
        say(&format!("{}:{}\n{}", block.file, block.line, process.stdout()));
    }
    let tail = block(TAIL.0.0, TAIL.0.1)?;
    let tail = newcomer.shell(&format!("exec {}", tail.text)).await?;
    let said = wait_until(DEADLINE, async || tail.stdout().contains(TAIL.1)).await;
    said.with_context(|| tail.output())?;
    let status = dev.terminate(DEADLINE).await?;
    ensure!(status.success(), "{status}: {}", dev.output());
    Ok(())
}

fn is_success(block: &Block, status: ExitStatus, process: &Process) -> anyhow::Result<()> {
    let (file, line) = (&block.file, block.line);
    ensure!(status.success(), "{file}:{line} ended with {status}\n{}", process.output());
    Ok(())
}

/// Someone at a fresh machine, on which other ports than the documented are free.
struct Newcomer {
    home: TempDir,
    http: String,
    admin: String,
}

impl Newcomer {
    fn new() -> anyhow::Result<Self> {
        let home = tempfile::tempdir()?;
        let newcomer = Self { http: free()?, admin: free()?, home };
        std::fs::create_dir(newcomer.bin())?;
        let tripline = binary("tripline")?;
        let tripline = tripline.display();
        let (http, admin) = (&newcomer.http, &newcomer.admin);
        newcomer.program("tripline", &format!("exec {tripline} \"$@\""))?;
        newcomer.program(
            "cargo",
            &format!(
                "[ \"$1 $2 $3 $4 $5 $6\" = 'run --release -p tripline -- dev' ] || exit 1\n\
                 shift 5\nexec {tripline} \"$@\" --http {http} --admin {admin}"
            ),
        )?;
        // A refusal is a command that fails.
        let curl = which("curl")?;
        newcomer.program("curl", &format!("exec {} --fail-with-body \"$@\"", curl.display()))?;
        Ok(newcomer)
    }

    fn bin(&self) -> PathBuf {
        self.home.path().join("bin")
    }

    fn program(&self, name: &str, script: &str) -> anyhow::Result<()> {
        let file = self.bin().join(name);
        std::fs::write(&file, format!("#!/bin/sh\n{script}\n"))?;
        Ok(std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755))?)
    }

    /// Types this in, in a directory of one's own.
    async fn shell(&self, text: &str) -> anyhow::Result<Process> {
        let home = self.home.path().to_str().context("a path that is text")?;
        let path = format!("{home}/bin:{}", search_path());
        let url = format!("http://{}", self.http);
        let environment = [("HOME", home), ("PATH", &path), ("TRIPLINE_URL", &url)];
        let script = format!("cd '{home}'\n{}", text.replace(DOCUMENTED, &self.http));
        Process::start(which("sh")?, ["-euc".to_owned(), script], &environment).await
    }
}

#[allow(clippy::disallowed_methods, reason = "a shell needs one")]
fn search_path() -> String {
    std::env::var("PATH").unwrap_or_default()
}

fn which(program: &str) -> anyhow::Result<PathBuf> {
    let path = search_path();
    let mut places = path.split(':').map(|place| Path::new(place).join(program));
    places.find(|file| file.is_file()).with_context(|| format!("{program} is not on PATH"))
}

fn free() -> anyhow::Result<String> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}
