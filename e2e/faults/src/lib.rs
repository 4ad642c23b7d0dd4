//! Faults under load, and a ledger that shows whether the system kept its promises through them.
//!
//! A [`World`] is a running system with three functions, triggers for them, and publishers that write each event into
//! the [`Ledger`] before it is sent and again when it is accepted. A [`Fault`] strikes it. Afterwards the ledger is
//! compared with what the functions were called with, the dead letters and `/v1/stats`: that is the [`Verdict`], and
//! [`Verdict::broken`] names each law that was broken.

mod disk;
mod fault;
mod ledger;
mod load;
mod objects;
mod report;
mod servers;
mod verdict;
mod world;

pub use disk::SmallDisk;
pub use fault::{Fault, all, upgrade};
pub use ledger::{Answers, Ledger};
pub use report::{Report, edition_name};
pub use servers::Servers;
pub use verdict::{Arrival, Stats, Verdict};
pub use world::{Outcome, Step, World};
