//! Process functions: state and timers per key, one or two inputs.
//!
//! [`operator`] numbers the keys of each batch and calls the function; [`keyed`] is the state and the timers of those keys;
//! [`firing`] bounds chains of timers that set each other; [`arrangement`] assembles output rows.

pub mod arrangement;
pub mod firing;
pub mod keyed;
pub mod operator;

#[cfg(test)]
mod job_tests;
#[cfg(test)]
mod tests;
