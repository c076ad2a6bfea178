//! Flowgate: stream processing whose functions are sandboxed WebAssembly components.
//!
//! The life of a job: a file or the [`DataStream`](job::DataStream) builder gives a [`job::spec::Job`]; checking it
//! against its plugins gives a [`job::graph::JobGraph`], in which every edge has a type; [`dataflow`] runs the graph.
//! `ARCHITECTURE.md` in the repository has the picture.

#![forbid(unsafe_code)]

pub mod code;
pub mod dataflow;
mod error;
pub mod job;
pub mod submit;
