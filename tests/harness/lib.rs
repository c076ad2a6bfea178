//! The shared parts of the end-to-end tests: the real program as a process, folders with jobs, and the kernel's figures of a
//! process.

mod folder;
mod kernel;
mod lines;
mod process;
mod program;
mod served_node;
mod terminal;

pub use folder::{Appender, Folder};
pub use kernel::{children, cpu_ticks, resident_kib, threads, what_is_left};
pub use lines::Lines;
pub use process::{Ended, Flowgate, Running};
pub use program::{plugin, program, repository, seconds};
pub use rustix::process::Signal;
pub use served_node::{ServedNode, in_shell, settings};
pub use terminal::OnTerminal;
