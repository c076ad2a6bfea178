//! Why nothing comes out of an operator: a conclusion from the state of a job, in sentences, with the figures behind it.
//!
//! Pure. [`explanation`] is the result, and [`story`] the way to it: it tells what arrives at the operator, what becomes of it and what it
//! waits for, and goes to the inputs where that is the reason. [`watermark`] follows a watermark that is held back to the split that
//! holds it, [`backpressure`] follows rows that are not taken to the one who does not take them, and [`source`] says what a source
//! does. [`tables`] shows the figures, [`words`] writes times and counts.

mod backpressure;
mod explanation;
mod source;
mod story;
mod tables;
mod watermark;
pub mod words;

pub use explanation::{Cause, Explanation, Finding, Table};
pub use story::explain;

#[cfg(test)]
mod tests;
