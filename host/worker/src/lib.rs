//! A job in a process of its own, and what a running job answers.
//!
//! [`subject`] answers the questions of `flowgate job` about a running job, [`rows`], [`summary`] and [`figures`] say in words what
//! became of its rows; `flowgate run` uses them, too.

#![forbid(unsafe_code)]

pub mod figures;
pub mod rows;
pub mod subject;
pub mod summary;
