//! The log of an attempt: lines of the worker process and of its plugins, in a bounded file, written by a thread of its own.
//!
//! A [`line`] waits in the [`queue`], which drops and counts what is too much, and is written into a [`rotated`] file, which [`tail`]
//! reads. Whoever logs never waits: not for a slow disk, and not for a full one.

pub(crate) mod guest;
mod line;
mod queue;
pub(crate) mod rotated;
mod tail;

pub use line::LogLine;
pub(crate) use queue::{Identity, Log};
pub use tail::{Lines, Logged, tail, tail_lines};

/// The file of the log, without its ending.
pub(crate) const LOG: &str = "log";

/// The file with what `print` sinks print, without its ending.
pub const OUTPUT: &str = "output";
