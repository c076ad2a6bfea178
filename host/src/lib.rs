//! Flowgate: stream processing whose functions are sandboxed WebAssembly components.
//!
//! The life of a job: a file or the [`DataStream`](job::DataStream) builder gives a [`job::spec::Job`]; checking it
//! against its plugins gives a [`job::graph::JobGraph`], in which every edge has a type; [`dataflow`] runs the graph.
//! `ARCHITECTURE.md` in the repository has the picture.

pub mod cli;
pub mod clock;
pub mod connector;
pub mod dataflow;
pub mod error;
pub mod job;
pub mod plugin;
pub mod schema;
pub mod shown;
pub mod standard_error;
pub mod state;

/// Rows are made on one worker and dropped on another, all the time. glibc's allocator takes a lock for that, which costs two
/// workers more than the second one brings.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
