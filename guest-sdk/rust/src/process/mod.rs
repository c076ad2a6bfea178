//! Process functions: state and timers for each key.

pub(crate) mod any;
pub(crate) mod context;
pub(crate) mod contract;
pub(crate) mod keys;
pub(crate) mod opened;
pub(crate) mod timers;
