//! Each query as an engineer would write it by hand for one core: one pass over events in their order, which emits results as
//! soon as they are known. State is in hash maps with a fast hash, and is freed when it is no longer needed.
//!
//! Events are in order of their time, so that a window is complete when an event behind its end has arrived.

mod joins;
mod rows;
#[cfg(test)]
mod tests;
mod windows;

pub use joins::{q3, q4, q8, q9};
pub use rows::{q0, q1, q2, q14};
pub use windows::{q5, q7, q11, q12, q15};
