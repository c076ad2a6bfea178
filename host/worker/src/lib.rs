//! A job in a process of its own, and what a running job answers.
//!
//! The node writes an [`assignment`] to the standard input of a worker process ([`spawn`]); the process ([`main`]) confines itself, and
//! checks the job ([`check`]) or runs it (`run`). Another one looks at a component ([`inspect`]). What is left in the folder of the attempt is in [`files`] and the [`log`].
//!
//! [`subject`] answers the questions of `flowgate job` about a running job, [`rows`], [`summary`] and [`figures`] say in words what
//! became of its rows; `flowgate run` uses them, too.

#![forbid(unsafe_code)]

mod answer;
pub mod assignment;
pub mod check;
mod concealed;
mod confine;
pub mod figures;
pub mod files;
pub mod inspect;
pub mod job_swaps;
pub mod limits;
pub mod log;
mod newest;
mod pending;
mod prepare;
mod process;
pub mod program;
pub mod records;
pub mod rows;
mod run;
mod signals;
pub mod spawn;
pub mod subject;
mod subject_canary;
pub mod subject_figures;
pub mod summary;

pub use process::{ARGUMENT, main};
