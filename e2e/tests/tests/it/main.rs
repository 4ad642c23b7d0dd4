//! Black-box tests of the whole system, in both editions.

mod abort;
mod backup;
mod bad_input;
mod demo;
mod docs;
mod gaps;
mod kill;
mod main_job;
mod secrets;
mod tail;
mod traces;
