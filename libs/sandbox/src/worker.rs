//! The other side: what a worker does.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::process::ExitCode;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;
use std::{panic, thread};

use rustix::process::{Resource, Rlimit, setrlimit};
use rustix::time::{ClockId, clock_gettime};

use crate::answer::{Answer, Limit};
use crate::engine;
use crate::limits::{KEPT_MIB_MAX, MEMORY_MIB_MAX, PROGRAM_TIME, STACK_MIB};
use crate::wire::{ENDS, READY, Request, STAYS};

/// The only argument of a worker.
pub const WORKER: &str = "transform-worker";
/// How often a running program is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);
const MIB: usize = 1 << 20;

/// Whether this process was started as a worker.
#[must_use]
pub fn is_worker() -> bool {
    let mut args = std::env::args_os().skip(1);
    args.next().is_some_and(|arg| arg == WORKER) && args.next().is_none()
}

/// Runs the programs that standard input asks for, until it ends or one of them leaves too much behind.
#[must_use]
pub fn work() -> ExitCode {
    match confine().and_then(serve) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Takes away what programs need not have. There is no way back.
fn confine() -> io::Result<Memory> {
    let memory = Memory::new()?;
    limit(Resource::As, memory.at_start + MEMORY_MIB_MAX * MIB)?;
    limit(Resource::Core, 0)?;
    // Those that are open stay so; no further one will be.
    limit(Resource::Nofile, 0)?;
    Ok(memory)
}

fn limit(resource: Resource, max: usize) -> io::Result<()> {
    let max = u64::try_from(max).ok();
    Ok(setrlimit(resource, Rlimit { current: max, maximum: max })?)
}

/// How much address space this process has. Programs of strangers may leave behind what they took, to the cost of the next.
struct Memory {
    file: File,
    /// What is mapped then is the executable itself.
    at_start: usize,
}

impl Memory {
    fn new() -> io::Result<Self> {
        let file = File::open("/proc/self/statm")?;
        let mut memory = Self { file, at_start: 0 };
        memory.at_start = memory.now()?;
        Ok(memory)
    }

    /// In bytes.
    fn now(&mut self) -> io::Result<usize> {
        let mut text = String::new();
        self.file.rewind()?;
        self.file.read_to_string(&mut text)?;
        let pages = text.split(' ').next().and_then(|pages| pages.parse::<usize>().ok());
        let pages = pages.ok_or_else(|| io::Error::other("its first word is a number"))?;
        Ok(pages * rustix::param::page_size())
    }

    fn has_grown(&mut self) -> io::Result<bool> {
        Ok(self.now()?.saturating_sub(self.at_start) > KEPT_MIB_MAX * MIB)
    }
}

fn serve(mut memory: Memory) -> io::Result<()> {
    let (mut requests, mut answers) = (io::stdin().lock(), io::stdout().lock());
    answers.write_all(&[READY])?;
    answers.flush()?;
    while let Some(request) = Request::read(&mut requests)? {
        let answer = answer(request)?;
        answers.write_all(&answer.encode())?;
        // What was stopped in its midst may have left anything behind.
        let ends = matches!(answer, Answer::Exceeded(_)) || memory.has_grown()?;
        answers.write_all(&[if ends { ENDS } else { STAYS }])?;
        answers.flush()?;
        if ends {
            break;
        }
    }
    Ok(())
}

/// On a stack of its own, so that its size is known, and watched from outside, since no interpreter looks at the time in
/// the midst of one long step. Whoever asked may be gone: the watch does without.
fn answer(request: Request) -> io::Result<Answer> {
    let (ended, end) = mpsc::sync_channel(1);
    let run = move || {
        let run = panic::catch_unwind(|| engine::run(&request));
        // Who no longer waits has no use for it.
        let _ = ended.send(run);
    };
    let began = processor_time()?;
    let thread = thread::Builder::new().stack_size(STACK_MIB * MIB).spawn(run)?;
    loop {
        match end.recv_timeout(LOOK_EVERY) {
            Ok(run) => {
                // Its stack is free again before the next begins.
                let _ = thread.join();
                let gave_up = |_| Answer::Failed("the interpreter gave up".to_owned());
                return Ok(run.unwrap_or_else(gave_up));
            }
            Err(RecvTimeoutError::Timeout) if processor_time()? - began < PROGRAM_TIME => {}
            Err(_) => return Ok(Answer::Exceeded(Limit::Time)),
        }
    }
}

/// How long processors have worked for this process.
fn processor_time() -> io::Result<Duration> {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::try_from(time).map_err(io::Error::other)
}
