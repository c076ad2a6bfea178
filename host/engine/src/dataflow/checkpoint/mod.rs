//! Checkpoints in the dataflow: [`boundary`] is the cut; [`state`] is how operators show their state, and
//! [`reports`] what workers say of it.

pub(crate) mod adopt;
pub(crate) mod background;
pub(crate) mod begin;
pub(crate) mod boundary;
pub(crate) mod collect;
mod compose;
pub(crate) mod facts;
mod fingerprint;
pub(crate) mod keeper;
pub(crate) mod link;
pub(crate) mod reports;
pub(crate) mod restored;
pub(crate) mod saving;
mod scratch;
mod staged;
pub(crate) mod state;
pub(crate) mod status;
pub(crate) mod swapping;

#[cfg(test)]
mod job_tests;
#[cfg(test)]
pub(crate) mod test_chain;
