//! Child processes that die with the test.
//!
//! `setpriv --pdeathsig KILL` makes the kernel kill a child when its parent *thread* ends. A test's own threads end with
//! the test, while shared servers must outlive it, so one thread that lives as long as the process starts every child.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child as StdChild, Command, ExitStatus, Stdio};
use std::sync::{OnceLock, mpsc};
use std::time::Duration;

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::Instant;

use crate::program;

/// Spawn requests that may wait for the spawning thread.
const SPAWNS_WAITING_MAX: usize = 16;
/// Time between two looks at a process that is about to end.
const EXIT_POLL: Duration = Duration::from_millis(5);
/// How long a killed process may take to be gone.
const KILL_MAX: Duration = Duration::from_secs(10);

/// What to start, and how. Of the environment only `PATH`, `HOME`, `TMPDIR` and `LLVM_PROFILE_FILE` are inherited.
#[derive(Clone, Debug)]
pub struct Spec {
    /// The program file.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Variables set for it, over the inherited ones.
    pub env: Vec<(OsString, OsString)>,
    /// The system user it runs as, when the test runs as root. Some servers refuse root.
    pub user: Option<&'static str>,
    /// Where its standard output goes. Appended to.
    pub stdout: PathBuf,
    /// Where its standard error goes. Appended to.
    pub stderr: PathBuf,
}

impl Spec {
    /// A program without arguments that writes to `DIR/stdout` and `DIR/stderr`.
    #[must_use]
    pub fn new(program: impl Into<PathBuf>, dir: &Path) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            env: Vec::new(),
            user: None,
            stdout: dir.join("stdout"),
            stderr: dir.join("stderr"),
        }
    }

    /// The same with one more argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// The same with more arguments.
    #[must_use]
    pub fn args<A: Into<OsString>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// The same with one more variable.
    #[must_use]
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// The same, run as this system user when the test runs as root.
    #[must_use]
    pub fn user(mut self, user: &'static str) -> Self {
        self.user = Some(user);
        self
    }

    /// Runs the program to its end and answers its standard output.
    ///
    /// # Errors
    /// When it cannot be started or fails; the error holds the end of its standard error.
    pub async fn run(self) -> anyhow::Result<String> {
        let output = tokio::task::spawn_blocking(move || -> io::Result<_> {
            Ok((self.command()?.output()?, self))
        });
        let (output, spec) = output.await?.context("a program could not be run")?;
        if !output.status.success() {
            bail!(
                "{} {:?} ended with {}: {}{}",
                spec.program.display(),
                spec.args,
                output.status,
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn command(&self) -> io::Result<Command> {
        let mut command = Command::new(program::find("setpriv").map_err(io::Error::other)?);
        if let Some(user) = self.user.filter(|_| rustix::process::geteuid().is_root()) {
            command.args(["--reuid", user, "--regid", user, "--clear-groups"]);
        }
        // The last of setpriv's acts: a change of user afterwards would clear it.
        command.args(["--pdeathsig", "KILL", "--"]).arg(&self.program).args(&self.args);
        command.env_clear().stdin(Stdio::null());
        for name in ["PATH", "HOME", "TMPDIR", "LLVM_PROFILE_FILE"] {
            command.envs(std::env::var_os(name).map(|value| (name, value)));
        }
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        Ok(command)
    }

    fn spawn(&self) -> io::Result<StdChild> {
        let append = |path: &Path| File::options().create(true).append(true).open(path);
        self.command()?.stdout(append(&self.stdout)?).stderr(append(&self.stderr)?).spawn()
    }
}

/// A running process. Killed when dropped, and when the test process ends.
#[derive(Debug)]
pub struct Child {
    child: StdChild,
}

type Spawn = (Spec, tokio::sync::oneshot::Sender<io::Result<StdChild>>);

/// The thread that is every child's parent.
fn spawner() -> &'static mpsc::SyncSender<Spawn> {
    static SPAWNER: OnceLock<mpsc::SyncSender<Spawn>> = OnceLock::new();
    SPAWNER.get_or_init(|| {
        let (spawns, requests) = mpsc::sync_channel::<Spawn>(SPAWNS_WAITING_MAX);
        let serve = move || {
            for (spec, answer) in requests {
                // Nobody waits any more: the child is dropped here, and reaped at once.
                if let Err(Ok(mut orphan)) = answer.send(spec.spawn()) {
                    let _ = orphan.kill();
                    let _ = orphan.wait();
                }
            }
        };
        std::thread::Builder::new()
            .name("testkit-spawner".to_owned())
            .spawn(serve)
            .expect("the system grants one thread");
        spawns
    })
}

impl Child {
    /// Starts the program.
    ///
    /// # Errors
    /// When `setpriv` is missing or cannot be started. A missing program shows as an early exit.
    pub async fn spawn(spec: &Spec) -> anyhow::Result<Self> {
        if spec.program.is_absolute() && !spec.program.exists() {
            bail!("{} does not exist", spec.program.display());
        }
        let (answer, child) = tokio::sync::oneshot::channel();
        spawner().send((spec.clone(), answer)).context("the spawning thread is gone")?;
        let child = child.await.context("the spawning thread is gone")?;
        let child = child.with_context(|| format!("{} did not start", spec.program.display()))?;
        Ok(Self { child })
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        kill_process(Pid::from_child(&self.child), signal)
            .with_context(|| format!("process {} took no signal", self.pid()))
    }

    /// How it ended, or nothing while it runs.
    ///
    /// # Errors
    /// When the system cannot tell.
    pub fn ended(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Waits until it has ended by itself.
    ///
    /// # Errors
    /// When it still runs after `deadline`.
    pub async fn wait(&mut self, deadline: Duration) -> anyhow::Result<ExitStatus> {
        let until = Instant::now() + deadline;
        loop {
            if let Some(status) = self.ended()? {
                return Ok(status);
            }
            if Instant::now() >= until {
                bail!("process {} still runs after {deadline:?}", self.pid());
            }
            tokio::time::sleep(EXIT_POLL).await;
        }
    }

    /// SIGKILL: the process gets no chance to tidy up. Returns when it is gone.
    ///
    /// # Errors
    /// When the process cannot be killed.
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.wait(KILL_MAX).await.map(drop)
    }

    /// SIGTERM, and waits for the end.
    ///
    /// # Errors
    /// When it still runs after `deadline`.
    pub async fn terminate(&mut self, deadline: Duration) -> anyhow::Result<ExitStatus> {
        if let Some(status) = self.ended()? {
            return Ok(status);
        }
        self.signal(Signal::TERM)?;
        self.wait(deadline).await
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Both fail only when the process has ended and was reaped.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
