//! The other side: what a worker does.

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::thread;

use rustix::process::{Resource, Rlimit, setrlimit};

use crate::answer::Answer;
use crate::engine;
use crate::limits::{MEMORY_MIB_MAX, STACK_MIB};
use crate::wire::{READY, Request};

/// The only argument of a worker.
pub const WORKER: &str = "transform-worker";
const MIB: usize = 1 << 20;

/// Whether this process was started as a worker.
#[must_use]
pub fn is_worker() -> bool {
    let mut args = std::env::args_os().skip(1);
    args.next().is_some_and(|arg| arg == WORKER) && args.next().is_none()
}

/// Runs the programs that standard input asks for, until it ends.
#[must_use]
pub fn work() -> ExitCode {
    match confine().and_then(|()| serve()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Takes away what programs need not have. There is no way back.
fn confine() -> io::Result<()> {
    // What is mapped already is the program itself.
    let mapped = std::fs::read_to_string("/proc/self/statm")?;
    let pages = mapped.split(' ').next().and_then(|pages| pages.parse::<usize>().ok());
    let pages = pages.ok_or_else(|| io::Error::other("/proc/self/statm is not as documented"))?;
    let bytes = pages * rustix::param::page_size() + MEMORY_MIB_MAX * MIB;
    limit(Resource::As, bytes)?;
    limit(Resource::Core, 0)?;
    // Standard input, output and error are open; nothing else will be.
    limit(Resource::Nofile, 3)
}

fn limit(resource: Resource, max: usize) -> io::Result<()> {
    let max = u64::try_from(max).ok();
    Ok(setrlimit(resource, Rlimit { current: max, maximum: max })?)
}

fn serve() -> io::Result<()> {
    let (mut requests, mut answers) = (io::stdin().lock(), io::stdout().lock());
    answers.write_all(&[READY])?;
    answers.flush()?;
    while let Some(request) = Request::read(&mut requests)? {
        answers.write_all(&answer(request)?.encode())?;
        answers.flush()?;
    }
    Ok(())
}

/// On a stack of its own, so that its size is known.
fn answer(request: Request) -> io::Result<Answer> {
    let thread = thread::Builder::new().stack_size(STACK_MIB * MIB);
    let ended = thread.spawn(move || engine::run(&request))?.join();
    Ok(ended.unwrap_or_else(|_| Answer::Failed("the interpreter gave up".to_owned())))
}
