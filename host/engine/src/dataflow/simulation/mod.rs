//! A simulation of the engine, for tests: every order in which messages can arrive, instead of the order of one run.
//!
//! Operators form no cycle, so that the output of an operator depends only on the order in which it receives the messages of
//! its channels. [`explore`] takes a job operator by operator and worker by worker, and tries all such orders for each.
//! Operators, shells and the merging of signals are the real ones; the simulation replaces only the engine, by [`stage`], and
//! the sources, which follow a [`script`].

pub(super) mod explore;
mod job_tests;
mod random_tests;
mod restart_tests;
pub(super) mod script;
mod stage;
mod swap_tests;
