//! Process functions: state and timers per key, one or two inputs.
//!
//! [`operator`] numbers the keys of each batch and calls the function; [`keyed`] is the state and the timers of those keys;
//! [`firing`] bounds chains of timers that set each other; [`arrangement`] assembles output rows; [`next_state`] is the state of the function's
//! next version.

pub(crate) mod arrangement;
pub(crate) mod firing;
pub(crate) mod keyed;
pub(crate) mod next_state;
pub(crate) mod operator;

#[cfg(test)]
mod job_tests;
#[cfg(test)]
mod tests;
