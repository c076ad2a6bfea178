//! Checkpoints in the dataflow: [`boundary`] is the cut; [`state`] is how operators show their state, and
//! [`reports`] what workers say of it.

pub(crate) mod boundary;
pub(crate) mod collect;
pub(crate) mod link;
pub(crate) mod reports;
pub(crate) mod state;
