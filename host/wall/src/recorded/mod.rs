//! A call that ended without an answer, with all that it takes to make it again: the function and its config, rows, state and time.
//!
//! What an instance kept in its own memory from earlier calls is not part of it, nor what granted files contained. A `call` is of `rows`; its
//! text is in `file`.

mod call;
mod file;
mod rows;

pub use call::{Given, RecordLog, RecordedCall, RecordedLimits};
pub use rows::Rows;
