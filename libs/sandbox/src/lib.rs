//! Runs the programs of transforms, jq and JSONata, which strangers wrote.
//!
//! No interpreter can be trusted to end, to stay within some memory, or not to overflow its stack: not for every program.
//! So a program runs in a process of its own kind, a *worker*: this same executable, started with [`WORKER`] as its only
//! argument, with nothing of its environment, no file it may open, and limits that the operating system keeps. Whatever
//! a program does, at worst its worker dies, and another takes its place.
//!
//! * A program of an executable calls [`is_worker`] first of all, and if so nothing but [`work`].
//! * Everyone else has a [`Sandbox`], which keeps a few workers and passes programs to them.
//!
//! # Invariants
//! A call ends within [`limits::PLACE_WAIT`], [`limits::START_WAIT`] and [`limits::ANSWER_WAIT`], whatever the program.
//! At most [`limits::WORKERS_MAX`] workers of a sandbox exist. One that was interrupted is never used again.

mod answer;
mod engine;
mod error;
mod sandbox;
mod wire;
mod worker;

pub use error::Error;
pub use sandbox::Sandbox;
pub use worker::{WORKER, is_worker, work};

/// What a program may take.
pub mod limits {
    use std::time::Duration;

    /// Longest time from a worker's start to its first word. Not a program's fault.
    pub const START_WAIT: Duration = Duration::from_secs(10);
    /// Longest wait for a free worker. Not a program's fault either.
    pub const PLACE_WAIT: Duration = Duration::from_secs(5);
    /// Most time of the processor that a program may take on one event, reading both included.
    pub const PROGRAM_TIME: Duration = Duration::from_secs(1);
    /// Longest wait for an answer, by the clock. A program that got too little of the processor is not at fault.
    pub const ANSWER_WAIT: Duration = Duration::from_secs(30);
    /// Most memory that a worker may take while it runs a program, its stack included, in MiB.
    pub const MEMORY_MIB_MAX: usize = 128;
    /// How much of that is stack, in MiB: for programs and values that nest.
    pub const STACK_MIB: usize = 32;
    /// How much of it a worker may keep between two programs, in MiB; with more it ends. A stack is kept for the next.
    pub const KEPT_MIB_MAX: usize = STACK_MIB + 16;
    /// Most steps of a jq program: evaluations of one of its terms. Those of JSONata are held by their time alone.
    pub const STEPS_MAX: usize = 1_000_000;
    /// Most values that JSONata may put into one sequence.
    pub const SEQUENCE_MAX: usize = 1_000_000;
    /// Most levels that JSONata may be nested in while it evaluates.
    pub const LEVELS_MAX: usize = 3_000;
    /// Most workers at a time.
    pub const WORKERS_MAX: usize = 4;
    /// After so many programs a worker makes room for a fresh one.
    pub const PROGRAMS_PER_WORKER: u32 = 10_000;
}
