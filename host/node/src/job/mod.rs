//! Jobs: the JobManager of each, its worker process, and what both leave in the catalog.
//!
//! `machine` decides, `job_manager` does: one task a job, which alone changes the job's state. `process` is the worker process,
//! `assign` what it is told, `folder` where its files are.

pub(crate) mod assign;
pub(crate) mod folder;
mod handle;
pub(crate) mod history;
mod job_manager;
pub(crate) mod machine;
mod process;
mod spans;
mod wanted;

pub(crate) use handle::JobHandle;
pub(crate) use job_manager::adopt;
