//! Flowgate: stream processing whose functions are sandboxed WebAssembly components.
//!
//! The life of a job: a job file or the [`DataStream`](job::DataStream) builder makes a [`job::spec::Job`]; the check of it against
//! its plugins returns a [`job::graph::JobGraph`], in which every edge has a type; the graph runs. [`submit`] is the way from the
//! first to the last; [`job`] has what a user writes; [`running`] has what a running job shows and takes. `ARCHITECTURE.md` in the
//! repository has the picture.
//!
//! ```
//! use std::sync::Arc;
//!
//! use flowgate::job::load::{Document, Language};
//! use flowgate::submit::{JobPlugins, Submission, open_sink, start};
//!
//! let text = "
//! job: numbers
//! sources:
//!   numbers: { generator: { rows: 100, columns: { n: { sequence: {} } } } }
//! operators:
//!   counts: { input: numbers, key: [n], window: { global: {} }, aggregate: { rows: count() } }
//! sinks:
//!   out: { input: counts, blackhole: {} }
//! ";
//! let document = Document { name: "numbers.yaml".into(), text: text.into(), language: Language::Yaml, base: "/".into() };
//! let mut plugins = JobPlugins::embedded();
//! let accepted = Submission::new(document).check(&mut plugins).map_err(|rejected| *rejected)?;
//! let job = start(accepted.graph, &mut plugins, &mut open_sink)?;
//! let state = Arc::clone(job.state());
//! job.wait()?;
//! let out = state.metrics.nodes.last().expect("the sink is the last node");
//! assert_eq!(out.delivered(), 100);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]

pub mod code;
mod dataflow;
mod error;
pub mod job;
pub mod running;
pub mod submit;
