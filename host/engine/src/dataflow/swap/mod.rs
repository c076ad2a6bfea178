//! The swap of a plugin's function in a running job: a later version takes the place of the one that runs, between the same two rows on
//! every worker, and the operator keeps its state.
//!
//! [`request`] compares the job that runs with the one that was checked with the new version ([`difference`], [`slot_plan`]), opens the new
//! functions for every worker ([`fresh`]), and requests a boundary. At it, each shell takes the new functions, or tries them first and
//! votes ([`ballot`]). [`desk`] is what the shells, the keeper of checkpoints and whoever requests swaps share.

pub(crate) mod ballot;
pub(crate) mod desk;
pub(crate) mod difference;
pub(crate) mod fresh;
pub(crate) mod request;
pub(crate) mod slot_plan;

#[cfg(test)]
pub(super) mod job_tests;
#[cfg(test)]
pub(crate) mod test_guests;
