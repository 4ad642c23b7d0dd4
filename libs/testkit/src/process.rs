//! One of our own binaries as a child process.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use anyhow::{Context as _, bail};
use rustix::process::Signal;
use tempfile::TempDir;
use tokio::time::Instant;

use crate::child::{Child, Spec};
use crate::{dir, http};

/// Time between two looks at a process that starts.
const READY_POLL: Duration = Duration::from_millis(10);
/// How much of the output an error shows.
const OUTPUT_SHOWN_BYTES_MAX: usize = 8192;

/// One of our binaries. Killed when dropped, and when the test process ends.
#[derive(Debug)]
pub struct Process {
    // Dropped in this order: the process ends before the directory with its output goes.
    child: Child,
    spec: Spec,
    /// Where the output of this start begins in the file.
    stdout_begin: usize,
    dir: TempDir,
}

/// The file of a binary of this workspace that was built by the same cargo command, or an earlier one, as this test.
///
/// # Errors
/// When it was not built.
pub fn binary(name: &str) -> anyhow::Result<PathBuf> {
    let test = std::env::current_exe()?;
    // A test is PROFILE/deps/NAME-HASH, a binary PROFILE/NAME.
    let places = test.ancestors().skip(1).take(2).map(|place| place.join(name));
    let found = places.into_iter().find(|file| file.is_file());
    found.with_context(|| format!("{name} is not built: run cargo build --workspace first"))
}

impl Process {
    /// Starts a program. Does not wait for anything.
    ///
    /// # Errors
    /// When it cannot be started.
    pub async fn start<A: Into<OsString>>(
        program: impl Into<PathBuf>,
        args: impl IntoIterator<Item = A>,
        env: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        let dir = dir::new("process")?;
        let spec = Spec::new(program, dir.path()).args(args);
        let spec = env.iter().fold(spec, |spec, (name, value)| spec.env(name, value));
        let child = Child::spawn(&spec).await?;
        Ok(Self { child, spec, stdout_begin: 0, dir })
    }

    /// Starts the same again, with the same arguments and environment, after killing it if it still runs.
    ///
    /// # Errors
    /// When it cannot be started.
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        if self.ended()?.is_none() {
            self.kill().await?;
        }
        self.stdout_begin = std::fs::read(&self.spec.stdout)?.len();
        self.child = Child::spawn(&self.spec).await?;
        Ok(())
    }

    /// From the next start on, it is this program.
    pub fn set_program(&mut self, program: impl Into<PathBuf>) {
        self.spec.program = program.into();
    }

    /// From the next start on, this variable has this value, or is not set.
    pub fn set_env(&mut self, name: &str, value: Option<&str>) {
        self.spec.env.retain(|(known, _)| known.as_os_str() != name);
        self.spec.env.extend(value.map(|value| (name.into(), value.into())));
    }

    /// The first line of its standard output since the last start, read as JSON: our binaries write one when ready.
    ///
    /// # Errors
    /// When the line does not come in time or is no JSON, or the process ends; shows its output.
    pub async fn ready_line(&mut self, deadline: Duration) -> anyhow::Result<serde_json::Value> {
        let until = Instant::now() + deadline;
        loop {
            let stdout = std::fs::read(&self.spec.stdout)?;
            let stdout = stdout.get(self.stdout_begin..).unwrap_or_default();
            if let Some(end) = stdout.iter().position(|byte| *byte == b'\n') {
                return serde_json::from_slice(&stdout[..end]).with_context(|| self.output());
            }
            self.fail_if_ended_or_after(until, "wrote no first line")?;
            tokio::time::sleep(READY_POLL).await;
        }
    }

    /// Waits until `GET {admin}/readyz` answers 200, where `admin` is such as `http://127.0.0.1:9101`.
    ///
    /// # Errors
    /// When it does not in time, or the process ends; shows its output.
    pub async fn ready(&mut self, admin: &str, deadline: Duration) -> anyhow::Result<()> {
        let (until, url) = (Instant::now() + deadline, format!("{admin}/readyz"));
        while !http::is_ok(&url).await {
            self.fail_if_ended_or_after(until, "is not ready")?;
            tokio::time::sleep(READY_POLL).await;
        }
        Ok(())
    }

    fn fail_if_ended_or_after(&mut self, until: Instant, what: &str) -> anyhow::Result<()> {
        if let Some(status) = self.ended()? {
            bail!("{} ended with {status}: {}", self.program().display(), self.output());
        }
        if Instant::now() >= until {
            bail!("{} {what} in time: {}", self.program().display(), self.output());
        }
        Ok(())
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.pid()
    }

    /// The program file.
    #[must_use]
    pub fn program(&self) -> &Path {
        &self.spec.program
    }

    /// A directory that lives as long as this, and holds its output.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// All it wrote to standard output, over all starts.
    #[must_use]
    pub fn stdout(&self) -> String {
        tail(&self.spec.stdout, usize::MAX)
    }

    /// All it wrote to standard error, over all starts.
    #[must_use]
    pub fn stderr(&self) -> String {
        tail(&self.spec.stderr, usize::MAX)
    }

    /// The end of what it wrote, for the message of a failing test.
    #[must_use]
    pub fn output(&self) -> String {
        let shown = |path: &Path| tail(path, OUTPUT_SHOWN_BYTES_MAX);
        format!("stdout:\n{}\nstderr:\n{}", shown(&self.spec.stdout), shown(&self.spec.stderr))
    }

    /// How it ended, or nothing while it runs.
    ///
    /// # Errors
    /// When the system cannot tell.
    pub fn ended(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        self.child.ended()
    }

    /// Waits until it has ended by itself.
    ///
    /// # Errors
    /// When it still runs after `deadline`.
    pub async fn wait(&mut self, deadline: Duration) -> anyhow::Result<ExitStatus> {
        self.child.wait(deadline).await.with_context(|| self.output())
    }

    /// SIGKILL. Returns when it is gone.
    ///
    /// # Errors
    /// When the process cannot be killed.
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill().await
    }

    /// SIGTERM, and waits for the end.
    ///
    /// # Errors
    /// When it still runs after `deadline`.
    pub async fn terminate(&mut self, deadline: Duration) -> anyhow::Result<ExitStatus> {
        self.child.terminate(deadline).await.with_context(|| self.output())
    }

    /// Sends any other signal, such as STOP and CONT.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        self.child.signal(signal)
    }

    /// SIGSTOP: it hangs, and its connections stay open.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn pause(&self) -> anyhow::Result<()> {
        self.child.signal(Signal::STOP)
    }

    /// SIGCONT: it goes on.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn resume(&self) -> anyhow::Result<()> {
        self.child.signal(Signal::CONT)
    }

    /// The processor time that its living threads have used.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn cpu_time(&self) -> anyhow::Result<Duration> {
        let mut nanos = 0;
        for thread in std::fs::read_dir(format!("/proc/{}/task", self.pid()))? {
            let times = std::fs::read_to_string(thread?.path().join("schedstat"))?;
            nanos += times.split(' ').next().unwrap_or_default().parse::<u64>()?;
        }
        Ok(Duration::from_nanos(nanos))
    }

    /// The memory it holds (its resident set), in bytes.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn memory_bytes(&self) -> anyhow::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
        Ok(kib.context("the process has no memory any more")?.parse::<u64>()? * 1024)
    }
}

/// The end of a file as text; empty when there is none.
pub(crate) fn tail(path: &Path, bytes_max: usize) -> String {
    let content = std::fs::read(path).unwrap_or_default();
    let begin = content.len().saturating_sub(bytes_max);
    String::from_utf8_lossy(&content[begin..]).into_owned()
}
