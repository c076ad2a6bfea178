//! A canary: a new version of a function runs beside the one of a running job, on a share of what that one is called with. What both
//! return is compared; nothing of the job changes.
//!
//! [`request`] opens the new version as a swap does. Each operator that has a function has a [`point`]: while a canary runs there, it
//! hands over some of its calls with their answers, and never waits. A thread of the canary ([`beside`]) calls the new version with the same
//! rows, time and state, and compares ([`compare`], over the columns of [`shape`]; [`written`] state) into the [`report`]. What the new version writes to state goes
//! nowhere: each comparison is of one call, so that differences do not add up.

pub(crate) mod beside;
pub(crate) mod budget;
pub(crate) mod compare;
pub(crate) mod groups;
pub(crate) mod keys;
mod pairs;
pub(crate) mod point;
pub(crate) mod report;
pub(crate) mod request;
mod rows;
pub(crate) mod shape;
mod written;

#[cfg(test)]
mod job_tests;
