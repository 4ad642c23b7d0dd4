//! This side: who passes programs to workers.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tripline_kernel::Fault;
use tripline_transform::{Applied, ApplyError, Program, Transform};

use crate::answer::{Answer, Limit};
use crate::error::Error;
use crate::limits::{ANSWER_WAIT, PLACE_WAIT, PROGRAMS_PER_WORKER, START_WAIT, WORKERS_MAX};
use crate::wire::{ANSWER_HEAD, READY, Request, STAYS};
use crate::worker::WORKER;

/// Reads and applies transforms, programs included. Clones share their workers.
///
/// Workers are started when they are needed and end with the last clone. Calls must come from one tokio runtime that
/// outlives them.
#[derive(Clone, Debug)]
pub struct Sandbox {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    program: PathBuf,
    places: Semaphore,
    idle: Mutex<Vec<Worker>>,
}

impl Sandbox {
    /// A sandbox whose workers are this executable, which must know [`crate::is_worker`].
    #[must_use]
    pub fn new(executable: PathBuf) -> Self {
        let (places, idle) = (Semaphore::new(WORKERS_MAX), Mutex::new(Vec::new()));
        Self { shared: Arc::new(Shared { program: executable, places, idle }) }
    }

    /// A sandbox whose workers are the executable of this process, also if its file has been replaced since.
    #[must_use]
    pub fn of_this_executable() -> Self {
        Self::new(PathBuf::from("/proc/self/exe"))
    }

    /// Reads a transform, its program included.
    ///
    /// # Errors
    /// [`Error::Invalid`] with every fault; [`Error::Unavailable`] when a program could not be looked at.
    pub async fn parse(&self, json: &str) -> Result<Transform, Error> {
        let transform = Transform::parse(json)?;
        if let Some(program) = transform.program() {
            let at = format!("/{}", program.language.name());
            let fault = match self.run(program, None).await? {
                Answer::Output(_) => return Ok(transform),
                Answer::Invalid(why) | Answer::Failed(why) => {
                    Fault::new(at, "invalid-program", why)
                }
                Answer::Exceeded(limit) => {
                    Fault::new(at, "too-large", ApplyError::from(limit).to_string())
                }
            };
            return Err(tripline_transform::Error::new(vec![fault]).into());
        }
        Ok(transform)
    }

    /// Applies a transform to an event, without holding up the calling thread.
    ///
    /// # Errors
    /// [`Error::Apply`] when there is no output for this event; [`Error::Unavailable`] when nothing was tried.
    pub async fn apply(&self, transform: Transform, event: Vec<u8>) -> Result<Vec<u8>, Error> {
        let Some(program) = transform.program() else {
            let _place = self.place().await?;
            let applied = tokio::task::spawn_blocking(move || match transform.apply(&event)? {
                Applied::Output(output) => Ok(output),
                Applied::Run(_) => unreachable!("a program was asked for above"),
            });
            let applied = applied.await.map_err(|_| Error::Unavailable("the process ends"))?;
            return applied.map_err(|error: ApplyError| error.into());
        };
        // Checks the event.
        let Applied::Run(_) = transform.apply(&event)? else {
            unreachable!("a program is to be run")
        };
        match self.run(program, Some(&event)).await? {
            Answer::Output(output) => Ok(output),
            Answer::Invalid(why) | Answer::Failed(why) => Err(ApplyError::Failed(why).into()),
            Answer::Exceeded(limit) => Err(ApplyError::from(limit).into()),
        }
    }

    async fn place(&self) -> Result<tokio::sync::SemaphorePermit<'_>, Error> {
        let place = timeout(PLACE_WAIT, self.shared.places.acquire()).await;
        let place = place.map_err(|_| Error::Unavailable("as many run already as may"))?;
        Ok(place.expect("never closed"))
    }

    async fn run(&self, program: &Program, event: Option<&[u8]>) -> Result<Answer, Error> {
        let _place = self.place().await?;
        let request = Request::encode(program, event);
        let Some(request) = request else { return Ok(Answer::Exceeded(Limit::Memory)) };
        let mut worker = match self.idle() {
            Some(worker) => worker,
            None => Worker::start(&self.shared.program).await?,
        };
        // A worker that is dropped is killed.
        match timeout(ANSWER_WAIT, worker.ask(&request)).await {
            Ok(Some((answer, stays))) => {
                if stays && worker.programs < PROGRAMS_PER_WORKER {
                    self.shared.idle.lock().unwrap_or_else(PoisonError::into_inner).push(worker);
                }
                Ok(answer)
            }
            Ok(None) => Ok(Answer::Exceeded(Limit::Memory)),
            Err(_) => Err(Error::Unavailable("a program got too little of the processor")),
        }
    }

    /// A worker that waits, and still lives.
    fn idle(&self) -> Option<Worker> {
        let mut idle = self.shared.idle.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(mut worker) = idle.pop() {
            if let Ok(None) = worker.child.try_wait() {
                return Some(worker);
            }
        }
        None
    }
}

#[derive(Debug)]
struct Worker {
    /// Killed when dropped.
    child: Child,
    requests: ChildStdin,
    answers: ChildStdout,
    /// How many programs it has run.
    programs: u32,
}

impl Worker {
    async fn start(executable: &PathBuf) -> Result<Self, Error> {
        const CANNOT: Error = Error::Unavailable("no process can be started");
        let mut child = Command::new(executable)
            .arg(WORKER)
            .env_clear()
            // One pool of memory: each further one would take address space without use.
            .env("MALLOC_ARENA_MAX", "1")
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|_| CANNOT)?;
        let (Some(requests), Some(mut answers)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(CANNOT);
        };
        match timeout(START_WAIT, answers.read_u8()).await {
            Ok(Ok(READY)) => Ok(Self { child, requests, answers, programs: 0 }),
            Ok(_) | Err(_) => Err(CANNOT),
        }
    }

    /// The answer, and whether the worker stays for a further request; nothing when it died over this one.
    async fn ask(&mut self, request: &[u8]) -> Option<(Answer, bool)> {
        self.programs += 1;
        self.requests.write_all(request).await.ok()?;
        self.requests.flush().await.ok()?;
        let mut head = [0; ANSWER_HEAD];
        self.answers.read_exact(&mut head).await.ok()?;
        let (kind, length) = Answer::head(head)?;
        let mut bytes = vec![0; length];
        self.answers.read_exact(&mut bytes).await.ok()?;
        let stays = self.answers.read_u8().await.ok()? == STAYS;
        Some((Answer::decode(kind, bytes)?, stays))
    }
}
