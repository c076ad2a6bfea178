//! Limits of child processes: system calls, files, memory, processor time. The second wall: the first one is the sandbox that
//! plugins run in, and this one holds what escapes it, or what a mistake of the host would let out.
//!
//! A process confines *itself*, early in its `main`: [`apply`] takes a [`Confinement`] and returns a [`Report`] of what the system
//! enforces from then on, and what it cannot. [`cgroup`] limits whole groups of processes from outside.
//!
//! | measure | by | holds |
//! |---|---|---|
//! | no new privileges | `prctl` | programs that are set-user-id |
//! | memory, open files, file sizes, core dumps | resource limits | the process |
//! | files, TCP ports, signals, abstract Unix sockets | Landlock | the calling thread and what it starts |
//! | system calls | seccomp | all threads |
//! | processor time, memory, processes of a group | cgroup v2 | all processes of a tenant |

#![deny(unsafe_code)]

mod apply;
#[cfg(target_os = "linux")]
mod calls;
pub mod cgroup;
mod confinement;
mod cpu;
mod error;
#[cfg(target_os = "linux")]
mod files;
#[cfg(target_os = "linux")]
mod filter;
mod report;
mod resources;
mod slice;

pub use apply::{apply, supported};
pub use confinement::{ALLOCATOR_ENVIRONMENT, Confinement, Network, Role};
pub use cpu::cpu_used;
pub use error::ConfineError;
pub use report::Report;
pub use slice::Slice;
