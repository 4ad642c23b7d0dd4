//! Black-box tests of the whole system, in both editions.

mod bad_input;
mod demo;
mod kill;
mod main_job;
