//! The parts of the test that kills jobs.

pub(crate) mod case;
pub(crate) mod cases;
pub(crate) mod faults;
pub(crate) mod output;
pub(crate) mod store;
